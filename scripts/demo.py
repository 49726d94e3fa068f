"""The whole story in under a minute, on this machine alone: a bucket, a file manager, every kind of change, and the proof.

    python -m scripts.demo [--keep]      or: make demo

It starts an S3 server and the mock API on free ports, works in a temporary folder and leaves nothing behind. Exit codes: 0
both sides hold the same, 1 a step failed or they differ (the folder with the logs is kept), 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scripts.demo_bucket import Bucket, bytes_to_send, swap_events
from scripts.demo_proof import check_report, file_manager_contents, prove
from scripts.demo_screen import Screen, StepFailed, wants_colour
from scripts.demo_signals import Interrupted, held_back, ignored, interruptible
from scripts.demo_stage import BUCKET, Stage
from scripts.shield import shielded
from sync_service.models.text import shown

SERVICE = "sync_service.main"


@dataclass(slots=True)
class Story:
    """The steps on one stage, in their order."""

    stage: Stage
    _loaded: float = 0.0

    def steps(self) -> list[tuple[str, Callable[[], list[str]]]]:
        """Title and action of each step."""
        return [
            ("Start an S3 server and a file manager", self.stage.start),
            ("Load test-data/ into the bucket", self.load),
            ("Initial sync: scan the bucket, send every object", lambda: self._service("initial-sync")),
            ("Take note of the bucket as it is now", self.watch),
            ("Change the bucket: one change of each kind", self.change),
            ("Tell the changes as events", self.tell),
            ("Plan: what would the next sync do?", lambda: self._service("plan")),
            ("Incremental sync: replay the events, send what changed", self.sync_changes),
            ("Status", lambda: [line for line in self._service("status") if line]),
            ("Proof: read and hash both sides, compare path by path", self.prove),
        ]

    def _service(self, command: str) -> list[str]:
        return self.stage.command(SERVICE, command)

    def load(self) -> list[str]:
        """All objects of the test data."""
        lines = self.stage.command("scripts.init_buckets", messages=True)
        self._loaded = time.monotonic()
        return [*lines, "text, tables, images, archives, code, awkward names, an empty object, one of 20 MiB"]

    def watch(self) -> list[str]:
        """The listing that the changes are compared with."""
        return self._events_tool()

    def change(self) -> list[str]:
        """The changes, in a later second than the load: this S3 server tells times in whole seconds."""
        time.sleep(max(0.0, self._loaded + 1.1 - time.monotonic()))
        return self._bucket().change()

    def tell(self) -> list[str]:
        """The swap by the program that did it, all the rest by comparing listings."""
        events = swap_events(datetime.now(UTC).isoformat())
        self.stage.ask("/_mock/events", events)
        told = [f"rename {shown(event['file_path'])} -> {shown(event['new_path'])}" for event in events]
        return ["the swap, as the program that did it tells it:", *told, *self._events_tool()]

    def sync_changes(self) -> list[str]:
        """The incremental sync, and what it compared."""
        lines = self._service("incremental-sync")
        newest = max((self.stage.folder / "data" / "snapshots").glob("*-manifest.json"))
        compared = [f"  {file['name']}  {file['rows']} rows" for file in json.loads(newest.read_text())["files"]]
        return [*lines, "compared with pandas, after the events and before the calls:", *compared]

    def prove(self) -> list[str]:
        """That the file manager holds what the bucket holds, and got there by the operations that the changes were."""
        lines = prove(self._bucket().contents(), file_manager_contents(self.stage))
        return [*lines, *check_report(self.stage.ask_json("/_mock/reports")[-1], bytes_to_send())]

    def _events_tool(self) -> list[str]:
        state = str(self.stage.folder / "events.json")
        lines = self.stage.command("mock_api", "events", "--once", "--bucket", BUCKET, "--state", state)
        return [line.replace(state, "events.json") for line in lines]

    def _bucket(self) -> Bucket:
        return Bucket.at(self.stage.s3, BUCKET, self.stage.access_key, self.stage.secret_key)


def run(keep: bool, screen: Screen) -> int:
    """Plays the story and clears up after it. Returns the exit code."""
    with held_back():
        stage = Stage(Path(tempfile.mkdtemp(prefix="s3-sync-demo-")), dict(os.environ))
    began = time.monotonic()
    kept = keep
    try:
        for title, action in Story(stage).steps():
            screen.step(title, action)
    except BrokenPipeError:
        raise
    except Exception as problem:
        kept = True
        _explain(problem, stage, screen)
        return 1
    finally:
        with ignored():
            stage.end(kept)
        if kept:
            screen.line(f"Kept: {stage.folder} (logs in {stage.logs})")
    screen.line()
    seconds = time.monotonic() - began
    screen.line(f"The file manager holds what the bucket holds, path by path. {seconds:.1f} s in all.", "good")
    return 0


def _explain(problem: Exception, stage: Stage, screen: Screen) -> None:
    """Why it failed: in a line where a step says so, else with the traceback in the logs."""
    reason = shown(problem)
    if not isinstance(problem, StepFailed):
        reason = f"{type(problem).__name__}: {reason}"
        stage.logs.mkdir(parents=True, exist_ok=True)
        (stage.logs / "demo.log").write_text("".join(traceback.format_exception(problem)), "utf-8")
    screen.line()
    screen.line(f"The demo failed: {reason}", "bad")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="demo", description="Every part of the service at work, and the proof.")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder and say where it is")
    options = parser.parse_args(arguments)
    # boto3 in this process reads the same variables as the processes that are started.
    shield = shielded(os.environ)
    os.environ.clear()
    os.environ.update(shield)
    screen = Screen(sys.stdout, wants_colour(sys.stdout))
    try:
        with interruptible():
            return run(options.keep, screen)
    except Interrupted as end:
        screen.line("Interrupted; the servers are ended.")
        return end.exit_code
    except BrokenPipeError:
        # Nobody reads any more; the interpreter must not try to write what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
