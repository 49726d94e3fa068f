"""Run reports on their way to the destination: each arrives, waits, or is given up, and none stands in another's way."""

from __future__ import annotations

from sync_service.models.errors import Denied, ExitCode, Refused
from tests.unit.services.rig import Rig


async def test_a_refused_report_is_given_up(rig: Rig) -> None:
    """A final no is noted once, the report stays in its folder, and the newer ones go."""
    rig.destination.fail(Refused("too large", status=413), kind="report")
    refused = await rig.service.run_initial()
    later = [await rig.service.run_cycle() for _ in range(2)]
    assert {result.exit_code for result in (refused, *later)} == {ExitCode.DONE}
    assert rig.destination.reports == [result.report for result in later]
    told = [facts["run"] for message, facts in rig.observer.notes if "refused" in message]
    assert told == [refused.report["run_id"]]
    assert len(rig.files("reports")) == 3


async def test_a_refused_token_gives_no_report_up(rig: Rig) -> None:
    """Once the token is right, all of them arrive in their order."""
    rig.destination.fail(Denied("401"), kind="report", times=2)
    results = [await rig.service.run_initial(), *[await rig.service.run_cycle() for _ in range(2)]]
    assert rig.destination.reports == [result.report for result in results]
