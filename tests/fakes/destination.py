"""A destination in memory: strict, with a switchable memory for idempotency keys, and faults on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sync_service.models.data_models import PATH_CHANGES, UPLOADS, Kind, Operation, Receipt
from sync_service.models.errors import NotAtDestination, OutcomeUnknown, PathTaken
from sync_service.ports import Opened


class Stored(NamedTuple):
    """What the destination holds at a path."""

    content: bytes
    permissions: str | None
    owner: str | None
    group: str | None
    internal_id: str


@dataclass(slots=True)
class Fault:
    """Raises `error` in matching calls number `nth` and on, `times` times; `applied`: after the effect, as a lost answer."""

    error: Exception
    kind: str | None = None
    path: str | None = None
    nth: int = 1
    times: int = 1
    applied: bool = False
    seen: int = field(default=0, repr=False)

    def strikes(self, kind: str, path: str) -> bool:
        if self.kind not in (None, kind) or self.path not in (None, path):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


OnCall = Callable[[str, str], Fault | None]


class FakeDestination:
    """A strict file manager. `files` is what it holds; `effects` what was applied, as `create a.txt`; `calls` what came.

    `memory`: a repeated key gives the first answer and has no effect; a key for another effect is a defect of the
    service, and an AssertionError. `on_call(kind, path)` may give a fault of its own: for faults by chance.
    """

    def __init__(self, *, memory: bool = True, on_call: OnCall | None = None) -> None:
        self.files: dict[str, Stored] = {}
        self.effects: list[str] = []
        self.calls: list[tuple[Operation, str]] = []
        self.reports: list[dict[str, Any]] = []
        self.closed = False
        self.memory = memory
        self.on_call = on_call
        self._answers: dict[str, tuple[object, Receipt]] = {}
        self._faults: list[Fault] = []
        self._ids = 0

    def fail(
        self,
        error: Exception,
        *,
        kind: str | None = None,
        path: str | None = None,
        nth: int = 1,
        times: int = 1,
        applied: bool = False,
    ) -> Fault:
        """The nth and following matching calls raise `error`. `kind` is an operation's, or the name of another call."""
        fault = Fault(error, kind, path, nth, times, applied)
        self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """No more faults."""
        self._faults.clear()
        self.on_call = None

    @property
    def contents(self) -> dict[str, bytes]:
        """Path to bytes."""
        return {path: stored.content for path, stored in self.files.items()}

    async def apply(self, operation: Operation, key: str, content: Opened | None) -> Receipt:
        self.calls.append((operation, key))
        fault = self._fault(operation.kind, operation.file_path)
        if fault is not None and not fault.applied:
            raise fault.error
        body = await _read(content) if operation.kind in UPLOADS and content is not None else b""
        receipt = self._answer(operation, key, content, body)
        if fault is not None:
            raise fault.error
        return receipt

    async def get(self, file_path: str) -> Receipt | None:
        fault = self._fault("get", file_path)
        if fault is not None:
            raise fault.error
        stored = self.files.get(file_path)
        return None if stored is None else _receipt(stored)

    async def attributes(self, file_path: str) -> Receipt | None:
        fault = self._fault("attributes", file_path)
        if fault is not None:
            raise fault.error
        stored = self.files.get(file_path)
        return None if stored is None else Receipt(None, None, None, stored.permissions, stored.owner, stored.group)

    async def report(self, report: dict[str, Any]) -> None:
        fault = self._fault("report", "")
        if fault is not None and not fault.applied:
            raise fault.error
        self.reports.append(report)
        if fault is not None:
            raise fault.error

    async def ping(self) -> None:
        fault = self._fault("ping", "")
        if fault is not None:
            raise fault.error

    async def close(self) -> None:
        self.closed = True

    def _fault(self, kind: str, path: str) -> Fault | None:
        struck = [fault for fault in self._faults if fault.strikes(kind, path)]
        return struck[0] if struck else self.on_call(kind, path) if self.on_call else None

    def _answer(self, operation: Operation, key: str, content: Opened | None, body: bytes) -> Receipt:
        effect = (operation.text, operation.permissions, operation.owner, operation.group, body)
        if self.memory and key in self._answers:
            known, answer = self._answers[key]
            assert known == effect, f"one key for two effects: {known!r} and {effect!r}"
            return answer
        answer = self._carry_out(operation, content, body)
        self.effects.append(operation.text)
        self._answers[key] = (effect, answer)
        return answer

    def _carry_out(self, operation: Operation, content: Opened | None, body: bytes) -> Receipt:
        path, kind = operation.file_path, operation.kind
        if kind is not Kind.CREATE and path not in self.files:
            raise NotAtDestination("there is no such path", status=404, subject=path)
        if kind in UPLOADS:
            self.files[path] = self._stored(operation, content, body)
        elif kind in PATH_CHANGES:
            return self._moved(path, operation.new_path or "")
        elif kind is Kind.DELETE:
            del self.files[path]
            return Receipt()
        else:
            self.files[path] = _with_attributes(self.files[path], operation)
        return _receipt(self.files[path])

    def _stored(self, operation: Operation, content: Opened | None, body: bytes) -> Stored:
        assert content is not None, f"{operation.text}: an upload needs content"
        old = self.files.get(operation.file_path)
        if old is None:
            self._ids += 1
            old = Stored(b"", None, None, None, f"id-{self._ids}")
        new = old._replace(content=body)
        if operation.kind is Kind.UPDATE:
            return new
        info = content.info
        said = new._replace(
            permissions=info.permissions or new.permissions,
            owner=info.owner or new.owner,
            group=info.group or new.group,
        )
        return _with_attributes(said, operation)

    def _moved(self, path: str, new_path: str) -> Receipt:
        if new_path in self.files:
            raise PathTaken("the new path is taken", status=409, subject=new_path)
        self.files[new_path] = self.files.pop(path)
        return _receipt(self.files[new_path])


async def _read(content: Opened) -> bytes:
    """The whole body, or the source's own error; nothing is stored of a body that is short."""
    body = b"".join([piece async for piece in content.chunks()])
    if len(body) != content.info.size:
        raise OutcomeUnknown(f"{len(body)} of {content.info.size} bytes came", subject=content.info.key)
    return body


def _with_attributes(stored: Stored, operation: Operation) -> Stored:
    return stored._replace(
        permissions=operation.permissions or stored.permissions,
        owner=operation.owner or stored.owner,
        group=operation.group or stored.group,
    )


def _receipt(stored: Stored) -> Receipt:
    digest = hashlib.sha256(stored.content).hexdigest()
    return Receipt(stored.internal_id, len(stored.content), digest, stored.permissions, stored.owner, stored.group)
