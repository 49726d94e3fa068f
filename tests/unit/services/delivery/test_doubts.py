"""Doubts, looked at closely: what a settlement leaves in the row, in the history and for the rest of the cycle."""

from __future__ import annotations

import pytest

from sync_service.models.data_models import Kind, Operation
from sync_service.models.errors import Refused
from sync_service.services import delivery as module
from sync_service.services.delivery import Delivery
from tests.unit.services.delivery.steps import delivered, doubts, holding, in_doubt, put, settle_all
from tests.unit.services.workbench import Bench


async def test_doubts_are_settled_window_by_window(
    bench: Bench, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is asked about once, however many there are, and a person is told how many."""
    monkeypatch.setattr(module, "WINDOW", 2)
    bench.catalogue.mark(put(bench, *"abcde"))
    bench.thread.calls.clear()
    await settle_all(delivery)
    assert (doubts(bench), bench.thread.calls.count("confirm")) == ([], 3)
    assert sorted(bench.destination.effects) == [f"create {path}" for path in "abcde"]
    [(message, facts)] = bench.observer.notes
    assert ("in doubt" in message, facts) == (True, {"operations": 5})


@pytest.mark.parametrize("why", ["changed", "refused"])
async def test_what_is_found_of_an_unknown_version_goes_again_in_this_cycle(
    bench: Bench, delivery: Delivery, why: str
) -> None:
    """The row is known by the id that the destination gave, and another round sends its bytes."""
    [a] = put(bench, "a")
    await in_doubt(bench, delivery, a, applied=True)
    if why == "changed":
        bench.source.put("a", b"other")
    else:
        bench.destination.fail(Refused("no", status=422), kind="create")
    await settle_all(delivery)
    assert bench.catalogue.settled_by_id([a.row_id])[a.row_id].internal_id == bench.destination.files["a"].internal_id
    assert delivery.counts.again


async def test_an_update_in_doubt_on_a_path_of_another_row_is_forgotten(bench: Bench, delivery: Delivery) -> None:
    """The row is at the destination no longer; the same cycle goes another round, which makes it anew."""
    _, b = await delivered(bench, delivery, "a", "b")
    bench.catalogue.mark([Operation(Kind.UPDATE, b, 2, "a", size=1, etag="other")])
    await settle_all(delivery)
    assert (holding(bench, b), doubts(bench), delivery.counts.again) == (None, [], True)
    assert bench.catalogue.explain("b").operations[0].result == "missing"


async def test_a_rename_in_doubt_between_paths_of_other_rows_is_forgotten(bench: Bench, delivery: Delivery) -> None:
    """A file at the old path says nothing of this row where another row holds that path."""
    *_, c = await delivered(bench, delivery, "a", "b", "c")
    bench.catalogue.mark([Operation(Kind.RENAME, c, 2, "a", "b", 1)])
    await settle_all(delivery)
    assert (holding(bench, c), doubts(bench)) == (None, [])
