"""python -m sync_service.main COMMAND: runs a command, and turns every end of it into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from sync_service import console
from sync_service.models.errors import ExitCode, SyncError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that `arguments` name (None: those of the process; none at all: daemon). Returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        return _run(given or ["daemon"])
    except SyncError as problem:
        console.error(problem)
        if as_json:
            console.result(console.error_json(problem))
        return int(problem.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone; nothing more can be said, and the interpreter must not try at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.UNCLASSIFIED)
    except Exception as problem:
        return _unexpected(problem, verbose="-v" in given or "--verbose" in given)


def _run(arguments: list[str]) -> int:
    from sync_service.cli import call
    from sync_service.stopped import Stopped

    try:
        call(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except Stopped as stopped:
        return int(stopped.exit_code)
    return int(ExitCode.DONE)


def _unexpected(problem: Exception, verbose: bool) -> int:
    if verbose:
        import traceback

        for line in "".join(traceback.format_exception(problem)).splitlines():
            console.message(line)
    console.message(
        f"error: unexpected {type(problem).__name__}: {problem}. Nothing was lost; this is a fault of the program: "
        "run again with -v and report what it prints"
    )
    return int(ExitCode.UNCLASSIFIED)


if __name__ == "__main__":
    sys.exit(main())
