"""Sizes, durations and the pace of a phase."""

from __future__ import annotations

import pytest

from sync_service.reporting.pace import Pace
from sync_service.reporting.words import count_text, duration_text, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_940, "1,000 kB"),
        (999_960, "1.0 MB"),
        (99_960, "100 kB"),
        (3_412_776_120_333, "3.4 TB"),
        (5_000_000_000_000_000, "5,000 TB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    """Bytes are told in the unit that a person would take."""
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0.0 s"),
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (47 * 3600, "47 h"),
        (76 * 3600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Durations are told in their two largest units."""
    assert duration_text(seconds) == text


def test_counts() -> None:
    """A count says of how many where that is known."""
    assert (count_text(1200, None), count_text(1, 2000)) == ("1,200", "1 of 2,000")


def test_time_left_follows_what_lags() -> None:
    """With nine of ten files but half of the bytes through, half of the time is left, not a tenth."""
    pace = Pace("deliver", 0.0, total=10, total_bytes=100)
    pace.add(9, 50)
    assert pace.seconds_left(10.0) == 10.0


@pytest.mark.parametrize(("total", "size"), [(None, None), (0, 0), (10, 100)])
def test_time_left_is_not_made_up(total: int | None, size: int | None) -> None:
    """Without a total, or before anything is through, no time left is told."""
    pace = Pace("scan", 5.0, total, size)
    assert pace.seconds_left(5.0) is None
    assert "ETA" not in pace.text(5.0)
    assert pace.figures(5.0)["bytes_per_second"] == 0


def test_a_phase_without_bytes_tells_items() -> None:
    """A scan is told in keys a second."""
    pace = Pace("scan", 0.0)
    pace.add(5000, 0)
    assert pace.text(10.0) == "5,000 keys, 500/s"
