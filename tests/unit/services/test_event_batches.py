"""What one batch leaves for the next ones: which events are known again, what is counted, and what a person is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service.catalogue import ledger
from sync_service.models.changes import FailureRecord
from sync_service.models.data_models import Event, EventPage, Poison
from sync_service.models.errors import Archived, Denied, Refused, SyncError
from sync_service.services.event_processor import EventCounts, EventProcessor
from tests.fakes.event_log import FakeEventLog
from tests.unit.services.test_event_processor import INSIDE, looks, replay
from tests.unit.services.workbench import Bench, event, workbench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with workbench(tmp_path) as made:
        yield made


def reads(log: FakeEventLog, *pages: EventPage) -> FakeEventLog:
    """The log gives these pages, one after the other, whatever it is asked for."""
    left = iter(pages)

    async def read(cursor: str | None) -> EventPage:
        log.reads.append(cursor)
        return next(left)

    log.read = read  # type: ignore[method-assign]
    return log


# ---------------------------------------------------------------- which keys are meant


@pytest.mark.parametrize(
    ("items", "looked"),
    [
        pytest.param([event("update", "in/a")], ["in/a"], id="a path of our own dialect begins with the prefix"),
        pytest.param([event("update", "/a"), event("update", "b")], ["a", "b"], id="one with a slash, one without"),
        pytest.param([event("rename", "/a", "b"), event("rename", "c", "/d")], ["a", "b", "c", "d"], id="one end each"),
        pytest.param(
            [event("update", "in//a", bucket="bucket"), event("update", "/a")], ["/a", "a"], id="an S3 key beside it"
        ),
    ],
)
async def test_each_event_names_what_its_own_dialect_says(bench: Bench, items: list[Event], looked: list[str]) -> None:
    """What is taken off one event's path is not taken off another's."""
    for key in looked:
        bench.source.put(key, b"one")
    await replay(bench, FakeEventLog(items))
    assert looks(bench) == looked


async def test_events_are_not_believed_unless_asked_for(bench: Bench) -> None:
    """A delete does not count while the source still shows the object."""
    bench.source.put("a", b"one")
    bench.observe("a")
    log = FakeEventLog([event("delete", "a")])
    await EventProcessor(bench.tools, log, bench.source, INSIDE).replay(EventCounts())
    assert list(bench.observed()) == ["a"]


# ---------------------------------------------------------------- the same event again


async def test_an_event_of_others_is_known_again(bench: Bench) -> None:
    """It is recorded with its reason like any other, and named as seen before when the log repeats it."""
    log = FakeEventLog([event("create", "out/a", bucket="bucket", id="1")], cursors=False)
    await replay(bench, log)
    assert (await replay(bench, log)).skipped == Counter({"seen before": 1})
    (told,) = bench.catalogue.explain("out/a").events
    assert (told["state"], told["reason"]) == ("skipped", "outside the route's prefix")


async def test_a_repeated_event_stays_what_it_was(bench: Bench) -> None:
    """`explain` tells what became of it the first time."""
    bench.source.put("a", b"one")
    log = FakeEventLog([event("create", "a", id="1")], cursors=False)
    await replay(bench, log)
    await replay(bench, log)
    (told,) = bench.catalogue.explain("a").events
    assert (told["state"], told["reason"]) == ("applied", None)


async def test_a_log_with_cursors_tells_each_event_for_itself(bench: Bench) -> None:
    """Two updates that say the same are two events: the first of them is still known when it comes once more."""
    bench.source.put("a", b"one")
    log = FakeEventLog()
    for number in ("1", "2", "1"):
        log.add(event("update", "a", id=number))
        counts = await replay(bench, log)
    assert counts.skipped == Counter({"seen before": 1})


# ---------------------------------------------------------------- the cursor


async def test_a_last_page_without_a_cursor_keeps_the_one_before(bench: Bench) -> None:
    """The log is not read from its beginning again."""
    pages = [
        EventPage([event("update", "a", id="1")], "1", True),
        EventPage([event("update", "b", id="2")], None, False),
    ]
    log = reads(FakeEventLog(), *pages)
    await replay(bench, log)
    assert (log.acknowledged, bench.catalogue.cursor()) == (["1"], "1")


# ---------------------------------------------------------------- what is told and counted


async def test_poison_is_counted_over_batches_and_told(bench: Bench) -> None:
    """A person reads why an event cannot be used, and its text."""
    log = FakeEventLog([Poison("no JSON", "{")])
    processor, counts = EventProcessor(bench.tools, log, bench.source, INSIDE), EventCounts()
    await processor.replay(counts)
    log.add(Poison("no path", "{}"))
    await processor.replay(counts)
    assert counts.poison == 2
    assert [facts for _, facts in bench.observer.notes] == [
        {"reason": "no JSON", "event": "{"},
        {"reason": "no path", "event": "{}"},
    ]
    assert all("quarantine" in message for message, _ in bench.observer.notes)


async def test_an_object_without_an_answer_is_named(bench: Bench) -> None:
    """The problem says which object it is and what the source said."""
    bench.source.put("b", b"two")
    bench.source.fail("look", Denied("not you"), key="a")
    await replay(bench, FakeEventLog([event("create", "a"), event("create", "b")]))
    [(message, facts)] = bench.observer.problems
    assert "does not answer" in message
    assert (facts["file_path"], "not you" in facts["error"]) == ("a", True)


@pytest.mark.parametrize("keys", [[], ["a", "b"]])
async def test_a_source_is_pinged_only_where_no_key_has_an_answer(bench: Bench, keys: list[str]) -> None:
    """Neither an empty log nor one object that is denied is held up by a bucket that refuses the question itself."""
    bench.source.put("b", b"two")
    bench.source.fail("look", Denied("not you"), key="a")
    bench.source.fail("ping", Denied("not you"))
    log = FakeEventLog([event("create", key, id=key) for key in keys])
    await replay(bench, log)
    assert log.acknowledged == [str(len(keys))]


# ---------------------------------------------------------------- objects that were archived


def quarantined(bench: Bench, path: str, error: type[SyncError]) -> None:
    """The object at `path` is observed, and its create was given up with this error."""
    bench.source.put(path, b"one")
    (row_id,) = bench.observe(path)
    failure = FailureRecord(row_id, path, "create", 1, error.kind, "given up", 1, 1, "t", "t", True)
    bench.catalogue.within(ledger.put_failures, [failure])


async def test_only_what_was_archived_and_is_named_is_taken_up(bench: Bench) -> None:
    """A refused object, and an archived one that no event names, stay aside."""
    for path, error in (("a", Archived), ("b", Archived), ("c", Refused)):
        quarantined(bench, path, error)
    await replay(bench, FakeEventLog([event("update", "a"), event("update", "c")]))
    assert sorted(f.file_path for f in bench.catalogue.list_failures() if f.quarantined) == ["b", "c"]
