"""How a command is made of a function: the options that all of them take, and what they give."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sync_service import console
from sync_service.models.errors import ConfigurationError, ExitCode
from sync_service.models.text import escaped, shown

if TYPE_CHECKING:
    from sync_service.models.config import SyncConfig

PROGRAM = "python -m sync_service.main"

app = typer.Typer(
    help="Keeps a file manager in step with a customer's S3 bucket. Without a command it runs the daemon.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=False,
)


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every command takes."""

    as_json: bool = False
    route: str | None = None
    config_file: Path | None = None
    verbose: bool = False
    quiet: bool = False

    def settings(self, *, logs: bool = False) -> SyncConfig:
        """The settings in force; raises ConfigurationError with every problem at once. `logs`: a log is written from here."""
        from sync_service.models.config import SyncConfig
        from sync_service.reporting.secrets import known

        if self.config_file is not None:
            raise ConfigurationError(
                f"--config {self.config_file}: files of routes are not yet available in this version",
                hint="Set the route `customer` by environment variables or .env; see: config",
            )
        if self.route not in (None, "customer"):
            raise ConfigurationError(f"--route {self.route}: no such route, expected: customer")
        config = SyncConfig.from_env()
        known(config)
        if logs:
            from sync_service import bootstrap

            bootstrap.begin_log(config, quiet="warning" if self.quiet else "", verbose=self.verbose)
        for line in config.notices():
            console.notice(line, "warning")
        return config


_OPTIONS = {
    "as_json": Annotated[bool, typer.Option("--json", help="Print the result as JSON.")],
    "route": Annotated[str | None, typer.Option("--route", help="Only this route.")],
    "config_file": Annotated[Path | None, typer.Option("--config", help="A sync.yaml with routes.")],
    "verbose": Annotated[bool, typer.Option("-v", "--verbose", help="Say more.")],
    "quiet": Annotated[bool, typer.Option("-q", "--quiet", help="Say only what failed.")],
}


def command(name: str, hidden: bool = False) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Registers a command whose function takes `Common` first; its options are put behind the function's own."""

    def register(function: Callable[..., int]) -> Callable[..., int]:
        # Typer would cut what it takes from the docstring itself.
        summary = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
        app.command(name, hidden=hidden, short_help=summary)(_with_common(function))
        return function

    return register


def without_command(function: Callable[..., None]) -> Callable[..., None]:
    """Registers what runs before any command, and in place of one; the common options may stand there as well."""
    app.callback(invoke_without_command=True)(_with_common(function))
    return function


def _with_common(function: Callable[..., int | None]) -> Callable[..., None]:
    """What typer calls for `function`: its own options and the common ones, these as one value."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    @functools.wraps(function)
    def called(**values: Any) -> None:
        common = Common(**{option: values.pop(option) for option in _OPTIONS})
        if (code := function(common, **values)) is not None:
            raise typer.Exit(code)

    shared = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=getattr(Common(), n), annotation=a)
        for n, a in _OPTIONS.items()
    ]
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    called.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in [*own, *shared]}
    return called


def described(name: str = "") -> dict[str, Any]:
    """What `help --json` prints: every command, or one of them. Raises ConfigurationError for one that there is not."""
    commands: dict[str, Any] = getattr(typer.main.get_command(app), "commands")  # noqa: B009 - it is a group
    found = {key: each for key, each in commands.items() if name in ("", key) and not each.hidden}
    if not found:
        raise ConfigurationError(f"no such command: {shown(name)}", hint="See: help")
    return {"usage": f"{PROGRAM} COMMAND", "commands": [_described(key, each) for key, each in found.items()]}


def _described(name: str, command: Any) -> dict[str, Any]:
    taken = [
        {"names": list(one.opts), "kind": one.param_type_name, "help": getattr(one, "help", None)}
        for one in command.params
    ]
    return {"name": name, "help": inspect.cleandoc(command.help or ""), "parameters": taken}


def call(arguments: list[str]) -> None:
    """Runs the command that `arguments` name; ends with SystemExit, or the error that it raised."""
    _refuse_hidden(arguments)
    try:
        code = app(arguments, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        _tell_usage(error, arguments)
        raise SystemExit(int(ExitCode.USAGE)) from None
    raise SystemExit(code or 0)


def _tell_usage(error: typer.TyperException, arguments: list[str]) -> None:
    """What is wrong with the arguments, and how they are to be; with --json as any other error, too."""
    context: Any = getattr(error, "ctx", None)
    if context is not None:
        console.message(context.get_usage())
        console.message(f"Try: {context.command_path} --help")
    words = str(getattr(error, "format_message", error.__str__)())
    console.message(f"error: {words}")
    if _looks_like_a_key(context, arguments):
        console.message("A key that begins with - goes behind --")
    if "--json" in itertools.takewhile(lambda argument: argument != "--", arguments):
        console.result(console.error_json(ConfigurationError(words)))


def _looks_like_a_key(context: Any, arguments: list[str]) -> bool:
    """Whether a command that takes keys was given one that reads as an option."""
    takes = {one.name for one in context.command.params} if context is not None else set()
    return bool(takes & {"key", "keys"}) and any(one.startswith("-") for one in arguments)


def _refuse_hidden(arguments: list[str]) -> None:
    """Typer would print an unknown option as it is, and a script may have made it of a key that begins with `-`."""
    options = list(itertools.takewhile(lambda argument: argument != "--", arguments))
    for name in (option.partition("=")[0] for option in options if option.startswith("-")):
        if escaped(name) != name:
            raise ConfigurationError(f"no such option: {shown(name)}", hint="A key that begins with - goes behind --")
