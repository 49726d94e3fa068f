"""An observer that remembers what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sync_service.models.data_models import Outcome


@dataclass
class RecordingObserver:
    """Every call in order: its name and its arguments. `problems` and `notes` are their messages with the facts."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def phase(self, name: str, total: int | None = None, total_bytes: int | None = None) -> None:
        self.calls.append(("phase", (name, total, total_bytes)))

    def advance(self, items: int = 1, size: int = 0) -> None:
        self.calls.append(("advance", (items, size)))

    def outcome(self, outcome: Outcome) -> None:
        self.calls.append(("outcome", (outcome,)))

    def note(self, message: str, **facts: Any) -> None:
        self.calls.append(("note", (message, facts)))

    def problem(self, message: str, **facts: Any) -> None:
        self.calls.append(("problem", (message, facts)))

    def finished(self, report: dict[str, Any]) -> None:
        self.calls.append(("finished", (report,)))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of `name`."""
        return [arguments for called, arguments in self.calls if called == name]

    @property
    def phases(self) -> list[str]:
        return [arguments[0] for arguments in self.of("phase")]

    @property
    def outcomes(self) -> list[Outcome]:
        return [arguments[0] for arguments in self.of("outcome")]

    @property
    def notes(self) -> list[tuple[str, dict[str, Any]]]:
        return [(message, facts) for message, facts in self.of("note")]

    @property
    def problems(self) -> list[tuple[str, dict[str, Any]]]:
        return [(message, facts) for message, facts in self.of("problem")]

    @property
    def reports(self) -> list[dict[str, Any]]:
        return [arguments[0] for arguments in self.of("finished")]
