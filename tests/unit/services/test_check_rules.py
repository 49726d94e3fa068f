"""The rules of a check: what counts as the same, and what is made of the two sides' answers."""

from __future__ import annotations

import pytest

from sync_service.models.data_models import Listed, Receipt
from sync_service.models.findings import FindingKind, Remedy, RowState, Tracked
from sync_service.services.check_rules import differs, in_sample, judge, judge_bytes, mode_of, same_attribute, wishes

ROW = Tracked(7, "a.txt", 3, "e1", "t1", None, None, None, 4, RowState.IN_STEP)
WISHING = ROW._replace(permissions="0640", owner="alice")
HELD = Receipt("id", 3)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("644", 0o644),
        ("0644", 0o644),
        ("0o644", 0o644),
        ("100644", 0o644),
        ("4755", 0o4755),
        ("rw-r--r--", 0o644),
        ("-rw-r--r--", 0o644),
        ("drwxr-xr-x", 0o755),
        ("---------", 0),
        ("rwsr-Sr-t", 0o7745),
        ("rwxr-xr-T", 0o1754),
        ("private", None),
        ("", None),
        ("rw-r--r-", None),
        ("999", None),
        ("٦٤٤", None),
    ],
)
def test_permissions_are_read_in_both_spellings(text: str, mode: int | None) -> None:
    """Octal and letters mean bits; other words are no permissions that could be compared by meaning."""
    assert mode_of(text) == mode


@pytest.mark.parametrize(
    ("name", "wanted", "told", "same"),
    [
        ("permissions", "0644", "rw-r--r--", True),
        ("permissions", "0644", "0600", False),
        ("permissions", "private", "private", True),
        ("permissions", "private", "public", False),
        ("permissions", "private", "0600", None),
        ("permissions", "0600", "private", None),
        ("owner", "644", "0644", False),
        ("group", "staff", "staff", True),
    ],
)
def test_attributes_are_compared_by_meaning(name: str, wanted: str, told: str, same: bool | None) -> None:
    """A server's own spelling of permissions is no difference; where nobody can say, nobody claims."""
    assert same_attribute(name, wanted, told) is same


def test_a_row_has_the_wishes_that_the_source_has() -> None:
    """What the source says nothing of is no wish."""
    assert wishes(ROW) == {}
    assert wishes(WISHING) == {"permissions": "0640", "owner": "alice"}


@pytest.mark.parametrize(
    ("row", "held", "attributes", "kind", "detail", "remedies"),
    [
        (ROW, None, None, FindingKind.MISSING, "not at the destination", (Remedy.SEND,)),
        (ROW, Receipt("id", 2), None, FindingKind.DIFFERENT, "size 2 instead of 3", (Remedy.SEND_AGAIN,)),
        (ROW, Receipt("id", None), None, FindingKind.UNVERIFIABLE, "the destination tells no size", ()),
        (
            WISHING,
            HELD,
            Receipt(permissions="0777", owner="alice"),
            FindingKind.DIFFERENT,
            "permissions 0777 instead of 0640",
            (Remedy.PERMIT,),
        ),
        (
            WISHING,
            Receipt("id", 2),
            Receipt(permissions="0777", owner="bob"),
            FindingKind.DIFFERENT,
            "size 2 instead of 3; permissions 0777 instead of 0640; owner bob instead of alice",
            (Remedy.SEND_AGAIN, Remedy.PERMIT),
        ),
        (
            WISHING,
            HELD,
            Receipt(permissions="secret", owner="alice"),
            FindingKind.UNVERIFIABLE,
            "permissions: 0640 is wished for, the destination says secret",
            (),
        ),
        (
            WISHING,
            HELD,
            None,
            FindingKind.UNVERIFIABLE,
            "permissions: 0640 is wished for, the destination says nothing; "
            "owner: alice is wished for, the destination says nothing",
            (),
        ),
    ],
)
def test_each_answer_has_its_finding(
    row: Tracked,
    held: Receipt | None,
    attributes: Receipt | None,
    kind: FindingKind,
    detail: str,
    remedies: tuple[Remedy, ...],
) -> None:
    """Everything that is wrong with one object is one finding, for the row as it was seen."""
    finding = judge(row, held, attributes)
    assert finding is not None
    assert (finding.kind, finding.detail, finding.remedies) == (kind, detail, remedies)
    assert (finding.row_id, finding.revision, finding.file_path) == (7, 4, "a.txt")


def test_what_is_as_it_should_be_is_no_finding() -> None:
    """Also where the destination spells permissions in its own way."""
    assert judge(ROW, HELD, None) is None
    assert judge(WISHING, HELD, Receipt(permissions="rw-r-----", owner="alice", group="any")) is None


def test_bytes_are_compared_by_digest() -> None:
    """In either case of letters."""
    assert judge_bytes(ROW, "AB12", "ab12") is None
    finding = judge_bytes(ROW, "00ff", "ab12")
    assert finding is not None
    assert (finding.kind, finding.remedies) == (FindingKind.DIFFERENT, (Remedy.SEND_AGAIN,))


@pytest.mark.parametrize("change", [{"size": 4}, {"etag": "e2"}, {"last_modified": "t2"}])
def test_any_change_of_the_listing_is_seen(change: dict[str, object]) -> None:
    """A rewrite with the same bytes may have changed the metadata: it is looked at too."""
    entry = Listed("a.txt", 3, "e1", "t1")
    assert not differs(entry, ROW)
    assert differs(entry._replace(**change), ROW)  # type: ignore[arg-type]


def test_a_sample_is_a_share_drawn_by_its_seed() -> None:
    """About that many, the same ones for one seed, others for another; everything for the whole share."""
    keys = [f"k{number}" for number in range(4_000)]
    one, again, other = ({k for k in keys if in_sample(k, 0.1, seed)} for seed in ("a", "a", "b"))
    assert 300 < len(one) < 500
    assert one == again != other
    assert all(in_sample(key, 1.0, "a") for key in [*keys, "\ud800"])
