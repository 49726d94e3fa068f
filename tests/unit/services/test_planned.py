"""A run with a plan: exactly that goes out, or nothing; and nothing that was read is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sync_service.models.data_models import Kind, Operation
from sync_service.models.errors import ConfigurationError, ExitCode, StoredWrong, Unreachable
from sync_service.services.plan_files import PlanFile, PlannedOperation, Preview
from sync_service.services.planned import Planned
from tests.unit.services.rig import Rig

Make = Callable[..., Rig]


async def synced(rig: Rig, *keys: str) -> None:
    for key in keys:
        rig.source.put(key, f"body of {key}".encode())
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    rig.destination.effects.clear()


def operation(rig: Rig, kind: Kind, path: str, new_path: str | None = None) -> PlannedOperation:
    """As a plan has it: what the source holds now."""
    known = rig.open_catalogue.explain(path).delivered
    size = etag = None
    if kind is not Kind.DELETE and new_path is None:
        info = rig.source.info(path)
        size, etag = info.size, info.etag
    elif known is not None:
        size, etag = known.size, known.etag
    file_type = "text/plain" if kind in (Kind.CREATE, Kind.UPDATE) else None
    return PlannedOperation.of(Operation(kind, 0, 0, path, new_path, size or 0, etag or "", file_type=file_type))


def planned(rig: Rig, *then: PlannedOperation, now: Preview | None = None, held: tuple[str, ...] = ()) -> Planned:
    """A plan of `then`, with a run that would send `now` (None: the same)."""
    plan = PlanFile(rig.open_catalogue.catalogue_id, "customer", "2026-11-21T08:00:00Z", Preview(then, held))

    async def preview() -> Preview:
        return now if now is not None else plan.preview

    return Planned(plan, preview)


async def change(rig: Rig) -> list[PlannedOperation]:
    """An update, a rename, a delete and a create, told by events; what a plan says of them."""
    rig.source.put("a", b"new")
    rig.source.rename("b", "b2")
    rig.source.delete("c")
    rig.source.put("d", b"fresh")
    for kind, path, new_path in (
        ("update", "a", None),
        ("rename", "b", "b2"),
        ("delete", "c", None),
        ("create", "d", None),
    ):
        rig.tell(kind, path, new_path)
    return [
        operation(rig, Kind.UPDATE, "a"),
        operation(rig, Kind.RENAME, "b", "b2"),
        operation(rig, Kind.DELETE, "c"),
        operation(rig, Kind.CREATE, "d"),
    ]


async def test_a_plan_that_holds_is_carried_out(rig: Rig) -> None:
    """Everything that it names goes out, and the report says that nothing was apart."""
    await synced(rig, "a", "b", "c")
    result = await rig.service.run_planned(planned(rig, *await change(rig)))
    assert result.exit_code is ExitCode.DONE
    assert sorted(rig.destination.effects) == ["create d", "delete c", "rename b -> b2", "update a"]
    assert (result.report["plan"]["only_in_plan"], result.report["plan"]["only_now"]) == ([], [])
    assert rig.in_step()


async def test_a_plan_that_no_longer_holds_sends_nothing(rig: Rig) -> None:
    """Both sides of the difference are told, exit 6; the events stay recorded, and a plain cycle sends all of it."""
    await synced(rig, "a", "b", "c")
    update, *others = await change(rig)
    result = await rig.service.run_planned(planned(rig, *others, now=Preview((update, *others[1:]))))
    assert (result.exit_code, rig.destination.effects) == (ExitCode.GUARDED, [])
    assert result.report["plan"]["only_in_plan"] == [others[0].text]
    assert result.report["plan"]["only_now"] == [update.text]
    assert "1 operation only in the plan, 1 only now; nothing was sent" in result.report["errors"][0]["message"]
    reads = len(rig.log.reads)
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert (len(rig.log.reads) > reads, rig.in_step()) == (True, True)


async def test_held_deletes_are_part_of_a_plan(rig: Rig) -> None:
    """A delete that was held then and would go now is a difference, on both sides."""
    await synced(rig, "a")
    rig.source.delete("a")
    rig.tell("delete", "a")
    delete = operation(rig, Kind.DELETE, "a")
    run = planned(rig, held=("a",), now=Preview((delete,)))
    result = await rig.service.run_planned(run)
    assert (result.exit_code, rig.destination.effects) == (ExitCode.GUARDED, [])
    assert (run.only_planned, run.only_now) == (["delete a (held)"], ["delete a"])


async def test_an_object_that_changes_while_the_plan_goes_out_is_kept_back(rig: Rig) -> None:
    """What was pinned holds: its new version is observed, named, and left for the next run; the rest went out."""
    await synced(rig, "a", "b", "c")
    plan = await change(rig)

    def sneak(call: str, key: str | None) -> None:
        if (call, key) == ("open", "a"):
            rig.source.before = None
            rig.source.put("a", b"newer still")

    rig.source.before = sneak
    result = await rig.service.run_planned(planned(rig, *plan))
    assert result.exit_code is ExitCode.GUARDED
    assert sorted(rig.destination.effects) == ["create d", "delete c", "rename b -> b2"]
    newer = operation(rig, Kind.UPDATE, "a").text
    assert result.report["plan"]["only_now"] == [newer]
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_a_repair_that_the_plan_does_not_name_waits(rig: Rig) -> None:
    """Bytes stored wrong are sent again by another operation: that one is for the next run."""
    await synced(rig, "a")
    rig.source.put("n", b"fresh")
    rig.tell("create", "n")
    rig.destination.fail(StoredWrong("3 bytes stored"), kind=Kind.CREATE, applied=True)
    result = await rig.service.run_planned(planned(rig, operation(rig, Kind.CREATE, "n")))
    assert (result.exit_code, rig.destination.effects) == (ExitCode.GUARDED, ["create n"])
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_a_row_in_the_way_that_the_plan_does_not_name_stops_nothing(rig: Rig) -> None:
    """A path that would have to be freed first is not freed; what waits for it waits, and the run ends."""
    await synced(rig, "a", "b")
    plan = [operation(rig, Kind.RENAME, "a", "b")]
    rig.source.rename("a", "b")
    rig.tell("rename", "a", "b")
    result = await rig.service.run_planned(planned(rig, *plan))
    assert (result.exit_code, rig.destination.effects) == (ExitCode.GUARDED, [])
    assert result.report["plan"]["only_now"] == ["delete b"]
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_the_gate_is_open_again_for_the_next_run(rig: Rig) -> None:
    """Only the planned run keeps to the plan."""
    await synced(rig, "a")
    assert (await rig.service.run_planned(planned(rig))).exit_code is ExitCode.DONE
    rig.source.put("n", b"fresh")
    rig.tell("create", "n")
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.destination.effects == ["create n"]


async def test_without_the_log_nothing_is_compared_and_nothing_sent(rig: Rig) -> None:
    """What happened since cannot be told: that is no yes."""
    await synced(rig, "a")
    rig.log.fail(Unreachable("no connection"))
    run = planned(rig, operation(rig, Kind.UPDATE, "a"))
    result = await rig.service.run_planned(run)
    assert (result.exit_code, rig.destination.effects) == (ExitCode.TEMPORARY, [])


async def test_another_bucket_is_no_place_for_a_plan(rig: Rig) -> None:
    """A bucket that is not the one seen before stops the plan before anything is read."""
    await synced(rig, "a")
    rig.source.name = "another"
    result = await rig.service.run_planned(planned(rig))
    assert (result.exit_code, rig.destination.effects) == (ExitCode.GUARDED, [])
    assert "not the one that was seen before" in result.report["errors"][0]["message"]


@pytest.mark.parametrize("values", [("x", "customer"), (None, "backup")])
async def test_a_plan_of_another_catalogue_starts_no_run(rig: Rig, values: tuple[str | None, str]) -> None:
    """It is a mistake of usage, and no run is recorded."""
    await synced(rig, "a")
    before = rig.open_catalogue.runs()
    run = planned(rig)
    run.plan = PlanFile(values[0] or rig.open_catalogue.catalogue_id, values[1], "", Preview(()))
    with pytest.raises(ConfigurationError, match="another catalogue"):
        await rig.service.run_planned(run)
    assert rig.open_catalogue.runs() == before
