"""The strict file manager: what each operation of the contract does to the files that it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from mock_api.models import Answer, Blob, Effect, PermissionRequest, Problem, SaveRequest, StoredFile, Switches, iso
from mock_api.tables import FileTable


class FileManager:
    """Carries out checked requests on the table of files. Time and ids come in as arguments."""

    def __init__(
        self, files: FileTable, switches: Switches, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._files = files
        self._switches = switches
        self._now = now
        self._new_id = new_id
        self._operations = {
            "create": self._create,
            "update": self._update,
            "rename": self._rename,
            "move": self._rename,
            "delete": self._delete,
            "get": self._get,
        }

    def permissions(self, request: PermissionRequest) -> Effect:
        """Sets what is given and leaves the rest. Raises Problem 404."""
        file = self._existing(request.file_path)
        if request.reads:
            return Effect(_permission_answer(file), applied=False)
        changed = replace(
            file,
            permissions=file.permissions if request.permissions is None else request.permissions,
            owner=file.owner if request.owner is None else request.owner,
            group=file.group if request.group is None else request.group,
            permissions_at=iso(self._now()),
        )
        self._files.put(changed)
        return Effect(_permission_answer(changed))

    def save(self, request: SaveRequest) -> Effect:
        """Raises Problem 404, or 409 for a rename or move onto an existing path."""
        return self._operations[request.operation](request)

    def _create(self, request: SaveRequest) -> Effect:
        old = self._files.find(request.file_path)
        if old is not None:
            return self._store(request, replace(old, file_type=None, metadata=None))
        now = iso(self._now())
        fresh = StoredFile(request.file_path, self._new_id(), 0, "", None, None, None, None, None, now, now)
        return self._store(request, fresh)

    def _update(self, request: SaveRequest) -> Effect:
        return self._store(request, self._existing(request.file_path))

    def _store(self, request: SaveRequest, old: StoredFile) -> Effect:
        content = _content(request)
        file = self._described(request, replace(old, size=content.size, sha256=content.sha256))
        self._files.put(file)
        freed = old.sha256 if old.sha256 not in ("", content.sha256) else None
        return Effect(self._answer(request, file), freed=freed)

    def _rename(self, request: SaveRequest) -> Effect:
        file = self._existing(request.file_path)
        new_path = request.new_path or ""
        if self._files.find(new_path) is not None:
            raise Problem(409, "new_path: there is a file already")
        self._files.drop(file.file_path)
        renamed = self._described(request, replace(file, file_path=new_path))
        self._files.put(renamed)
        return Effect(self._answer(request, renamed))

    def _delete(self, request: SaveRequest) -> Effect:
        file = self._existing(request.file_path)
        self._files.drop(file.file_path)
        return Effect(self._answer(request, replace(file, saved_at=iso(self._now()))), freed=file.sha256)

    def _get(self, request: SaveRequest) -> Effect:
        return Effect(self._answer(request, self._existing(request.file_path)), applied=False)

    def _described(self, request: SaveRequest, file: StoredFile) -> StoredFile:
        return replace(
            file,
            file_type=file.file_type if request.file_type is None else request.file_type,
            metadata=file.metadata if request.metadata is None else request.metadata,
            saved_at=iso(self._now()),
        )

    def _existing(self, file_path: str) -> StoredFile:
        file = self._files.find(file_path)
        if file is None:
            raise Problem(404, "file_path: no such file")
        return file

    def _answer(self, request: SaveRequest, file: StoredFile) -> Answer:
        answer: Answer = {
            "internal_id": None if self._switches.null_internal_id else file.internal_id,
            "file_path": request.file_path,
            "operation": request.operation,
            "size": file.size,
            "saved_at": file.saved_at,
            "status": "success",
            "new_path": request.new_path,
            "metadata": None if file.metadata is None else json.loads(file.metadata),
        }
        return answer if self._switches.no_sha256 else {**answer, "sha256": file.sha256}


def _content(request: SaveRequest) -> Blob:
    if request.content is None:
        raise Problem(422, "file: missing")
    return request.content


def _permission_answer(file: StoredFile) -> Answer:
    return {
        "file_path": file.file_path,
        "permissions": file.permissions,
        "owner": file.owner,
        "group": file.group,
        "last_updated": file.permissions_at,
    }
