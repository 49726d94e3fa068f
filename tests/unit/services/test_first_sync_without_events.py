"""A first sync whose log cannot be read: what comes meanwhile goes out all the same, and is replayed once the log answers."""

from __future__ import annotations

from sync_service.models.errors import ExitCode, Unreachable
from tests.unit.services.rig import Rig


async def run_with_a_dead_log(rig: Rig) -> ExitCode:
    """A first sync that can note the log's position and read nothing."""
    read = rig.log.read

    async def dead(cursor: str | None) -> object:
        raise Unreachable("no log")

    rig.log.read = dead  # type: ignore[method-assign, assignment]
    try:
        return (await rig.service.run_initial()).exit_code
    finally:
        rig.log.read = read  # type: ignore[method-assign]


def listings(rig: Rig) -> int:
    return sum(call == "list_page" for call, _ in rig.source.calls)


async def test_what_comes_meanwhile_is_found_by_a_scan(rig: Rig) -> None:
    """Each first sync that is tried again lists the source anew, since no event can tell what is new there."""
    rig.source.put("a", b"one")
    assert await run_with_a_dead_log(rig) is ExitCode.TEMPORARY
    for number in range(2):
        rig.source.put(f"n{number}", b"two")
        assert await run_with_a_dead_log(rig) is ExitCode.TEMPORARY
        assert rig.in_step()
    assert not rig.open_catalogue.totals().initial_done


async def test_a_first_sync_lists_the_source_once(rig: Rig) -> None:
    """The scan that it has just made is not made again because the log fails behind it."""
    rig.source.put("a", b"one")
    await run_with_a_dead_log(rig)
    assert listings(rig) == 1


async def test_the_log_goes_on_from_the_noted_position(rig: Rig) -> None:
    """Once it can be read, its events are enough: the first sync ends without another scan."""
    rig.source.put("a", b"one")
    await run_with_a_dead_log(rig)
    rig.source.put("b", b"two")
    rig.tell("create", "b", permissions="600")
    rig.source.calls.clear()
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert (rig.destination.files["b"].permissions, listings(rig)) == ("600", 0)
    assert rig.open_catalogue.totals().initial_done


async def test_a_listing_that_fails_as_well_keeps_what_was_delivered(rig: Rig) -> None:
    """Both are told, and the next first sync tries again."""
    rig.source.put("a", b"one")
    await run_with_a_dead_log(rig)
    rig.source.put("b", b"two")
    rig.source.fail("list_page", Unreachable("no bucket"))
    await run_with_a_dead_log(rig)
    assert list(rig.destination.files) == ["a"]
    assert {"no log", "no bucket"} <= {message for message, _ in rig.observer.problems}
    await run_with_a_dead_log(rig)
    assert rig.in_step()
