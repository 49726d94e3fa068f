"""The renames of a batch, folded: where each thing ended that the batch named. Pure; the source has not been asked yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sync_service.models.data_models import Event, EventType

Token = int | str
"""What the batch speaks of: a row id, or a made-up name for something that no row is known for."""


@dataclass(slots=True)
class Fold:
    """The state of a fold: which thing is at which path, where rows went, and in which order attributes were set.

    `ended` holds what deletes spoke of, by path: where the source still has the path, they meant nothing.
    """

    at: dict[str, Token]
    moved: dict[Token, str | None] = field(default_factory=dict)
    ended: dict[str, list[Token]] = field(default_factory=dict)
    wishes: list[tuple[Token, Event, int]] = field(default_factory=list)
    _made_up: int = 0

    def token_at(self, path: str) -> Token:
        """What is at `path` now; something new where nothing was known."""
        if path not in self.at:
            self._made_up += 1
            self.at[path] = f"new-{self._made_up}"
        return self.at[path]

    def rename(self, old: str, new: str) -> None:
        """What was at `old` is at `new`; what was there loses its path."""
        if old == new:
            return
        token = self.token_at(old)
        self.ended.pop(old, None)
        self.ended.pop(new, None)
        if (displaced := self.at.get(new)) is not None:
            self.moved[displaced] = None
        del self.at[old]
        self.at[new] = token
        self.moved[token] = new

    def delete(self, path: str) -> None:
        token = self.at.pop(path, None)
        if token is None:
            return
        self.ended.setdefault(path, []).append(token)
        if token in self.moved:
            self.moved[token] = None


def fold(events: Iterable[tuple[Event, int]], rows: Mapping[str, int]) -> Fold:
    """Folds (event, position) in the order of the log; `rows` are the known rows, path -> id."""
    state = Fold(dict(rows))
    for event, position in events:
        path = event.file_path or ""
        if event.event_type in (EventType.RENAME, EventType.MOVE) and event.new_path is not None:
            state.rename(path, event.new_path)
            path = event.new_path
        elif event.event_type is EventType.DELETE:
            state.delete(path)
            continue
        if asks(event):
            state.wishes.append((state.token_at(path), event, position))
    return state


def asks(event: Event) -> bool:
    """Whether an event sets permissions, owner or group."""
    return bool(event.permissions or event.owner or event.group)


def places(state: Fold) -> dict[Token, str]:
    """Where each thing ended, for all at once."""
    ended = {token: path for path, tokens in state.ended.items() for token in tokens}
    return ended | {token: path for path, token in state.at.items()}
