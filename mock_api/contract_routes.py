"""The endpoints of the contract: form and query in, the desk's answer out."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mock_api.answers import Told
from mock_api.desk import Desk
from mock_api.models import Call, Problem, iso

_EVENTS_DEFAULT = 100
_REPORT_LIMIT = 64 << 20


def contract_routes(desk: Desk) -> APIRouter:
    """CONTRACT.md, section 1."""
    router = APIRouter()

    @router.get("/")
    async def root(request: Request) -> Response:
        hello = {"message": "mock API of the file manager", "timestamp": iso(desk.now())}
        return await desk.serve(request, Call(""), lambda: Told(hello))

    @router.post("/updatePermissions")
    async def update_permissions(request: Request) -> Response:
        async with desk.form(request) as form:
            return await desk.permissions(request, form)

    @router.post("/saveToDisk")
    async def save_to_disk(request: Request) -> Response:
        async with desk.form(request) as form:
            return await desk.save(request, form)

    @router.get("/pubSubFullList")
    async def events(request: Request) -> Response:
        query = request.query_params
        call = Call("pubSubFullList")
        return await desk.serve(request, call, lambda: _events(desk, query.get("count"), query.get("after")))

    @router.post("/reportResults")
    async def report(request: Request) -> Response:
        body = await small_body(request)
        return await desk.serve(request, Call("reportResults"), lambda: _report(desk, body))

    return router


async def small_body(request: Request) -> bytes:
    """The body of a request that is not an upload. Raises Problem 413."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _REPORT_LIMIT:
            raise Problem(413, "the body is too large")
    return bytes(body)


def listed(texts: Sequence[str], **rest: object) -> Response:
    """A JSON object with `events` as the texts are, valid or not, and `rest`."""
    # The texts go out as they came in, so they are joined and not encoded a second time.
    head = '{"events":[' + ",".join(texts) + "]"
    tail = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in rest.items())
    return Response(f"{head}{tail}}}", media_type="application/json")


def _events(desk: Desk, count: str | None, after: str | None) -> Response:
    number = _count(count)
    times = iso(desk.now())
    if desk.switches.field:
        told = desk.field.events(number)
        return listed(told, total_count=len(told), generated_at=times)
    total = desk.events.total()
    if desk.switches.no_cursor:
        return listed(desk.events.newest(number), total_count=total, generated_at=times)
    page = desk.events.page(after, number)
    place = {"next_cursor": page.cursor, "has_more": page.has_more}
    return listed(page.texts, total_count=total, generated_at=times, **place)


def _count(text: str | None) -> int:
    if text is None:
        return _EVENTS_DEFAULT
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 3 and 1 <= int(text) <= 100):
        raise Problem(400, "count: a number from 1 to 100")
    return int(text)


def _report(desk: Desk, body: bytes) -> Response:
    try:
        report = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(422, "the report is not JSON") from None
    if not isinstance(report, dict):
        raise Problem(422, "the report is not a JSON object")
    desk.reports.add(body.decode("utf-8"))
    return Told({"status": "received", "message": "report stored", "timestamp": iso(desk.now())})
