"""python -m sync_service.main COMMAND: runs a command, and turns every end of it into an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from contextlib import suppress

from sync_service import console, streams
from sync_service.models.errors import ExitCode, SyncError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that `arguments` name (None: those of the process; none at all: daemon). Returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    streams.stand_in()
    try:
        return int(_ended(given))
    finally:
        streams.settle()


def _ended(given: list[str]) -> int:
    try:
        return _run(given or ["daemon"])
    except SyncError as problem:
        console.error(problem)
        if "--json" in given:
            with suppress(console.OutputLost):
                console.result(console.error_json(problem))
        return problem.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except (BrokenPipeError, console.OutputLost) as lost:
        return _lost(lost)
    except ModuleNotFoundError as missing:
        console.message(f"error: the Python package {missing.name} is missing. Run make setup, then .venv/bin/python")
        return ExitCode.USAGE
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


def _lost(problem: OSError) -> int:
    """A reader that has gone has had enough; an output that cannot be written is told."""
    if problem.errno == errno.EPIPE:
        return ExitCode.UNCLASSIFIED
    console.message(f"error: the result cannot be written: {problem.strerror or problem}. What was done stays done")
    return ExitCode.TEMPORARY


def _unexpected(problem: Exception, verbose: bool) -> int:
    if verbose:
        import traceback

        for line in "".join(traceback.format_exception(problem)).splitlines():
            console.message(line)
    console.message(
        f"error: unexpected {type(problem).__name__}: {problem}. Nothing was lost; this is a fault of the program: "
        "run again with -v and report what it prints"
    )
    return ExitCode.UNCLASSIFIED


if __name__ == "__main__":
    sys.exit(main())
