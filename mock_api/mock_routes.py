"""The endpoints under `/_mock/`: a window into the server's memory, and levers, for tests and demos."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from pydantic import TypeAdapter, ValidationError

from mock_api.answers import Told
from mock_api.contract_routes import listed, small_body
from mock_api.desk import Desk
from mock_api.faults import Fault
from mock_api.json_list import elements
from mock_api.models import Problem, StoredFile

_FAULTS = TypeAdapter(list[Fault])
_PARTS = ("files", "events", "reports", "keys", "faults", "counters")


def mock_routes(desk: Desk) -> APIRouter:
    """All of `/_mock/`."""
    router = APIRouter(prefix="/_mock")
    _add_files(router, desk)
    _add_events(router, desk)
    _add_faults(router, desk)
    _add_memory(router, desk)
    return router


def _add_files(router: APIRouter, desk: Desk) -> None:
    @router.get("/files")
    async def files() -> Response:
        return Told([_file_json(file) for file in desk.files.listing()])

    @router.get("/content")
    async def content(file_path: str) -> Response:
        file = _existing(desk, file_path)
        return FileResponse(desk.blobs.path(file.sha256), media_type="application/octet-stream")

    @router.get("/permissions")
    async def permissions(file_path: str | None = None) -> Response:
        if file_path is not None:
            return Told(_permission_json(_existing(desk, file_path)))
        return Told([_permission_json(file) for file in desk.files.listing()])


def _add_events(router: APIRouter, desk: Desk) -> None:
    @router.post("/events")
    async def add(request: Request, raw: bool = False, times: int = 1) -> Response:
        body = await small_body(request)
        if raw:
            text = base64.b64encode(body).decode("ascii")
            return Told({"fault": desk.faults.add(_fault(endpoint="pubSubFullList", body_b64=text, times=times))})
        return Told({"added": desk.events.add(elements(body))})

    @router.get("/events")
    async def show() -> Response:
        return listed(desk.events.texts(), total_count=desk.events.total())


def _add_faults(router: APIRouter, desk: Desk) -> None:
    @router.post("/faults")
    async def add(request: Request) -> Response:
        wanted = await _json_body(request)
        try:
            faults = _FAULTS.validate_python(wanted if isinstance(wanted, list) else [wanted])
        except ValidationError as error:
            raise Problem(422, _complaint(error)) from None
        return Told({"ids": [desk.faults.add(fault) for fault in faults]})

    @router.get("/faults")
    async def show() -> Response:
        return Told(desk.faults.listing())

    @router.delete("/faults")
    async def remove_all() -> Response:
        return Told({"removed": desk.faults.remove()})

    @router.delete("/faults/{fault_id}")
    async def remove(fault_id: int) -> Response:
        return Told({"removed": desk.faults.remove(fault_id)})


def _add_memory(router: APIRouter, desk: Desk) -> None:
    @router.get("/counters")
    async def counters(calls: int | None = None) -> Response:
        return Told(desk.counters.as_json(calls))

    @router.get("/effects")
    async def effects() -> Response:
        return Told(desk.counters.effects())

    @router.get("/reports")
    async def reports() -> Response:
        return Told([json.loads(text) for text in desk.reports.texts()])

    @router.post("/reset")
    async def reset(request: Request) -> Response:
        wanted = await _json_body(request)
        parts = wanted.get("parts", _PARTS) if isinstance(wanted, dict) else _PARTS
        unknown = [part for part in parts if part not in _PARTS]
        if unknown:
            raise Problem(422, f"parts: some of {', '.join(_PARTS)}")
        for part in parts:
            _reset(desk, part)
        return Told({"reset": list(parts)})


def _reset(desk: Desk, part: str) -> None:
    clear: dict[str, Callable[[], object]] = {
        "files": desk.files.clear,
        "events": desk.events.clear,
        "reports": desk.reports.clear,
        "keys": desk.keys.clear,
        "faults": desk.faults.remove,
        "counters": desk.count_anew,
    }
    clear[part]()
    if part == "files":
        desk.blobs.release_all()


async def _json_body(request: Request) -> Any:
    body = await small_body(request)
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(422, "the body is not JSON") from None


def _fault(**wanted: Any) -> Fault:
    try:
        return Fault(**wanted)
    except ValidationError as error:
        raise Problem(422, _complaint(error)) from None


def _complaint(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())


def _existing(desk: Desk, file_path: str) -> StoredFile:
    file = desk.files.find(file_path)
    if file is None:
        raise Problem(404, "file_path: no such file")
    return file


def _file_json(file: StoredFile) -> dict[str, Any]:
    shape = dataclasses.asdict(file)
    return {**shape, "metadata": None if file.metadata is None else json.loads(file.metadata)}


def _permission_json(file: StoredFile) -> dict[str, Any]:
    return {name: getattr(file, name) for name in ("file_path", "permissions", "owner", "group")}
