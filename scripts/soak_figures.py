"""What the soak measures: samples of the daemon's process and files, the slopes through them, and their bounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

MB = 1 << 20
WARM_UP = 45.0
"""Seconds of each process's life that say nothing of its growth: imports, first pages of every allocator."""

FEWEST = 20
"""Samples below which a slope would be noise."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the daemon: seconds since the beginning, which life, its age in seconds, bytes, open handles."""

    at: float
    life: int
    age: float
    rss: int
    handles: int
    database: int
    snapshots: int


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth of one figure per hour, and the most that is allowed."""

    name: str
    per_hour: float | None
    bound: float
    unit: str

    @property
    def well(self) -> bool:
        return self.per_hour is None or self.per_hour <= self.bound

    def line(self) -> str:
        if self.per_hour is None:
            return f"{self.name:<18} not measured: too short"
        verdict = "" if self.well else "  TOO STEEP"
        return f"{self.name:<18} {self.per_hour:+8.2f} {self.unit} an hour (bound: {self.bound:g}){verdict}"


def sample(pid: int, data: Path, at: float, life: int, age: float) -> Sample | None:
    """How things stand; None where the process is gone or only half there."""
    try:
        rss = _resident(Path(f"/proc/{pid}/status").read_text())
        handles = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None
    if rss == 0:
        return None
    database = sum(_size(path) for path in data.glob("sync.db*"))
    return Sample(at, life, age, rss, handles, database, sum(_size(path) for path in data.glob("snapshots/*")))


def slopes(samples: Sequence[Sample]) -> list[Slope]:
    """Through the second half of the samples; what a restart resets is taken life by life, after the warm-up."""
    late = [s for s in samples if s.at >= samples[-1].at / 2]
    warm = [s for s in late if s.age >= WARM_UP]
    return [
        _slope("resident memory", "MB", warm, lambda s: s.rss / MB, bound=60, least=8),
        _slope("open handles", "handles", warm, lambda s: s.handles, bound=20, least=8),
        _slope("database and WAL", "MB", late, lambda s: s.database / MB, bound=40, least=4, by_life=False),
        _slope("snapshots", "MB", late, lambda s: s.snapshots / MB, bound=20, least=4, by_life=False),
    ]


def _slope(
    name: str,
    unit: str,
    samples: Sequence[Sample],
    value: Callable[[Sample], float],
    bound: float,
    least: float,
    by_life: bool = True,
) -> Slope:
    """One slope with its bound, which is no narrower than the growth `least` over the time measured: less is noise."""
    if len(samples) < FEWEST:
        return Slope(name, None, bound, unit)
    hours = (samples[-1].at - samples[0].at) / 3600
    return Slope(name, _per_hour(samples, value, by_life), round(max(bound, least / hours), 1), unit)


def _per_hour(samples: Sequence[Sample], value: Callable[[Sample], float], by_life: bool) -> float:
    """The least-squares slope, lives set side by side: each counts from its own mean."""
    lives: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for one in samples:
        lives[one.life if by_life else 0].append((one.at / 3600, value(one)))
    points = [point for life in lives.values() for point in _centred(life)]
    spread = sum(x * x for x, _ in points)
    return sum(x * y for x, y in points) / spread


def _centred(points: Sequence[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    x_mean = sum(x for x, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    return ((x - x_mean, y - y_mean) for x, y in points)


def _resident(status: str) -> int:
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:")), 0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
