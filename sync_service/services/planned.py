"""A run that keeps to a plan: compared before anything is sent, and nothing that the plan does not name goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sync_service.models.data_models import Operation
from sync_service.models.errors import PlanChanged
from sync_service.services.plan_files import PlanFile, PlannedOperation, Preview

DIFFERENCES_SHOWN = 100


@dataclass(slots=True)
class Planned:
    """`preview` tells what the run would send now; it is asked once, when the events are recorded."""

    plan: PlanFile
    preview: Callable[[], Awaitable[Preview]]
    only_planned: list[str] = field(default_factory=list)
    only_now: list[str] = field(default_factory=list)
    _kept_back: dict[PlannedOperation, str] = field(default_factory=dict)
    _named: frozenset[PlannedOperation] = frozenset()

    async def check(self) -> None:
        """Raises PlanChanged where the run would not send exactly what the plan names."""
        then, now = self.plan.preview.lines, (await self.preview()).lines
        self.only_planned = [text for line, text in then.items() if line not in now]
        self.only_now = [text for line, text in now.items() if line not in then]
        if self.only_planned or self.only_now:
            raise PlanChanged(
                f"the plan of {self.plan.made_at} no longer holds: {_count(self.only_planned)} only in the plan, "
                f"{len(self.only_now)} only now; nothing was sent"
            )
        self._named = frozenset(self.plan.preview.operations)

    def admits(self, operation: Operation) -> bool:
        """Whether the plan names `operation`; one that it does not is noted, and waits for the next run."""
        line = PlannedOperation.of(operation)
        if line in self._named:
            return True
        self._kept_back[line] = line.text
        return False

    def ended(self) -> None:
        """Raises PlanChanged where something changed while the plan was carried out."""
        if self._kept_back:
            self.only_now = list(self._kept_back.values())
            raise PlanChanged(
                f"{_count(self.only_now)} kept back: what changed while the plan was carried out waits for the next run"
            )

    def as_json(self) -> dict[str, Any]:
        """For the run report: how far the run and the plan were apart."""
        return {
            "made_at": self.plan.made_at,
            "operations": len(self.plan.preview.operations),
            "only_in_plan": self.only_planned[:DIFFERENCES_SHOWN],
            "only_in_plan_total": len(self.only_planned),
            "only_now": self.only_now[:DIFFERENCES_SHOWN],
            "only_now_total": len(self.only_now),
        }


def _count(operations: Collection[str]) -> str:
    return "1 operation" if len(operations) == 1 else f"{len(operations)} operations"
