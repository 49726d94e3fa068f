"""An observer that tells nobody, for commands and tests that want none."""

from __future__ import annotations

from typing import Any

from sync_service.models.data_models import Outcome


class NullObserver:
    """Listens to everything and does nothing."""

    def phase(self, name: str, total: int | None = None, total_bytes: int | None = None) -> None: ...

    def advance(self, items: int = 1, size: int = 0) -> None: ...

    def outcome(self, outcome: Outcome) -> None: ...

    def note(self, message: str, **facts: Any) -> None: ...

    def problem(self, message: str, **facts: Any) -> None: ...

    def finished(self, report: dict[str, Any]) -> None: ...
