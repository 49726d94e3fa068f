"""The rules of a check: what counts as the same, which objects a sample takes, what is made of what the two sides say."""

from __future__ import annotations

import hashlib
import re

from sync_service.models.data_models import Listed, ObjectInfo, Receipt
from sync_service.models.findings import Finding, FindingKind, Leftover, Remedy, Tracked

_OCTAL = re.compile(r"(?:0o)?[0-7]{3,6}")
_LETTERS = re.compile(r"[-dl]?((?:[-r][-w][-xsStT]){3})")
_ATTRIBUTES = ("permissions", "owner", "group")


def in_sample(path: str, share: float, seed: str) -> bool:
    """Whether `path` is among the share (0 to 1) of all paths that `seed` draws."""
    if share >= 1:
        return True
    drawn = hashlib.blake2b(path.encode("utf-8", "surrogatepass"), key=seed.encode()[:64], digest_size=8).digest()
    return int.from_bytes(drawn, "big") < share * 2**64


def mode_of(text: str) -> int | None:
    """The permission bits that `text` means: octal (`644`, `0o644`) or letters (`rw-r--r--`); None for other words."""
    if _OCTAL.fullmatch(text):
        return int(text.removeprefix("0o"), 8) & 0o7777
    found = _LETTERS.fullmatch(text)
    if found is None:
        return None
    letters = found[1]
    bits = sum(1 << (8 - place) for place, letter in enumerate(letters) if letter not in "-ST")
    special = zip(letters[2::3], (0o4000, 0o2000, 0o1000), strict=True)
    return bits | sum(bit for letter, bit in special if letter in "sStT")


def same_attribute(name: str, wanted: str, told: str) -> bool | None:
    """Whether both mean the same; None where they are written so differently that nobody can say."""
    if wanted == told:
        return True
    if name != "permissions":
        return False
    ours, theirs = mode_of(wanted), mode_of(told)
    if (ours is None) != (theirs is None):
        return None
    return ours is not None and ours == theirs


def differs(entry: Listed | ObjectInfo, tracked: Tracked) -> bool:
    """Whether the source shows another object than the one that was observed."""
    return (entry.size, entry.etag, entry.last_modified) != (tracked.size, tracked.etag, tracked.last_modified)


def wishes(tracked: Tracked) -> dict[str, str]:
    """The attributes that the source says something of."""
    return {name: value for name in _ATTRIBUTES if (value := getattr(tracked, name)) is not None}


def judge(tracked: Tracked, held: Receipt | None, attributes: Receipt | None) -> Finding | None:
    """What the destination's answers mean for one row; `attributes` None: it was not asked, or says nothing of them."""
    if held is None:
        return found_of(tracked, FindingKind.MISSING, "not at the destination", Remedy.SEND)
    wrong, remedies = [], []
    unsure = [] if held.size is not None else ["the destination tells no size"]
    if held.size is not None and held.size != tracked.size:
        wrong.append(f"size {held.size} instead of {tracked.size}")
        remedies.append(Remedy.SEND_AGAIN)
    for name, wanted in wishes(tracked).items():
        told = getattr(attributes, name) if attributes is not None else None
        same = None if told is None else same_attribute(name, wanted, told)
        if same is None:
            unsure.append(f"{name}: {wanted} is wished for, the destination says {told or 'nothing'}")
        elif not same:
            wrong.append(f"{name} {told} instead of {wanted}")
            remedies.append(Remedy.PERMIT)
    if wrong:
        return found_of(tracked, FindingKind.DIFFERENT, "; ".join(wrong), *dict.fromkeys(remedies))
    return found_of(tracked, FindingKind.UNVERIFIABLE, "; ".join(unsure)) if unsure else None


def judge_bytes(tracked: Tracked, told: str, read: str) -> Finding | None:
    """Compares the SHA-256 that the destination tells with that of the source's bytes."""
    if told.lower() == read:
        return None
    words = f"other bytes: sha256 {told[:16]}... instead of {read[:16]}..."
    return found_of(tracked, FindingKind.DIFFERENT, words, Remedy.SEND_AGAIN)


def found_of(row: Tracked | Leftover, kind: FindingKind, detail: str, *remedies: Remedy) -> Finding:
    """A finding about a row of the catalogue."""
    return Finding(kind, row.file_path, detail, remedies, row.id, row.revision)


def pending(row: Tracked | Leftover) -> Finding:
    """A row that differs as everybody knows: no damage."""
    return found_of(row, FindingKind.PENDING, str(row.state))
