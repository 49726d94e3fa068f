"""How far a phase is and how fast it goes, for logs and progress bars."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sync_service.reporting.words import count_text, duration_text, size_text

UNITS = {
    "scan": "keys",
    "events": "events",
    "compare": "files",
    "snapshot": "rows",
    "diff": "rows",
    "deliver": "files",
    "check": "files",
}


@dataclass(slots=True)
class Pace:
    """One phase. Times are seconds of one monotonic clock, sizes bytes; a total of None is not known."""

    name: str
    started: float
    total: int | None = None
    total_bytes: int | None = None
    items: int = 0
    size: int = 0

    def add(self, items: int, size: int) -> None:
        self.items += items
        self.size += size

    def seconds(self, now: float) -> float:
        return max(now - self.started, 0.0)

    def bytes_per_second(self, now: float) -> float:
        return self.size / self.seconds(now) if self.seconds(now) else 0.0

    def items_per_second(self, now: float) -> float:
        return self.items / self.seconds(now) if self.seconds(now) else 0.0

    def share(self) -> float | None:
        """The part that is through, 0 to 1: of files or of bytes, whichever lags; None where no total is known."""
        parts = [(self.items, self.total), (self.size, self.total_bytes)]
        shares = [min(done / total, 1.0) for done, total in parts if total]
        return min(shares) if shares else None

    def seconds_left(self, now: float) -> float | None:
        """The time that the rest takes at the pace so far; None where that cannot be told."""
        share = self.share()
        return self.seconds(now) * (1 - share) / share if share else None

    def text(self, now: float, *, ended: bool = False) -> str:
        """`120 of 1,000 files, 3.4 MB of 30.0 MB, 1.2 MB/s, ETA 22 s`; bytes only where the phase has any."""
        words = [f"{count_text(self.items, self.total)} {UNITS.get(self.name, 'items')}"]
        if self.size or self.total_bytes:
            of = f" of {size_text(self.total_bytes)}" if self.total_bytes is not None else ""
            words += [f"{size_text(self.size)}{of}", f"{size_text(self.bytes_per_second(now))}/s"]
        else:
            words.append(f"{self.items_per_second(now):,.0f}/s")
        left = None if ended else self.seconds_left(now)
        return ", ".join(words if left is None else [*words, f"ETA {duration_text(left)}"])

    def figures(self, now: float) -> dict[str, int | float | None]:
        """The same as numbers: bytes, seconds."""
        left = self.seconds_left(now)
        return {
            "items": self.items,
            "items_total": self.total,
            "bytes": self.size,
            "bytes_total": self.total_bytes,
            "bytes_per_second": math.floor(self.bytes_per_second(now)),
            "seconds": round(self.seconds(now), 3),
            "seconds_left": None if left is None else round(left, 1),
        }
