"""Random kills in CI: 200 deaths under faults and changes, on a real S3 server; 2,000 by make chaos."""

from __future__ import annotations

import os
from collections import Counter

from tests.faults.kills import play
from tests.real_s3 import S3Server

HISTORIES = 8
KILLS = int(os.environ.get("KILLS", "200")) // HISTORIES
SEED = int(os.environ.get("SEED", "1"))


def test_nothing_is_lost_wrong_or_doubled_however_often_it_is_killed(s3_server: S3Server) -> None:
    """Whenever the product is killed, the runs that follow bring the file manager to the truth, and no effect comes twice."""
    tallies = list(play(s3_server, range(SEED, SEED + HISTORIES), KILLS))
    findings = {tally.seed: tally.findings for tally in tallies if tally.findings}
    assert not findings, f"again with: python -m tests.faults.kills SEED {KILLS}: {findings}"
    killed = sum((tally.killed for tally in tallies), Counter())
    assert sum(tally.kills for tally in tallies) >= KILLS * HISTORIES
    assert all(killed[f"in {command}"] for command in ("initial-sync", "incremental-sync", "scan")), killed
    assert all(killed[f"at {way}"] for way in ("before", "body", "arrived", "answered", "moment")), killed
