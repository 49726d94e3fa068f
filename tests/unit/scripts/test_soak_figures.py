"""The slopes of the soak: what grows is seen, what a restart resets is not taken for growth or for shrinking."""

from __future__ import annotations

import pytest

from scripts.soak_figures import MB, Sample, slopes


def samples(rss_of: object, seconds: int = 3600, restarts: tuple[int, ...] = ()) -> list[Sample]:
    """A sample each 5 s; `rss_of(age, at)` in MB."""
    found, born, life = [], 0, 1
    for at in range(0, seconds, 5):
        if at in restarts:
            born, life = at, life + 1
        age = at - born
        found.append(Sample(at, life, age, int(rss_of(age, at) * MB), 20, MB, 0))  # type: ignore[operator]
    return found


def test_growth_is_seen_and_bounded() -> None:
    """A process that grows by 100 MB an hour is too steep, one that grows by 5 MB is not."""
    assert slopes(samples(lambda age, at: 100 + 100 * at / 3600))[0].per_hour == pytest.approx(100, abs=0.1)
    assert not slopes(samples(lambda age, at: 100 + 100 * at / 3600))[0].well
    assert slopes(samples(lambda age, at: 100 + 5 * at / 3600))[0].well


def test_a_restart_hides_no_growth() -> None:
    """Each life counts from its own mean: a leak that restarts reset is as steep as it is."""
    leaking = samples(lambda age, at: 100 + age / 10, restarts=(2400, 3000))
    assert slopes(leaking)[0].per_hour == pytest.approx(360, abs=1)


def test_the_warm_up_is_no_growth() -> None:
    """What a process takes in its first seconds is no slope."""
    assert slopes(samples(lambda age, at: 100 + min(age, 40), restarts=(2400,)))[0].per_hour == pytest.approx(
        0, abs=0.1
    )


def test_too_few_samples_tell_nothing() -> None:
    """A minute gives no slope, and says so."""
    found = slopes(samples(lambda age, at: 100, seconds=60))
    assert [slope.per_hour for slope in found] == [None] * 4
    assert "too short" in found[0].line()


def test_a_short_run_is_allowed_its_noise() -> None:
    """The bound of a few minutes is wider, for a growth that would be small over them; a leak is beyond it all the same."""
    few = slopes(samples(lambda age, at: 100 + 100 * at / 3600, seconds=480))[0]
    assert few.per_hour == pytest.approx(100, abs=0.1)
    assert (few.well, few.bound > 100) == (True, True)
    assert not slopes(samples(lambda age, at: 100 + at / 10, seconds=480))[0].well
