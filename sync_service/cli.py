"""The commands of the contract: what each takes, runs and prints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sync_service import __version__, console
from sync_service.cli_options import Common, call, command, described, without_command
from sync_service.models.errors import ConfigurationError, ExitCode
from sync_service.models.text import counted

if TYPE_CHECKING:
    from sync_service.models.config import SyncConfig
    from sync_service.services.retry import Halt
    from sync_service.services.sync_service import RunResult, SyncService

__all__ = ["call"]


@without_command
def _without_command(
    common: Common,
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        console.lines([__version__])
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(daemon(common))
    if common != Common():
        raise typer.BadParameter(f"options go behind the command: {context.invoked_subcommand} OPTIONS")


# ---------------------------------------------------------------- runs


@command("initial-sync")
def initial_sync(common: Common) -> int:
    """Scan the whole bucket and send everything; goes on where it was interrupted."""
    return _run_once(common, "initial-sync", lambda service: service.run_initial())


@command("incremental-sync")
def incremental_sync(
    common: Common,
    plan: Annotated[Path | None, typer.Option("--plan", help="Send exactly what this plan names.")] = None,
) -> int:
    """One cycle: replay the events, diff, and send what changed."""
    if plan is None:
        return _run_once(common, "incremental-sync", lambda service: service.run_cycle())
    from sync_service.commands.planned_run import planned_run

    return _run_once(common, "incremental-sync", planned_run(plan))


@command("scan")
def scan(common: Common) -> int:
    """One cycle with a full scan of the bucket, which finds what events have lost."""
    return _run_once(common, "scan", lambda service: service.run_scan())


@command("daemon")
def daemon(common: Common) -> int:
    """First sync where needed, then a cycle each SYNC_INTERVAL, until it is stopped."""
    from sync_service.commands.daemon import run_daemon

    config = common.settings(logs=True)
    config.require_route()
    return int(run_daemon(config, verbose=common.verbose, quiet=common.quiet))


def _run_once(common: Common, name: str, action: Callable[[SyncService], Awaitable[RunResult]]) -> int:
    from sync_service import bootstrap
    from sync_service.runner import run

    config = common.settings(logs=True)
    config.require_route()
    observer = bootstrap.make_observer(config, quiet=common.quiet, verbose=common.verbose)
    if name != "initial-sync":
        bootstrap.read_catalogue(config).get_record_count()
    catalogue = bootstrap.open_catalogue(config, name, thorough=name == "initial-sync")

    async def once(halt: Halt) -> RunResult:
        async with bootstrap.customer_service(config, catalogue, observer, halt) as service:
            return await action(service)

    try:
        ended = run(once)
    finally:
        catalogue.close()
    return _tell(common, ended)


def _tell(common: Common, ended: RunResult) -> int:
    """Prints how a run ended; with -q only what failed, to the standard error."""
    if common.as_json:
        console.result(ended.report)
    elif not common.quiet:
        console.lines(console.report_lines(ended.report))
    elif ended.exit_code is not ExitCode.DONE:
        for line in console.trouble_lines(ended.report):
            console.message(line)
    return int(ended.exit_code)


@command("plan")
def plan(
    common: Common,
    file: Annotated[Path | None, typer.Argument(help="Keep the plan here, for incremental-sync --plan.")] = None,
) -> int:
    """What the next cycle would do, without doing it."""
    from sync_service import bootstrap
    from sync_service.commands import dry_run
    from sync_service.runner import run
    from sync_service.services.plan_files import require_place

    config = common.settings()
    config.require_route()
    if file is not None:
        require_place(file)
    bootstrap.make_observer(config, quiet=True)
    planned = run(lambda halt: dry_run.plan(config, halt))
    if file is not None:
        planned.write(file)
    if common.as_json:
        console.result_listing(planned.as_json(), "held_deletes", planned.held_deletes())
    else:
        console.lines(planned.lines())
    return int(planned.exit_code)


# ---------------------------------------------------------------- what is there


@command("status")
def status(common: Common) -> int:
    """How things stand, from the catalogue alone; also while a daemon runs. With -v every failing object."""
    from sync_service.services.status import read_status

    config = common.settings()
    found = read_status(config)
    failing = None
    if common.verbose:
        from sync_service.commands.failing import every_failure

        failing = every_failure(config)
    if not common.as_json:
        console.lines(console.status_lines(found, failing))
    elif failing is not None:
        console.result_listing(found, "failing", failing)
    else:
        console.result(found)
    return 0


@command("runs")
def runs(
    common: Common,
    what: Annotated[str, typer.Argument(help="`list`, or `show`.")] = "list",
    run_id: Annotated[str, typer.Argument(help="The run to show; its first characters are enough.")] = "",
    limit: Annotated[int, typer.Option(help="How many runs to list.", min=1)] = 20,
) -> int:
    """The last runs; `runs show ID` prints one run's report."""
    from sync_service import bootstrap

    if what not in ("list", "show"):
        raise typer.BadParameter(f"runs {what}: expected `runs`, or `runs show ID`")
    catalogue = bootstrap.read_catalogue(common.settings())
    if what == "show":
        return _show_run(common, catalogue.run(run_id), run_id)
    found = catalogue.runs(limit)
    if common.as_json:
        console.result([run.report or {"run_id": run.run_id, "timestamp": run.started_at} for run in found])
    else:
        console.lines(_run_line(run) for run in found)
    return 0


def _show_run(common: Common, found: Any, run_id: str) -> int:
    if not run_id:
        raise typer.BadParameter("runs show: an ID is needed; see: runs")
    if found is None:
        raise typer.BadParameter(f"runs show: no run, or more than one, begins with {run_id!r}; see: runs")
    if found.report is None:
        console.lines([_run_line(found)])
    elif common.as_json:
        console.result(found.report)
    else:
        console.lines(console.report_lines(found.report, most=len(found.report["errors"])))
    return 0


def _run_line(run: Any) -> str:
    ended = "under way or cut off" if run.success is None else "done" if run.success else "NOT COMPLETE"
    figures = (run.report or {}).get("statistics", {})
    done, failed = figures.get("operations_processed", 0), figures.get("operations_failed", 0)
    return f"{run.run_id}  {run.started_at}  {run.sync_type:<11}  {ended:<20}  {counted(done, 'operation')}, {failed:,} failed"


@command("config")
def config_command(common: Common) -> int:
    """The settings in force and where each came from; secrets are masked."""
    from sync_service.commands.settings import show_settings, usable_settings

    wrong = None
    try:
        found = common.settings().sources()
    except ConfigurationError as error:
        found, wrong = usable_settings(), error
    return show_settings(found, wrong, as_json=common.as_json)


@command("doctor")
def doctor(common: Common) -> int:
    """Try each part (settings, database, bucket, API, clock, disk) and say what to do about what fails."""
    from sync_service.commands import checkup
    from sync_service.runner import run

    config = common.settings()
    found = run(lambda halt: checkup.examine(config, halt))
    if common.as_json:
        console.result([check.as_json() for check in found])
    else:
        console.lines(check.line() for check in found)
    return int(next((check.exit_code for check in found if not check.well), ExitCode.DONE))


@command("test")
def test(common: Common) -> int:
    """The end-to-end check: status, connections, a sync, the CSV export, the final state."""
    from sync_service.commands import workflow
    from sync_service.runner import run

    config = common.settings(logs=True)
    config.require_route()
    observer = _quiet_observer(config, common)
    steps = run(lambda halt: workflow.check(config, observer, halt))
    if common.as_json:
        console.result([step.as_json() for step in steps])
    else:
        console.lines(step.line() for step in steps)
    return 0 if all(step.well for step in steps) else 1


def _quiet_observer(config: SyncConfig, common: Common) -> Any:
    from sync_service import bootstrap

    return bootstrap.make_observer(config, quiet=not common.verbose, verbose=common.verbose)


@command("approve-deletes")
def approve_deletes(common: Common, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> int:
    """Let the deletes through that the guard holds, after showing them."""
    from sync_service.commands import approvals

    return approvals.approve(common.settings(), yes=yes, as_json=common.as_json, every=common.verbose)


@command("retry-failed")
def retry_failed(
    common: Common, keys: Annotated[list[str] | None, typer.Argument(help="Only these; none named: all.")] = None
) -> int:
    """Try again what was refused or has failed too often, with the next run."""
    from sync_service.commands.retry import retry

    return retry(common.settings(), keys or [], as_json=common.as_json)


@command("backup")
def backup(
    common: Common,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; none named: in data/backups/, of which 10 stay.")
    ] = None,
) -> int:
    """Copy the catalogue as it is now, also while a daemon runs."""
    from sync_service.commands.backup import back_up_catalogue

    return back_up_catalogue(common.settings(), file, as_json=common.as_json)


_YES = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_TRUST_SIZE = Annotated[
    bool, typer.Option("--trust-size", help="A file of the right size is right: do not read its bytes.")
]


@command("restore")
def restore(
    common: Common,
    file: Annotated[Path, typer.Argument(help="The backup.")],
    yes: _YES = False,
    trust_size: _TRUST_SIZE = False,
) -> int:
    """Put a backup in the catalogue's place; the next run compares both sides, then sends what differs."""
    from sync_service.commands.restore import restore_catalogue

    return restore_catalogue(common.settings(), file, yes=yes, trust_size=trust_size, as_json=common.as_json)


@command("rebuild")
def rebuild(common: Common, yes: _YES = False, trust_size: _TRUST_SIZE = False) -> int:
    """Make a lost or damaged catalogue anew from both sides, without sending again what is right."""
    from sync_service.commands.rebuild import prepare

    config = common.settings(logs=True)
    config.require_route()
    if not prepare(config, yes=yes, trust_size=trust_size):
        if common.as_json:
            console.result({"rebuilt": None, "message": "nothing was rebuilt"})
        return int(ExitCode.GUARDED)
    return _run_once(common, "initial-sync", lambda service: service.run_initial())


@command("explain")
def explain(
    common: Common, key: Annotated[str, typer.Argument(help="The object, as the file manager knows it.")]
) -> int:
    """Everything that is known of one object, and what happens next to it."""
    from sync_service.commands.explain import explain_key

    return explain_key(common.settings(), key, as_json=common.as_json)


@command("check")
def check(
    common: Common,
    sample: Annotated[str, typer.Option(help="Ask the destination about a random share only, such as 1%.")] = "100%",
    seed: Annotated[str, typer.Option(help="Draw the sample that an earlier check has named.")] = "",
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every object, and compare SHA-256.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Make what was found pending for the next run.")] = False,
) -> int:
    """Compare source, catalogue and destination, key by key; also while a daemon runs.

    Found are: missing (not at the destination), different (size or permissions; with --read-data the bytes), extra (at the
    destination, and no longer in the source), catalogue (the source has changed and no run has seen it: the next one or a
    scan may), unverifiable (no answer, archived, no size told), pending (known, and waiting for a run: no damage).

    Exit 4: missing, different, extra or catalogue. Exit 3: none of these, and some unverifiable or in quarantine. Exit 0:
    none; what only waits does not count. --repair changes no exit code, and sends nothing itself.
    """
    from sync_service.commands import check as command

    options, told = command.options_of(sample, seed, read_data), {"quiet": common.quiet, "verbose": common.verbose}
    return command.check_route(common.settings(logs=True), options, repair=repair, as_json=common.as_json, **told)


@command("demo")
def demo(
    common: Common, keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary folder.")] = False
) -> int:
    """The whole story on embedded parts: a bucket, a file manager, every kind of change, and the proof."""
    import runpy
    import sys

    script = Path(__file__).parent.parent / "scripts" / "demo.py"
    if not script.exists():
        raise ConfigurationError("the demo needs a checkout of the project", hint="Clone it, then: make demo")
    sys.argv = [str(script), *(["--keep"] if keep else [])]
    code = 0
    with redirect_stdout(sys.stderr) if common.as_json else nullcontext():
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
    if common.as_json:
        console.result({"success": code == 0, "exit_code": code})
    return code


@command("help")
def help_command(common: Common, name: Annotated[str, typer.Argument(help="The command to explain.")] = "") -> int:
    """This text, or a command's."""
    if common.as_json:
        console.result(described(name))
        return 0
    call([name, "--help"] if name else ["--help"])
    return 0
