"""What a run leaves behind of each operation: the lines of `explain`."""

from __future__ import annotations

from sync_service.models.data_models import Kind
from sync_service.models.errors import OutcomeUnknown, Refused
from tests.unit.services.rig import Rig


async def test_a_run_leaves_the_history_of_its_operations(rig: Rig) -> None:
    """A create, a refusal and a rename of one object, newest first, each with its run, attempts and time."""
    rig.source.put("a", b"one")
    await rig.service.run_initial()
    rig.source.put("a", b"two")
    rig.tell("update", "a")
    rig.destination.fail(Refused("413: too large", status=413), kind=Kind.UPDATE)
    refused = await rig.service.run_cycle()
    rig.source.rename("a", "b")
    rig.tell("rename", "a", "b")
    await rig.service.run_cycle()
    found = rig.open_catalogue.explain("b")
    assert [(o.kind, o.result) for o in found.operations] == [
        ("update", "done"),
        ("rename", "done"),
        ("update", "refused"),
        ("create", "done"),
    ]
    update = found.operations[2]
    assert (update.message, update.error_kind, update.run_id) == ("413: too large", "refused", refused.report["run_id"])
    assert (update.attempts, update.at > found.operations[3].at) == (1, True)
    assert all(record.seconds > 0 for record in found.operations)


async def test_a_lost_answer_and_its_settling_are_both_told(rig: Rig) -> None:
    """First the outcome nobody knew, then how the next run settled it."""
    rig.source.put("a", b"one")
    rig.destination.fail(OutcomeUnknown("no answer in time"), kind=Kind.CREATE, applied=True)
    await rig.service.run_initial()
    await rig.service.run_initial()
    assert [o.result for o in rig.open_catalogue.explain("a").operations] == ["done", "unknown"]


async def test_what_a_halt_kept_from_beginning_leaves_no_line(rig: Rig) -> None:
    """An operation that was never attempted is no part of the history."""
    for name in "abcdefg":
        rig.source.put(name, b"some")

    def stop(call: str, key: str | None) -> None:
        if call == "open":
            rig.halt.stop("a signal")

    rig.source.before = stop
    await rig.service.run_initial()
    told = [record for name in "abcdefg" for record in rig.open_catalogue.explain(name).operations]
    assert [f"{o.kind} {o.file_path}" for o in told] == sorted(rig.destination.effects)
    assert 0 < len(told) < 7
