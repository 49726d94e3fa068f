"""Figures of the status in people's words: sizes, durations, counts, who writes, what the last check found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync_service.models.text import counted, shown

_FOUND = ("missing", "different", "extra", "catalogue", "unverifiable", "pending")


def size_text(size: float) -> str:
    """A number of bytes: `999 B`, `1.2 kB`, `3.4 GB` (steps of 1000)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 999.95 or unit == "TB":
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"


def duration_text(seconds: float) -> str:
    """A duration in its two largest units: `0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _two(minutes, "min", rest, "s")
    hours, minutes = divmod(minutes, 60)
    return _two(hours, "h", minutes, "min") if hours < 48 else _two(hours // 24, "d", hours % 24, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    words = [f"{large:,} {large_unit}"] if large else []
    return " ".join([*words, f"{small} {small_unit}"] if small or not words else words)


def count_text(done: int, total: int | None) -> str:
    """`120 of 1,000`, or `120` where the total is not known."""
    return f"{done:,}" if total is None else f"{done:,} of {total:,}"


def holder_words(holder: Mapping[str, Any] | None) -> str | None:
    """Who writes the catalogue now."""
    return f"process {holder['pid']} on {holder['host']} since {holder['since']}" if holder else None


def check_words(check: Mapping[str, Any] | None) -> str | None:
    """The last `check`: when, what it compared and what it found."""
    if check is None:
        return None
    counts = check["counts"]
    found = ", ".join(f"{counts[name]:,} {name}" for name in _FOUND if counts.get(name)) or "no difference"
    read = "sizes, permissions and bytes" if check["read_data"] else "sizes and permissions"
    share = "" if check["full"] else f", a sample of {check['share'] * 100:g} %"
    return f"{check['time']}: {found} ({counted(counts['compared'], 'object')} compared by {read}{share})"


def kind_words(kind: str) -> str:
    """The kind of an error as a heading: what is unknown is how the call ended, not what went wrong."""
    return "outcome unknown" if kind == "unknown" else shown(kind)


def error_words(entry: Mapping[str, Any], most: int) -> str:
    """What is said of a failing object, without its name, with which the message begins."""
    named = f"{shown(entry.get('file_path') or '')}: "
    return shown(str(entry.get("message") or "").removeprefix(named), most)
