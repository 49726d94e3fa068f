"""The diff: what differs between two snapshots, told by pandas in windows, never more than there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_service.models.data_models import Kind
from sync_service.models.errors import SyncError
from sync_service.services import csv_processor
from sync_service.services.csv_processor import Change, CsvProcessor, aligned_windows
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.planner import folder_of
from sync_service.services.snapshot_files import SnapshotPair, write_pair
from tests.fakes.catalogues import NOW, deliver_all, event_commit, ids, observation, scan
from tests.unit.services.test_snapshot_files import row


def pair_of(folder: Path, before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> SnapshotPair:
    return write_pair(folder, "t", "r", "full", before, after)


def diff(folder: Path, before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> list[Change]:
    return [change for window in CsvProcessor(folder).diff(pair_of(folder, before, after)) for change in window]


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        (None, row(1), (Kind.CREATE,)),
        (row(1), None, (Kind.DELETE,)),
        (row(1), row(1), None),
        (row(1), row(1, size=2), (Kind.UPDATE,)),
        (row(1), row(1, etag="f"), (Kind.UPDATE,)),
        (row(1), row(1, file_type="text/css"), (Kind.UPDATE,)),
        (row(1), row(1, last_modified="later"), None),
        (row(1, "d/a"), row(1, "d/b"), (Kind.RENAME,)),
        (row(1, "a"), row(1, "b"), (Kind.RENAME,)),
        (row(1, "d/a"), row(1, "e/a"), (Kind.MOVE,)),
        (row(1, "d/a"), row(1, "a"), (Kind.MOVE,)),
        (row(1, "d/a/"), row(1, "d/b/"), (Kind.RENAME,)),
        (row(1, "d\n/a"), row(1, "d\n/b"), (Kind.RENAME,)),
        (row(1, permissions="600"), row(1, permissions="644"), (Kind.CHANGE_PERMISSION,)),
        (row(1, permissions="0644"), row(1, permissions="644"), (Kind.CHANGE_PERMISSION,)),
        (row(1, permissions="600"), row(1), None),
        (row(1), row(1, owner="NA"), (Kind.CHANGE_PERMISSION,)),
        (row(1), row(1, group="null"), (Kind.CHANGE_PERMISSION,)),
        (
            row(1, "d/a"),
            row(1, "e/a", size=2, owner="me"),
            (Kind.MOVE, Kind.CHANGE_PERMISSION, Kind.UPDATE),
        ),
    ],
)
def test_one_row_gives_what_makes_it_equal(
    tmp_path: Path, before: tuple[Any, ...] | None, after: tuple[Any, ...] | None, kinds: tuple[Kind, ...] | None
) -> None:
    """Each kind of difference, and those that are none; in the order in which they are carried out."""
    found = diff(tmp_path, [before] if before else [], [after] if after else [])
    assert found == ([] if kinds is None else [Change(1, kinds)])


def test_a_row_and_its_counterpart_stand_in_one_window(tmp_path: Path) -> None:
    """Also where a window is one line long; what is equal on both sides is in none, and the changes are the same."""
    before, after = [row(1), row(2), row(4)], [row(1), row(2, size=2), row(3)]
    pair = pair_of(tmp_path, before, after)
    assert [(len(b), len(a)) for b, a in aligned_windows(pair.before, pair.after, 1)] == [(1, 1), (0, 1), (1, 0)]
    assert diff(tmp_path, before, after) == [
        Change(2, (Kind.UPDATE,)),
        Change(3, (Kind.CREATE,)),
        Change(4, (Kind.DELETE,)),
    ]


STATES = st.dictionaries(
    st.integers(1, 60),
    st.tuples(
        st.sampled_from(["a", "d/a", "d/b", 'x"\n,y', "NA"]),
        st.integers(0, 2),
        st.sampled_from([None, "0644", "NA", ""]),
    ),
)


@settings(max_examples=40, deadline=None)
@given(before=STATES, after=STATES, size=st.integers(1, 7))
def test_windows_change_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[int, tuple[str, int, str | None]],
    after: dict[int, tuple[str, int, str | None]],
    size: int,
) -> None:
    """Any two states give the same changes in windows of any size, each row once, in order of id, equal ones left out."""
    folder = tmp_path_factory.mktemp("diff")
    pair = pair_of(folder, rows_of(before), rows_of(after))
    whole = [change for window in CsvProcessor(folder).diff(pair) for change in window]
    windows = list(aligned_windows(pair.before, pair.after, size))
    parts = [csv_processor.compare(csv_processor._frame(b), csv_processor._frame(a)) for b, a in windows]
    assert [change for part in parts for change in part] == whole
    assert all(len(b) + len(a) <= size + 1 for b, a in windows)
    assert [change.row_id for change in whole] == sorted({change.row_id for change in whole})
    kinds = {change.row_id: change.kinds for change in whole}
    assert {i for i, k in kinds.items() if k == (Kind.CREATE,)} == set(after) - set(before)
    assert {i for i, k in kinds.items() if k == (Kind.DELETE,)} == set(before) - set(after)
    for row_id in set(before) & set(after):
        (path, length, wish), (new_path, new_length, new_wish) = before[row_id], after[row_id]
        expected = {Kind.UPDATE} if length != new_length else set()
        expected |= {Kind.CHANGE_PERMISSION} if new_wish and (wish or "") != new_wish else set()
        moved = {Kind.RENAME, Kind.MOVE} & set(kinds.get(row_id, ()))
        assert set(kinds.get(row_id, ())) - moved == expected
        assert bool(moved) == (path != new_path)


def rows_of(state: dict[int, tuple[str, int, str | None]]) -> list[tuple[Any, ...]]:
    return [row(i, path, size=size, permissions=wish) for i, (path, size, wish) in sorted(state.items())]


def test_an_unsorted_or_broken_file_is_refused(tmp_path: Path) -> None:
    """Order and ids are checked, not trusted."""
    with pytest.raises(SyncError, match="not sorted"):
        diff(tmp_path, [row(2), row(1)], [])
    with pytest.raises(SyncError, match="without an id"):
        diff(tmp_path, [("x", *row(1)[1:])], [])
    with pytest.raises(SyncError, match="without an id"):
        list(aligned_windows(*broken(tmp_path)))


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        pytest.param([row(2), row(1)], "not sorted", id="a smaller id behind a greater one"),
        pytest.param([row(1), row(1)], "not sorted", id="one id twice"),
        pytest.param([("x", *row(1)[1:])], "without an id", id="no id"),
    ],
)
def test_a_refusal_names_the_file(tmp_path: Path, rows: list[tuple[Any, ...]], what: str) -> None:
    """Two files are compared: a person is told which of them cannot be used."""
    pair = pair_of(tmp_path, [], rows)
    with pytest.raises(SyncError, match=what) as refused:
        list(CsvProcessor(tmp_path).diff(pair))
    assert refused.value.subject == str(pair.after.path)


def broken(folder: Path) -> tuple[Any, Any]:
    """A pair whose first file ends within quotes."""
    pair = pair_of(folder, [row(1)], [])
    pair.before.path.write_bytes(b'"id"\n"1\nno end')
    return pair.before, pair.after


def test_an_edited_pair_is_refused_before_anything_is_told(tmp_path: Path) -> None:
    """Not one window comes of a file that was changed by hand."""
    pair = pair_of(tmp_path, [row(1)], [row(2)])
    pair.after.path.write_bytes(pair.after.path.read_bytes() + b'"9","","","","","","","","",""\n')
    with pytest.raises(SyncError, match="changed after"):
        next(CsvProcessor(tmp_path).diff(pair))


def test_the_scope_is_what_was_touched_or_everything(tmp_path: Path) -> None:
    """By setting, or asked for once; the manifest and the retention follow."""
    catalogue = DatabaseManager(tmp_path / "sync.db").open_writer(NOW)
    scan(catalogue, "a", "b", "c")
    deliver_all(catalogue)
    catalogue.commit_events(event_commit(observation("a", ids(catalogue)["a"], size=9)), NOW)
    folder = tmp_path / "snapshots"
    touched = CsvProcessor(folder).snapshot(catalogue, "t1", "r1")
    assert '"scope": "touched"' in touched.manifest.read_text()
    assert touched.before.path.name == "t1-r1-before.csv"
    once = CsvProcessor(folder).snapshot(catalogue, "t2", "r2", full=True)
    always = CsvProcessor(folder, retention=2, full=True).snapshot(catalogue, "t3", "r3")
    assert [(p.before.rows, p.after.rows) for p in (touched, once, always)] == [(1, 1), (3, 3), (3, 3)]
    assert not touched.manifest.exists()
    assert '"scope": "full"' in always.manifest.read_text()
    catalogue.close()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from("a/\n ."), max_size=8), min_size=1, max_size=20))
def test_the_diff_and_the_planner_agree_on_folders(paths: list[str]) -> None:
    """What is a rename to the one is a rename to the other."""
    import pandas as pd

    assert list(csv_processor._folder(pd.Series(paths, dtype=str))) == [folder_of(path) for path in paths]
