"""The file manager and infrastructure API as Python calls: five endpoints, each answer checked before use."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sync_service.clients.api_answers import Json, plain_text
from sync_service.clients.api_token import Token
from sync_service.clients.api_transport import Request, Server, Timeouts, Transport
from sync_service.clients.api_upload import Upload, multipart
from sync_service.models.crashpoints import passing
from sync_service.models.errors import BadAnswer, Refused, StoredWrong

EVENT_LIST_LIMIT = 32 * 1024 * 1024
CURSOR_LIMIT = 6 * 1024
"""Characters of a cursor: it goes back in the address of the next call, of which servers take about 8 KiB."""

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the file manager says of a path's permissions; None where it says nothing."""

    permissions: str | None = None
    owner: str | None = None
    group: str | None = None

    @property
    def empty(self) -> bool:
        return self.permissions is None and self.owner is None and self.group is None

    def fields(self) -> dict[str, str]:
        """Those that are set, by their names in forms."""
        named = {"permissions": self.permissions, "owner": self.owner, "group": self.group}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Saved:
    """What saveToDisk confirmed; None for what it left out."""

    internal_id: str | None = None
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class EventList:
    """A page of events as parsed JSON values; `next_cursor` is None where the server knows none."""

    events: list[object]
    next_cursor: str | None
    has_more: bool


class InfrastructureAPI:
    """Client of both servers of the API. Every call is one attempt; none is repeated here."""

    def __init__(
        self,
        file_manager_url: str | None,
        mock_api_url: str,
        *,
        file_manager_token: str | Token | None = None,
        mock_api_token: str | Token | None = None,
        max_connections: int = 10,
        keep_alive: bool = True,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.time,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Without `file_manager_url` the mock API serves all, with its own token. `clock` gives epoch seconds.

        `hide` takes secrets out of what a server says of its errors: some repeat our own headers there.
        """
        self._events = Server(mock_api_url.rstrip("/"), Token.of(mock_api_token))
        self._files = self._events
        if file_manager_url:
            self._files = Server(file_manager_url.rstrip("/"), Token.of(file_manager_token))
        self._transport = Transport(
            max_connections=max_connections,
            keep_alive=keep_alive,
            timeouts=timeouts or Timeouts(),
            clock=clock,
            hide=hide,
        )

    async def check_file_manager(self) -> None:
        """GET /: raises where the file manager is unhealthy."""
        await self._check(self._files)

    async def check_events(self) -> None:
        """GET /: raises where the server of events and reports is unhealthy."""
        await self._check(self._events)

    async def update_permissions(self, file_path: str, wanted: Attributes, key: str | None = None) -> Attributes:
        """Sets what `wanted` names, under the key; with nothing wanted it only asks. Returns the answer's values."""
        label = "updatePermissions"
        try:
            body = urlencode({"file_path": file_path, **wanted.fields()}).encode("ascii")
        except UnicodeEncodeError:
            raise Refused("the path or its attributes cannot be written as UTF-8", subject=file_path) from None
        key = None if wanted.empty else key
        request = Request("POST", "/updatePermissions", label, file_path, body=body, content_type=_FORM, key=key)
        answer = await self._transport.call(self._files, request)
        if "permissions" not in answer:
            raise BadAnswer(f"{label}: the answer has no permissions", subject=file_path)
        names = ("permissions", "owner", "group")
        return Attributes(*(plain_text(answer.get(name), name, label, file_path) for name in names))

    async def save_to_disk(
        self,
        operation: str,
        file_path: str,
        key: str | None,
        *,
        new_path: str | None = None,
        upload: Upload | None = None,
        file_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Saved:
        """One operation on one file: create and update with an upload, rename and move with `new_path`, delete, get.

        Raises StoredWrong where the answer speaks of other bytes than went out, BadAnswer where it does not say.
        """
        label = f"saveToDisk {operation}"
        fields = _save_fields(
            operation=operation,
            file_path=file_path,
            new_path=new_path,
            upload=upload,
            file_type=file_type,
            metadata=metadata,
        )
        content_type, body = multipart(fields, upload, self._transport.timeouts.idle)
        size = upload.size if upload else 0
        request = Request(
            "POST", "/saveToDisk", label, file_path, body=body, content_type=content_type, key=key, size=size
        )
        answer = await self._transport.call(self._files, request)
        saved = _saved(answer, label, file_path)
        if upload is not None:
            _check_stored(saved, upload, label, file_path)
            passing("upload verified")
        return saved

    async def pub_sub_full_list(self, count: int = 100, after: str | None = None) -> EventList:
        """One page of the event log, from its start or after a cursor."""
        label = "pubSubFullList"
        query = {"count": str(count)} | ({"after": after} if after is not None else {})
        request = Request("GET", "/pubSubFullList", label, query=query, limit=EVENT_LIST_LIMIT, lenient=True)
        answer = await self._transport.call(self._events, request)
        events = answer.get("events")
        if not isinstance(events, list):
            raise BadAnswer(f"{label}: the answer has no list of events")
        cursor = plain_text(answer.get("next_cursor"), "next_cursor", label, limit=CURSOR_LIMIT) or None
        # A server that gives cursors and says nothing of more is asked again until a page is empty.
        has_more = answer.get("has_more", cursor is not None and bool(events))
        return EventList(events, cursor, has_more is True)

    async def report_results(self, report: Mapping[str, Any]) -> None:
        """Hands over a run report; the same report always under the same key."""
        body = json.dumps(report, default=str, sort_keys=True).encode("ascii")
        key = hashlib.sha256(body).hexdigest()
        request = Request(
            "POST", "/reportResults", "reportResults", body=body, content_type="application/json", key=key, report=True
        )
        await self._transport.call(self._events, request)

    async def close(self) -> None:
        """Gives back connections. May be called more than once."""
        await self._transport.close()

    async def _check(self, server: Server) -> None:
        await self._transport.call(server, Request("GET", "/", "GET /", subject=server.url))


def _save_fields(
    *,
    operation: str,
    file_path: str,
    new_path: str | None,
    upload: Upload | None,
    file_type: str | None,
    metadata: Mapping[str, str] | None,
) -> dict[str, str]:
    fields = {"operation": operation, "file_path": file_path}
    if new_path is not None:
        fields["new_path"] = new_path
    if upload is not None:
        fields["size"] = str(upload.size)
    if file_type:
        fields["file_type"] = file_type
    if metadata:
        fields["metadata"] = json.dumps(dict(metadata), sort_keys=True)
    return fields


def _saved(answer: Json, label: str, subject: str) -> Saved:
    if answer.get("status") != "success":
        raise BadAnswer(f"{label}: the answer does not say that it succeeded", subject=subject)
    size = answer.get("size")
    return Saved(
        internal_id=plain_text(answer.get("internal_id"), "internal_id", label, subject),
        size=size if type(size) is int and size >= 0 else None,
        sha256=plain_text(answer.get("sha256"), "sha256", label, subject),
    )


def _check_stored(saved: Saved, upload: Upload, label: str, subject: str) -> None:
    """An upload is confirmed by its size, and by its digest where the server tells it."""
    if not upload.complete:
        raise BadAnswer(f"{label}: answered before it had all of the bytes", subject=subject)
    if saved.size is None:
        raise BadAnswer(f"{label}: the answer does not say how many bytes were stored", subject=subject)
    if saved.size != upload.size:
        raise StoredWrong(f"{label}: {upload.size} bytes were sent, {saved.size} are stored", subject=subject)
    if saved.sha256 is not None and saved.sha256.lower() != upload.sha256:
        raise StoredWrong(f"{label}: the stored bytes have another sha256 than those sent", subject=subject)
