"""The replay of a log: what is asked of the source, what is recorded, what is committed before what is acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service.catalogue import ledger
from sync_service.models.changes import FailureRecord
from sync_service.models.data_models import Event, EventType, Poison
from sync_service.models.errors import Archived, ConfigurationError, Denied, Refused, StorageFull, Temporary, Unreadable
from sync_service.services import event_processor
from sync_service.services.event_processor import EventCounts, EventProcessor, Scope
from tests.fakes.event_log import FakeEventLog
from tests.unit.services.workbench import Bench, event, workbench

INSIDE = Scope("bucket", "in/")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with workbench(tmp_path) as made:
        yield made


async def replay(bench: Bench, log: FakeEventLog, scope: Scope = INSIDE, trust: bool = False) -> EventCounts:
    counts = EventCounts()
    await EventProcessor(bench.tools, log, bench.source, scope, trust).replay(counts)
    return counts


def looks(bench: Bench) -> list[str | None]:
    return [subject for call, subject in bench.source.calls if call == "look"]


# ---------------------------------------------------------------- which events count


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (event("ignore", "a"), "means nothing to a sync"),
        (event("create", None), "means nothing to a sync"),
        (event("create", "in/a", bucket="other"), "another bucket"),
        (event("create", "out/a", bucket="bucket"), "outside the route's prefix"),
        (event("create", "in/", bucket="bucket"), "outside the route's prefix"),
        (event("create", "in", bucket="bucket"), "outside the route's prefix"),
        (event("create", "nothing"), "not in the source"),
    ],
)
async def test_events_of_others_are_skipped_with_the_reason(bench: Bench, item: Event, reason: str) -> None:
    """An event that is not about this route's keys is counted as skipped and touches nothing."""
    counts = await replay(bench, FakeEventLog([item]))
    assert (counts.received, counts.applied, counts.skipped) == (1, 0, Counter({reason: 1}))
    assert bench.observed() == {}


@pytest.mark.parametrize("scope", [Scope("bucket", "in/"), Scope(None, "in/")])
async def test_the_prefix_of_full_keys_is_taken_off(bench: Bench, scope: Scope) -> None:
    """Dialects that give the whole key name the same object as the route's own key."""
    bench.source.put("a", b"one")
    counts = await replay(bench, FakeEventLog([event("create", "in/a", bucket="bucket")]), scope)
    assert list(bench.observed()) == ["a"]
    assert counts.by_type == Counter(create=1)


@pytest.mark.parametrize(
    ("known", "path", "looked"),
    [
        pytest.param([], "/a", "a", id="no row: the key without it"),
        pytest.param(["/a"], "/a", "/a", id="a row with it exists"),
        pytest.param([], "/", "/", id="nothing but a slash"),
        pytest.param([], "//a", "/a", id="only one slash"),
    ],
)
async def test_a_leading_slash(bench: Bench, known: list[str], path: str, looked: str) -> None:
    """A leading slash of our own dialect names the key without it, unless a row with it exists."""
    bench.source.put(looked, b"one")
    bench.observe(*known)
    await replay(bench, FakeEventLog([event("update", path)]))
    assert looks(bench) == [looked]


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [
        pytest.param([], event("create", "/new"), ["/new"], id="created"),
        pytest.param(["/a"], event("rename", "/a", "/b"), ["/b"], id="renamed"),
        pytest.param(["x"], event("rename", "x", "/x"), ["/x"], id="renamed to the same name with a slash"),
        pytest.param(["/x"], event("rename", "/x", "x"), ["x"], id="and to the one without"),
        pytest.param(["a"], event("delete", "/a"), [], id="deleted, and none with a slash"),
    ],
)
async def test_a_slash_that_belongs_to_the_key(bench: Bench, before: list[str], told: Event, after: list[str]) -> None:
    """Where no row tells of it the source does; a rename keeps its row."""
    for key in before:
        bench.source.put(key, b"one")
    ids = bench.observe(*before)
    for key in before:
        bench.source.delete(key)
    for key in after:
        bench.source.put(key, b"one")
    counts = await replay(bench, FakeEventLog([told]))
    assert (list(bench.observed()), counts.applied) == (after, 1)
    if told.event_type is EventType.RENAME:
        assert [bench.id_at(key) for key in after] == ids
    assert bench.catalogue.explain((after or before)[0]).events[0]["state"] == "applied"


async def test_a_slash_is_not_guessed_at_where_a_row_tells(bench: Bench) -> None:
    """The delete of a row without it is not taken for word of another key that has it."""
    bench.source.put("a", b"one")
    bench.observe("a")
    bench.source.delete("a")
    bench.source.put("/a", b"another, without a row yet")
    await replay(bench, FakeEventLog([event("delete", "/a")]))
    assert (list(bench.observed()), looks(bench)) == ([], ["a"])


async def test_a_leading_slash_of_an_s3_key_belongs_to_it(bench: Bench) -> None:
    """A dialect that names the bucket gives keys as they are."""
    bench.source.put("b", b"one")
    await replay(bench, FakeEventLog([event("update", "in//a", bucket="bucket"), event("update", "/b")]))
    assert looks(bench) == ["/a", "b"]


async def test_a_rename_with_slashes_on_both_paths(bench: Bench) -> None:
    """Both ends follow the rule."""
    bench.source.put("b", b"one")
    bench.source.put("a", b"one")
    await replay(bench, FakeEventLog([event("rename", "/a", "/b")]))
    assert looks(bench) == ["a", "b"]


async def test_poison_affects_itself_alone(bench: Bench) -> None:
    """It goes to quarantine once, is counted once, and the events beside it are applied."""
    bench.source.put("a", b"one")
    log = FakeEventLog([Poison("no JSON", "{"), event("create", "a"), Poison("no JSON", "{")], cursors=False)
    first, second = await replay(bench, log), await replay(bench, log)
    assert (first.poison, first.applied, second.poison) == (1, 1, 0)
    assert list(bench.observed()) == ["a"]
    assert bench.catalogue.totals().quarantined == 1


# ---------------------------------------------------------------- the same event again


async def test_an_event_with_an_id_counts_once(bench: Bench) -> None:
    """Repeated in the same batch or later, with another time: seen before."""
    bench.source.put("a", b"one")
    log = FakeEventLog([event("create", "a", id="1"), event("create", "a", id="1", timestamp="later")], cursors=False)
    first, second = await replay(bench, log), await replay(bench, log)
    assert (first.applied, first.skipped) == (1, Counter({"seen before": 1}))
    assert (second.applied, second.skipped) == (0, Counter({"seen before": 2}))
    assert looks(bench) == ["a"]


async def test_an_event_without_id_is_known_by_its_content(bench: Bench) -> None:
    """The whole list again: nothing is looked at twice."""
    bench.source.put("a", b"one")
    log = FakeEventLog([event("create", "a", timestamp="t"), event("create", "b", timestamp="t")], cursors=False)
    await replay(bench, log)
    second = await replay(bench, log)
    assert second.skipped == Counter({"seen before": 2})
    assert looks(bench) == ["a", "b"]


async def test_the_same_content_with_a_fresh_time_is_looked_at_again(bench: Bench) -> None:
    """It may be a new event; the look finds nothing new, and the very same event again is not even looked at."""
    bench.source.put("a", b"one")
    for time in ("t1", "t2", "t3"):
        counts = await replay(bench, FakeEventLog([event("update", "a", timestamp=time)], cursors=False))
    assert counts.skipped == Counter({"nothing new": 1})
    assert looks(bench) == ["a"] * 3
    assert bench.catalogue.last_position() == 3
    repeated = FakeEventLog([event("update", "a", timestamp="t3"), event("update", "a", timestamp="t4")], cursors=False)
    await replay(bench, repeated)
    assert (await replay(bench, repeated)).skipped == Counter({"seen before": 2})
    assert len(looks(bench)) == 4
    assert bench.catalogue.within(lambda conn, _: conn.exec_driver_sql("SELECT count(*) FROM events").scalar()) == 2


async def test_an_event_is_known_again_by_what_was_told(bench: Bench) -> None:
    """A leading slash, or a prefix that is taken off, makes no other event of it."""
    bench.source.put("a", b"one")
    log = FakeEventLog([event("update", "/a"), event("update", "in/a", bucket="bucket")], cursors=False)
    await replay(bench, log)
    assert (await replay(bench, log)).skipped == Counter({"seen before": 2})


# ---------------------------------------------------------------- pages, cursor, acknowledgement


async def test_all_pages_are_one_batch(bench: Bench) -> None:
    """A chain of renames that is spread over pages is folded whole."""
    bench.source.put("a", b"one")
    [row_id] = bench.observe("a")
    bench.source.rename("a", "c")
    log = FakeEventLog([event("rename", "a", "b", id="1"), event("rename", "b", "c", id="2")], page_size=1)
    await replay(bench, log)
    assert [(path, i) for path, (i, _) in bench.observed().items()] == [("c", row_id)]
    assert log.acknowledged == ["2"]


async def test_a_log_that_does_not_end_is_read_in_bounded_batches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is committed and acknowledged before the next; what is beyond the bound waits for the next cycle."""
    monkeypatch.setattr(event_processor, "BATCH", 2)
    monkeypatch.setattr(event_processor, "BATCHES", 2)
    log = FakeEventLog([event("update", f"k{n}", id=str(n)) for n in range(9)], page_size=1)
    await replay(bench, log)
    assert log.acknowledged == ["2", "4"]
    assert bench.catalogue.cursor() == "4"


async def test_a_cursor_that_stands_still_ends_the_reading(bench: Bench) -> None:
    """A server that says that there is more and gives the same cursor is not asked for ever."""
    log = FakeEventLog([event("update", "a", id="1")])
    read = log.read

    async def stuck(cursor: str | None) -> object:
        page = await read(cursor)
        return type(page)(page.events, page.cursor, True)

    log.read = stuck  # type: ignore[method-assign, assignment]
    await replay(bench, log)
    assert log.reads == [None, "1"]


async def test_nothing_is_acknowledged_that_is_not_committed(bench: Bench) -> None:
    """Where the commit fails the log keeps its events, and the cursor stays."""
    log = FakeEventLog([event("update", "a", id="1")])

    def full(*_: object) -> None:
        raise StorageFull("no space left")

    bench.catalogue.commit_events = full  # type: ignore[method-assign]
    with pytest.raises(StorageFull):
        await replay(bench, log)
    assert log.acknowledged == []
    assert bench.catalogue.cursor() is None


async def test_the_cursor_is_committed_before_the_acknowledgement(bench: Bench) -> None:
    """Where the acknowledgement fails, the next replay goes on behind the cursor."""
    log = FakeEventLog([event("update", "a", id="1")])
    acknowledge = log.acknowledge

    async def refused(cursor: str | None) -> None:
        raise Refused("no")

    log.acknowledge = refused  # type: ignore[method-assign]
    with pytest.raises(Refused):
        await replay(bench, log)
    log.acknowledge = acknowledge  # type: ignore[method-assign]
    assert (await replay(bench, log)).received == 0
    assert log.acknowledged == ["1"]


async def test_a_page_that_fails_leaves_the_earlier_ones(bench: Bench) -> None:
    """What was read is recorded; the error is raised by the next reading, which has nothing before it."""
    bench.source.put("a", b"one")
    log = FakeEventLog([event("create", "a", id="1"), event("create", "b", id="2")], page_size=1)
    read = log.read

    async def once(cursor: str | None) -> object:
        if cursor is not None:
            raise Temporary("not now")
        return await read(cursor)

    log.read = once  # type: ignore[method-assign, assignment]
    counts = EventCounts()
    with pytest.raises(Temporary):
        await EventProcessor(bench.tools, log, bench.source, Scope(None)).replay(counts)
    assert list(bench.observed()) == ["a"]
    assert (counts.applied, log.acknowledged) == (1, ["1"])


async def test_a_halt_ends_the_replay_behind_a_batch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is recorded and acknowledged; no further batch is begun."""
    monkeypatch.setattr(event_processor, "BATCH", 1)
    log = FakeEventLog([event("update", "a", id="1"), event("update", "b", id="2")], page_size=1)
    bench.source.before = lambda *_: bench.halt.set("told to stop")
    await replay(bench, log)
    assert log.acknowledged == ["1"]


async def test_the_position_is_noted_once(bench: Bench) -> None:
    """Before the first scan, and not again when it is resumed."""
    log = FakeEventLog([event("create", "a")])
    processor = EventProcessor(bench.tools, log, bench.source, Scope(None))
    await processor.note_position()
    log.add(event("create", "b"))
    await processor.note_position()
    assert bench.catalogue.cursor() == "1"


# ---------------------------------------------------------------- the source


async def test_each_key_is_looked_at_once_a_batch(bench: Bench) -> None:
    """However many events name it."""
    bench.source.put("a", b"one")
    entries = [event("update", "a", id=str(n)) for n in range(5)] + [event("rename", "b", "a", id="r")]
    await replay(bench, FakeEventLog(entries))
    assert sorted(looks(bench)) == ["a", "b"]


@pytest.mark.parametrize("error", [Temporary("not now"), Denied("not you"), Unreadable("archived")])
async def test_a_key_without_answer_is_looked_at_with_the_next_batch(
    bench: Bench, error: Temporary | Denied | Unreadable
) -> None:
    """The others are recorded, the cursor moves on, and the next batch looks again although no event names the key."""
    bench.source.put("a", b"one")
    bench.source.put("b", b"two")
    bench.source.fail("look", error, key="a")
    log = FakeEventLog([event("create", "a", id="1"), event("create", "b", id="2")])
    counts = await replay(bench, log)
    assert list(bench.observed()) == ["b"]
    assert sum(counts.skipped.values()) == 1 and log.acknowledged == ["2"]
    await replay(bench, log)
    assert sorted(bench.observed()) == ["a", "b"]
    assert bench.catalogue.relooks_due() == {}


async def test_permissions_of_an_object_that_could_not_be_looked_at_are_kept(bench: Bench) -> None:
    """The wishes wait with the key, through a second failure and a later rename, and the newest of them holds."""
    bench.source.put("c", b"one")
    bench.source.fail("look", Denied("not you"), key="a", times=2)
    log = FakeEventLog(
        [
            event("change_permission", "a", id="1", permissions="600"),
            event("change_permission", "a", id="2", permissions="640"),
        ]
    )
    await replay(bench, log)
    assert bench.observed() == {}
    await replay(bench, log)
    log.add(event("rename", "a", "c", id="3"))
    await replay(bench, log)
    assert {path: o.row.permissions for path, o in bench.catalogue.observations_at(["a", "c"]).items()} == {"c": "640"}


async def test_a_key_that_never_answers_is_never_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an event told would be lost; a person is told each time."""
    monkeypatch.setattr(event_processor, "RELOOKS", 2)
    bench.source.put("b", b"two")
    bench.source.fail("look", Denied("not you"), key="a", times=99)
    log = FakeEventLog([event("create", "a", id="1"), event("create", "b", id="2")])
    for number in range(4):
        log.add(event("update", "b", id=f"b{number}"))
        await replay(bench, log)
    assert {key: relook.attempts for key, relook in bench.catalogue.relooks_due().items()} == {"a": 4}
    assert [facts["error"] for _, facts in bench.observer.problems] == ["not you"] * 4


async def test_a_source_that_answers_nothing_stops_the_replay(bench: Bench) -> None:
    """Nothing is committed where not one key has an answer and the source is down: the log keeps its events."""
    bench.source.fail("look", Temporary("not now"), times=99)
    bench.source.fail("ping", Temporary("down"), times=99)
    log = FakeEventLog([event("create", "a", id="1")])
    with pytest.raises(Temporary, match="down"):
        await replay(bench, log)
    assert (log.acknowledged, bench.catalogue.cursor()) == ([], None)


async def test_a_halt_while_looking_commits_nothing(bench: Bench) -> None:
    """A look that the halt cut short is no answer."""
    bench.source.before = lambda *_: bench.halt.set("told to stop")
    bench.source.fail("look", Temporary("not now"), times=9)
    log = FakeEventLog([event("create", "a", id="1")])
    with pytest.raises(Temporary):
        await replay(bench, log)
    assert log.acknowledged == []


@pytest.mark.parametrize("error", [Refused("bad request"), ConfigurationError(["is this the console's port?"])])
async def test_any_error_of_one_object_is_left_for_later(bench: Bench, error: Exception) -> None:
    """However odd the answer: the others are recorded."""
    bench.source.put("b", b"two")
    bench.source.fail("look", error, key="a")
    await replay(bench, FakeEventLog([event("create", "a", id="1"), event("create", "b", id="2")]))
    assert (set(bench.observed()), list(bench.catalogue.relooks_due())) == ({"b"}, ["a"])


async def test_trusted_events_are_believed(bench: Bench) -> None:
    """With EVENT_TRUST=event a delete counts while the bucket still shows the object."""
    bench.source.put("a", b"one")
    bench.observe("a")
    await replay(bench, FakeEventLog([event("delete", "a")]), trust=True)
    assert bench.observed() == {}


async def test_an_empty_log_is_read_and_acknowledged(bench: Bench) -> None:
    """Nothing to do is no error."""
    log = FakeEventLog()
    assert (await replay(bench, log)).received == 0
    assert log.acknowledged == ["0"]


# ---------------------------------------------------------------- what is told of it


async def test_progress_is_told_but_beside_another_phase(bench: Bench) -> None:
    """A phase and its steps; while deliveries go on the bar is theirs."""
    log = FakeEventLog([event("create", "a", id="1"), event("create", "b", id="2")])
    await replay(bench, log)
    assert (bench.observer.phases, bench.observer.of("advance")) == (["events"], [(2, 0)])
    bench.observer.calls.clear()
    log.add(event("create", "c", id="3"))
    await EventProcessor(bench.tools, log, bench.source, INSIDE).replay(EventCounts(), beside=True)
    assert (bench.observer.phases, bench.observer.of("advance")) == ([], [])
    assert looks(bench) == ["a", "b", "c"]


async def test_what_became_of_events_is_counted_over_batches(bench: Bench) -> None:
    """Applied ones by type, the others by reason; twice the same reader counts on."""
    for key in ("a", "b", "c"):
        bench.source.put(key, b"one")
    log = FakeEventLog([event("create", "a", id="1"), event("create", "b", id="2"), event("delete", "x", id="3")])
    processor, counts = EventProcessor(bench.tools, log, bench.source, INSIDE), EventCounts()
    await processor.replay(counts)
    log.add(event("update", "c", id="4"), event("delete", "y", id="5"), event("create", "a", id="1"))
    await processor.replay(counts)
    assert (counts.received, counts.applied, counts.by_type) == (6, 3, Counter(create=2, update=1))
    assert counts.skipped == Counter({"not in the source": 2, "seen before": 1})


async def test_an_event_is_recorded_as_it_was_told(bench: Bench) -> None:
    """Its type, both paths, its time and what became of it."""
    bench.source.put("b", b"one")
    await replay(bench, FakeEventLog([event("rename", "/a", "/b", timestamp="2026-11-21T08:00:00Z")]))
    (told,) = bench.catalogue.explain("b").events
    assert (told["event_type"], told["file_path"], told["new_path"]) == ("rename", "a", "b")
    assert (told["timestamp"], told["state"], told["reason"]) == ("2026-11-21T08:00:00Z", "applied", None)


@pytest.mark.parametrize(("archived", "quarantined"), [(True, 1), (False, 0)])
async def test_an_object_that_was_restored_is_taken_up(bench: Bench, archived: bool, quarantined: int) -> None:
    """An event about it finds it readable again; one that is still archived stays aside, and so does any other failure."""
    bench.source.put("a", b"one")
    (row_id,) = bench.observe("a")
    failure = FailureRecord(row_id, "a", "create", 1, Archived.kind, "archived", 1, 1, "t", "t", True)
    bench.catalogue.within(ledger.put_failures, [failure])
    bench.source.replace_info("a", archived=archived)
    await replay(bench, FakeEventLog([event("update", "a")]))
    assert bench.catalogue.totals().quarantined == quarantined
