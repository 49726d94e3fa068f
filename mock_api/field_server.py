"""A server as found in the field: it keeps nothing, agrees to everything, and tells the same changes again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mock_api.models import Effect, PermissionRequest, SaveRequest, iso

_TOLD: tuple[dict[str, Any], ...] = (
    {"event_type": "create", "file_path": "/inbox/letter.txt", "metadata": {"size": 1200, "mime_type": "text/plain"}},
    {"event_type": "update", "file_path": "/inbox/ledger.csv", "metadata": {"size": 5300, "mime_type": "text/csv"}},
    {"event_type": "delete", "file_path": "/attic/worn-out.log"},
    {"event_type": "rename", "file_path": "/plans/first.txt", "new_path": "/plans/second.txt"},
    {"event_type": "move", "file_path": "/plans/note.txt", "new_path": "/attic/note.txt"},
    {"event_type": "change_permission", "file_path": "/inbox/key.pem", "metadata": {"new_permissions": "rw-------"}},
    {"event_type": "create", "file_path": "/photos/cat.png", "metadata": {"size": 90210, "mime_type": "image/png"}},
    {"event_type": "update", "file_path": "/photos/dog.jpg", "metadata": {"size": 80900, "mime_type": "image/jpeg"}},
)


class FieldServer:
    """Answers as such servers do; the shape of its methods is that of FileManager."""

    def __init__(self, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._now = now
        self._new_id = new_id

    def permissions(self, request: PermissionRequest) -> Effect:
        answer = {
            "file_path": request.file_path,
            "permissions": request.permissions or "rw-r--r--",
            "owner": request.owner or "user",
            "group": request.group or "users",
            "last_updated": self._time(),
        }
        return Effect(answer, applied=not request.reads)

    def save(self, request: SaveRequest) -> Effect:
        answer = {
            "internal_id": None if request.operation == "delete" else self._new_id(),
            "file_path": request.file_path,
            "operation": request.operation,
            "size": 0 if request.content is None else request.content.size,
            "saved_at": self._time(),
            "status": "success",
            "new_path": request.new_path,
            "metadata": None if request.metadata is None else json.loads(request.metadata),
        }
        return Effect(answer, applied=request.operation != "get")

    def events(self, count: int) -> list[str]:
        """The same eight, as new as ever, as JSON texts. Their times have no zone."""
        return [json.dumps({**told, "timestamp": self._time()}) for told in _TOLD[:count]]

    def _time(self) -> str:
        return iso(self._now()).removesuffix("Z")
