"""The file manager as a Destination: each operation in the calls of its contract, each call under a key of its own."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sync_service.clients.api_upload import Upload
from sync_service.clients.infrastructure_api import Attributes, InfrastructureAPI, Saved
from sync_service.models.data_models import PATH_CHANGES, UPLOADS, Kind, Operation, Receipt
from sync_service.models.errors import BadAnswer, NotAtDestination, OutcomeUnknown, PathTaken, SyncError
from sync_service.ports import Opened

_TAKEN_KEPT = 10_000

BELIEVED_FOR = 5.0
"""Seconds for which a 404 is believed after the file manager has said that it is well."""


class FileManagerDestination:
    """Destination on the infrastructure API. Permissions go first, so that content never lies open under wrong ones."""

    def __init__(self, api: InfrastructureAPI, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic
        self._well_until = float("-inf")
        self._taken: dict[str, None] = {}

    async def apply(self, operation: Operation, key: str, content: Opened | None) -> Receipt:
        """Carries out `operation` once; see the port."""
        try:
            return await self._apply(operation, key, content)
        except NotAtDestination as problem:
            await self._believe(problem)
            raise

    async def _apply(self, operation: Operation, key: str, content: Opened | None) -> Receipt:
        if operation.kind in UPLOADS:
            assert content is not None, f"{operation.text}: an upload needs content"
            return await self._upload(operation, key, content)
        if operation.kind is Kind.CHANGE_PERMISSION:
            return _receipt(Saved(), await self._permissions(operation.file_path, _attributes(operation), key))
        new_path = operation.new_path if operation.kind in PATH_CHANGES else None
        return _receipt(await self._api.save_to_disk(operation.kind, operation.file_path, key, new_path=new_path))

    async def get(self, file_path: str) -> Receipt | None:
        """What the file manager holds at `file_path`; None for its 404."""
        try:
            return _receipt(await self._api.save_to_disk("get", file_path, None))
        except NotAtDestination as problem:
            await self._believe(problem)
            return None

    async def attributes(self, file_path: str) -> Receipt | None:
        """updatePermissions with the path alone, which asks and changes nothing; None for its 404."""
        try:
            return _receipt(Saved(), await self._api.update_permissions(file_path, Attributes()))
        except NotAtDestination as problem:
            await self._believe(problem)
            return None

    async def _believe(self, problem: NotAtDestination) -> None:
        """A 404 may be anybody's, of a wrong address or of a proxy that has lost its server: it counts where the file manager
        itself is there and well. Raises BadAnswer where it is not.
        """
        if self._monotonic() < self._well_until:
            return
        try:
            await self._api.check_file_manager()
        except SyncError as error:
            what = (
                f"{problem.what}, which is not believed, since the file manager itself does not answer as one ({error})"
            )
            raise BadAnswer(what, subject=problem.subject) from problem
        self._well_until = self._monotonic() + BELIEVED_FOR

    async def report(self, report: dict[str, Any]) -> None:
        """POST /reportResults."""
        await self._api.report_results(report)

    async def ping(self) -> None:
        """Raises where the file manager is unhealthy."""
        await self._api.check_file_manager()

    async def close(self) -> None:
        await self._api.close()

    async def _upload(self, operation: Operation, key: str, content: Opened) -> Receipt:
        upload = await Upload.of(content)
        if operation.kind is Kind.UPDATE:
            return _receipt(await self._save(operation, Kind.UPDATE, key, content, upload))
        return await self._create(operation, key, content, upload)

    async def _create(self, operation: Operation, key: str, content: Opened, upload: Upload) -> Receipt:
        """A strict server knows no permissions of a path before its content: then they are told, or asked, after it."""
        wanted = _attributes(operation, content)
        known: Attributes | None = None
        with suppress(NotAtDestination):
            known = await self._permissions(operation.file_path, wanted, key)
        saved = await self._save_new(operation, key, content, upload)
        if known is None:
            known = await self._permissions_after(operation.file_path, wanted, key)
        return _receipt(saved, known)

    async def _permissions_after(self, file_path: str, wanted: Attributes, key: str) -> Attributes:
        """Under another key than before the content: a server may remember its 404 with the first one."""
        try:
            return await self._permissions(file_path, wanted, _derived(key, "after"))
        except NotAtDestination:
            if wanted.empty:
                return wanted
            raise

    async def _permissions(self, file_path: str, wanted: Attributes, key: str) -> Attributes:
        """What holds after the call: what was asked for where it was accepted, else what the server says.

        A server may word permissions in its own way (`0644` for `rw-r--r--`); its wording is no other wish.
        """
        derived = _derived(key, "permissions", wanted.permissions, wanted.owner, wanted.group)
        said = await self._api.update_permissions(file_path, wanted, derived)
        return Attributes(
            said.permissions if wanted.permissions is None else wanted.permissions,
            said.owner if wanted.owner is None else wanted.owner,
            said.group if wanted.group is None else wanted.group,
        )

    async def _save_new(self, operation: Operation, key: str, content: Opened, upload: Upload) -> Saved:
        """`create`; where the path is taken `update`, at once while the bytes are here, else in the next attempt."""
        if key not in self._taken:
            try:
                return await self._save(operation, Kind.CREATE, key, content, upload)
            except PathTaken as problem:
                self._remember_taken(key)
                if upload.whole is None:
                    what = f"{problem.what}. The next attempt updates it"
                    raise OutcomeUnknown(what, subject=operation.file_path, retry_after=0) from problem
        return await self._save(operation, Kind.UPDATE, _derived(key, "update"), content, upload)

    def _remember_taken(self, key: str) -> None:
        self._taken[key] = None
        if len(self._taken) > _TAKEN_KEPT:
            del self._taken[next(iter(self._taken))]

    async def _save(self, operation: Operation, kind: Kind, key: str, content: Opened, upload: Upload) -> Saved:
        return await self._api.save_to_disk(
            kind,
            operation.file_path,
            key,
            upload=upload,
            file_type=content.info.file_type or operation.file_type,
            metadata=content.info.metadata,
        )


def _attributes(operation: Operation, content: Opened | None = None) -> Attributes:
    """What the operation wishes; for new content, what the object's metadata says fills the gaps."""
    info = content.info if content is not None else None
    return Attributes(
        operation.permissions or (info.permissions if info else None),
        operation.owner or (info.owner if info else None),
        operation.group or (info.group if info else None),
    )


def _derived(key: str, *parts: str | None) -> str:
    """A key for another call of the same effect: the same each time, and never that of another call."""
    return hashlib.sha256(json.dumps([key, *parts]).encode("ascii")).hexdigest()


def _receipt(saved: Saved, attributes: Attributes | None = None) -> Receipt:
    said = attributes or Attributes()
    return Receipt(saved.internal_id, saved.size, saved.sha256, said.permissions, said.owner, said.group)
