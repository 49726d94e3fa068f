"""The observer for a person at a terminal: a bar with files, bytes, rate and time left."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from sync_service.models.data_models import Outcome, Result
from sync_service.models.text import shown
from sync_service.reporting.pace import Pace
from sync_service.reporting.words import duration_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_REDRAW = 0.1
_FINE = {Result.DONE, Result.SOURCE_MOVED}


class ProgressObserver:
    """Draws one bar, for the current phase, on `stream`; a line stays behind for each phase that ended.

    For terminals only (`terminal.lively`). Notes, problems and failures are left to the log, whose lines go above the
    bar. `now` is a monotonic clock in seconds. Close it, or use it in `with`: it hides the cursor while it draws.
    """

    def __init__(self, stream: TextIO, now: Callable[[], float]) -> None:
        self._stream = stream
        self._now = now
        self._pace: Pace | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._drawn = 0.0
        self._failed = 0

    def phase(self, name: str, total: int | None = None, total_bytes: int | None = None) -> None:
        self._end_phase()
        now = self._now()
        self._pace = Pace(name, now, total, total_bytes)
        self._bar = self._bar or _started(self._stream)
        self._task = self._bar.add_task(name, total=None, facts="", last="")
        self._draw(self._pace, now)

    def advance(self, items: int = 1, size: int = 0) -> None:
        if self._pace is None:
            return
        self._pace.add(items, size)
        now = self._now()
        if now - self._drawn >= _REDRAW:
            self._draw(self._pace, now)

    def outcome(self, outcome: Outcome) -> None:
        self._failed += outcome.result not in _FINE
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, last=shown(outcome.operation.text))

    def note(self, message: str, **facts: Any) -> None: ...

    def problem(self, message: str, **facts: Any) -> None: ...

    def finished(self, report: dict[str, Any]) -> None:
        self.close()

    def close(self) -> None:
        """Ends the drawing and gives the terminal back; may be called again."""
        self._end_phase()
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _draw(self, pace: Pace, now: float) -> None:
        self._drawn = now
        if self._bar is not None and self._task is not None:
            share = pace.share()
            total = None if share is None else 1.0
            self._bar.update(self._task, total=total, completed=share or 0.0, facts=self._facts(pace, now))

    def _facts(self, pace: Pace, now: float, *, ended: bool = False) -> str:
        return pace.text(now, ended=ended) + (f", {self._failed:,} failed" if self._failed else "")

    def _end_phase(self) -> None:
        pace, self._pace = self._pace, None
        task, self._task = self._task, None
        if pace is None or self._bar is None or task is None:
            return
        self._bar.remove_task(task)
        now = self._now()
        line = f"{pace.name}: {self._facts(pace, now, ended=True)}, took {duration_text(pace.seconds(now))}"
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._failed = 0


def _started(stream: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.table import Column

    # Without markup=False a key such as `[/b]` would be read as formatting, and raise.
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[facts]}", markup=False),
        TextColumn(
            "{task.fields[last]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
        ),
    )
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    # Results go to the standard output as they are, also while a bar is drawn on the standard error.
    bar = Progress(*columns, console=console, transient=True, expand=True, redirect_stdout=False)
    bar.start()
    return bar
