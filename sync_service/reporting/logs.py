"""The set-up of logs: structlog and the libraries' logging through one handler; `LogObserver` writes to it."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from sync_service.models.errors import ConfigurationError
from sync_service.reporting.lines import Render, Rendered, as_json, described, for_people
from sync_service.reporting.log_observer import LogObserver
from sync_service.reporting.secrets import Mask
from sync_service.reporting.terminal import lively, on_terminal

__all__ = ["FORMATS", "LEVELS", "LogObserver", "configure_logging"]

LEVELS = ("debug", "info", "warning", "error", "critical")
FORMATS = ("auto", "console", "json")
_OURS = "sync_service"
_HIDING = {"_record", "_from_structlog"}


def configure_logging(
    level: str,
    fmt: str,
    stream: TextIO | None = None,
    *,
    secrets: Sequence[str] | Mask = (),
    environ: Mapping[str, str] | None = None,
) -> None:
    """Sends every log line of this process, the libraries' too, to `stream` (None: the standard error of the moment).

    `level` is one of LEVELS, `fmt` one of FORMATS. May be called again: the last call counts. No line shows any of
    `secrets`. Raises ConfigurationError for a level or format that does not exist.
    """
    _check(level, fmt)
    import structlog

    out = stream or sys.stderr
    mask = secrets if isinstance(secrets, Mask) else Mask(secrets)
    render = _render(fmt, out, os.environ if environ is None else environ)
    handler = _Handler(None if out is sys.stderr else out, json=render is as_json)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[described, structlog.processors.format_exc_info, _without_meta, Rendered(render, mask)]
        )
    )
    _route_library_logs(handler, level.lower())
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def tell_json(level: str, text: str) -> bool:
    """Writes `text` to the log of this process where that is one of JSON lines; whether it is."""
    if not any(isinstance(one, _Handler) and one.json for one in logging.getLogger().handlers):
        return False
    import structlog

    structlog.get_logger(_OURS).log(logging.getLevelNamesMapping()[level.upper()], text)
    return True


def _check(level: str, fmt: str) -> None:
    problems = []
    if level.lower() not in LEVELS:
        problems.append(f"LOG_LEVEL is {level!r}: expected one of {', '.join(LEVELS)}")
    if fmt.lower() not in FORMATS:
        problems.append(f"LOG_FORMAT is {fmt!r}: expected one of {', '.join(FORMATS)}")
    if problems:
        raise ConfigurationError(problems)


def _render(fmt: str, out: TextIO, environ: Mapping[str, str]) -> Render:
    if fmt.lower() == "json" or (fmt.lower() == "auto" and not on_terminal(out)):
        return as_json
    return functools.partial(for_people, colour=lively(out, environ))


def _without_meta(_logger: object, _method: str, event: Any) -> Any:
    return {name: value for name, value in event.items() if name not in _HIDING}


def _route_library_logs(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    # Never DEBUG for libraries: theirs prints signed requests, with tokens that we cannot know.
    root.setLevel(logging.INFO if level == "debug" else logging.WARNING)
    logging.getLogger(_OURS).setLevel(level.upper())
    logging.captureWarnings(True)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to one stream, or to the standard error of the moment, which a progress bar replaces while it runs."""

    def __init__(self, stream: TextIO | None, json: bool) -> None:
        super().__init__(stream or sys.stderr)
        self._fixed = stream
        self.json = json

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = self._fixed or sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        # The standard one prints message and arguments as they are, secrets and all.
        error = sys.exc_info()[0]
        with contextlib.suppress(Exception):
            self.stream.write(f"a log line of {record.name} was lost: {error.__name__ if error else 'error'}\n")
