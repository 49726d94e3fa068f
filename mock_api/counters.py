"""What the server was asked and what it did, for tests to look at."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import Any

from mock_api.models import Answer, Call

_PATHS_KEPT = 200_000


class Counters:
    """Counts since the start or the last reset, and a journal of the newest calls. In memory only."""

    def __init__(self, calls_kept: int) -> None:
        self._by_endpoint: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._effects: Counter[str] = Counter()
        self._paths: dict[str, Counter[str]] = {}
        self._calls: deque[dict[str, Any]] = deque(maxlen=calls_kept)
        self._done: deque[dict[str, Any]] = deque(maxlen=calls_kept)
        self._number = 0
        self._applied = 0
        self.bytes_received = 0
        self.replays = 0
        self.key_conflicts = 0
        self.faults_fired = 0
        self.broken_uploads = 0

    def called(self, call: Call, status: int, *, replay: bool = False) -> None:
        """A call has ended; status 0 means that the connection was cut on purpose."""
        self._number += 1
        self._by_endpoint[call.endpoint][call.operation or ""] += 1
        entry = {"n": self._number, "endpoint": call.endpoint, "operation": call.operation, "file_path": call.file_path}
        self._calls.append({**entry, "new_path": call.new_path, "key": call.key, "status": status, "replay": replay})

    def applied(self, call: Call, answer: Answer) -> None:
        """A call had its effect, whatever is answered in the end; `answer` is the true one."""
        self._applied += 1
        entry = {
            "n": self._applied,
            "endpoint": call.endpoint,
            "operation": call.operation,
            "file_path": call.file_path,
        }
        told = {name: answer.get(name) for name in ("size", "sha256", "permissions")}
        self._done.append({**entry, "new_path": call.new_path, "key": call.key, **told})
        name = "set_permissions" if call.endpoint == "updatePermissions" else call.operation or ""
        self._effects[name] += 1
        path = call.file_path or ""
        if path in self._paths or len(self._paths) < _PATHS_KEPT:
            self._paths.setdefault(path, Counter())[name] += 1

    def as_json(self, calls: int | None = None) -> dict[str, Any]:
        """Everything, with the newest `calls` entries of the journal (None: all that it keeps)."""
        journal = list(self._calls)
        return {
            "calls_per_endpoint": {endpoint: dict(counts) for endpoint, counts in self._by_endpoint.items()},
            "effects": dict(self._effects),
            "effects_per_path": {path: dict(counts) for path, counts in self._paths.items()},
            "bytes_received": self.bytes_received,
            "idempotent_replays": self.replays,
            "key_conflicts": self.key_conflicts,
            "faults_fired": self.faults_fired,
            "broken_uploads": self.broken_uploads,
            "calls": journal if calls is None else journal[max(0, len(journal) - calls) :],
        }

    def effects(self) -> list[dict[str, Any]]:
        """The newest effects in the order in which they happened; `n` counts from 1."""
        return list(self._done)
