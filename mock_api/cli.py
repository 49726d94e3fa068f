"""The commands of the mock API: `serve` (also without a name) and `events`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mock_api import events_cli

_USAGE = 2
_FAILED = 1
_COMMANDS = ("serve", "events")
_WAYS = {
    "field": "answer as servers in the field do: keep nothing, agree to everything",
    "no_cursor": "the event list knows no cursor",
    "no_idempotency": "Idempotency-Key is ignored",
    "bad_request_500": "a bad request is answered as 500",
    "null_internal_id": "internal_id is always null",
    "no_sha256": "answers have no sha256",
}


def main(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Runs a command; the exit code. `environment` None: this process's, and for `events`, as for the service, `.env`."""
    words = list(arguments)
    if not words or words[0] not in (*_COMMANDS, "-h", "--help"):
        words.insert(0, "serve")
    try:
        if environment is None:
            environment = {**(_dotenv(Path(".env")) if words[0] == "events" else {}), **os.environ}
        options = _parser(environment).parse_args(words)
        return _serve(options) if options.command == "serve" else events_cli.run(options)
    except ValueError as error:
        sys.stderr.write(f"mock_api: {error}\n")
        return _USAGE


def _dotenv(path: Path) -> dict[str, str]:
    """The lines of the file as written: nothing is substituted in them. Raises ValueError where it cannot be read."""
    from dotenv import dotenv_values  # noqa: PLC0415

    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from None
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def secret(environment: Mapping[str, str], name: str) -> str | None:
    """The secret `name`, or what the file NAME_FILE holds; None where neither is set. Raises ValueError."""
    value, file = environment.get(name), environment.get(f"{name}_FILE")
    if value and file:
        raise ValueError(f"{name} and {name}_FILE are both set; set one of them")
    if not file:
        return value or None
    try:
        return Path(file).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}_FILE: cannot be read: {error}") from None


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mock_api", description="A file manager and event log for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands.add_parser("serve", help="run the server (the default)"), environment)
    events = commands.add_parser("events", help="turn the changes of a bucket into replay events")
    keys = {name: secret(environment, name) for name in events_cli.SECRETS}
    events_cli.add_options(events, {**environment, **{name: value for name, value in keys.items() if value}})
    return parser


def _add_serve(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    add = parser.add_argument
    add("--host", default=environment.get("MOCK_API_HOST", "127.0.0.1"), help="MOCK_API_HOST; default 127.0.0.1")
    add(
        "--port", type=_port, default=environment.get("MOCK_API_PORT", "8001"), help="MOCK_API_PORT; 0 takes a free one"
    )
    add(
        "--data", type=Path, default=environment.get("MOCK_API_DATA", "data/mock_api"), help="MOCK_API_DATA; the folder"
    )
    add(
        "--token",
        default=secret(environment, "MOCK_API_TOKEN"),
        help="bearer token to ask for; better in MOCK_API_TOKEN",
    )
    add("--max-size", type=_bytes, default=None, metavar="BYTES", help="larger uploads are answered 413")
    add(
        "--no-fsync",
        dest="sync",
        action="store_false",
        help="do not wait for the disk; faster, a power cut may lose files",
    )
    for name, meaning in _WAYS.items():
        add(f"--{name.replace('_', '-')}", action="store_true", help=meaning)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port (0 to 65535)")
    return int(text)


def _bytes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    # The server's imports take a while, and `events` and --help do not need them.
    from mock_api.database import DataFolderUnusable  # noqa: PLC0415
    from mock_api.server import listen, serve  # noqa: PLC0415

    switches = {name: getattr(options, name) for name in (*_WAYS, "token", "max_size", "sync")}
    try:
        with listen(options.host, options.port) as listening:
            serve(listening, options.data, switches)
    except DataFolderUnusable as error:
        sys.stderr.write(f"mock_api: {error}\n")
        return _FAILED
    except OSError as error:
        sys.stderr.write(f"mock_api: cannot serve on {options.host} port {options.port} from {options.data}: {error}\n")
        return _FAILED
    return 0
