"""Joins the parts into one FastAPI application."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from mock_api.contract_routes import contract_routes
from mock_api.desk import Desk
from mock_api.mock_routes import mock_routes
from mock_api.models import Call, Problem, Switches


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


def create_app(
    data: Path,
    *,
    now: Callable[[], datetime] = _utc_now,
    new_id: Callable[[], str] = _new_id,
    **switches: Any,
) -> FastAPI:
    """The server over the folder `data`, with the ways of `models.Switches` by name.

    Its parts are at `app.state.desk`; `app.state.desk.close()` frees the folder where no lifespan is run. Raises
    DataFolderUnusable where another server has the folder.
    """
    desk = Desk(data, Switches(**switches), now, new_id)
    guard = [Depends(_bearer(desk.switches.token))] if desk.switches.token else []
    app = FastAPI(
        title="mock API", lifespan=_closing(desk), dependencies=guard, openapi_url=None, docs_url=None, redoc_url=None
    )
    app.state.desk = desk
    app.include_router(contract_routes(desk))
    app.include_router(mock_routes(desk))
    _add_refusals(app, desk)
    return app


def _closing(desk: Desk) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    return lifespan


def _bearer(token: str) -> Callable[[Request], None]:
    expected = f"Bearer {token}".encode()

    async def check(request: Request) -> None:
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if not secrets.compare_digest(given, expected):
            raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})

    return check  # type: ignore[return-value]


def _add_refusals(app: FastAPI, desk: Desk) -> None:
    @app.exception_handler(Problem)
    async def refuse(request: Request, problem: Problem) -> Response:
        response = desk.refusal(problem)
        if not request.url.path.startswith("/_mock/"):
            desk.counters.called(_bare_call(request), response.status_code)
        return response

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, _: ClientDisconnect) -> Response:
        desk.counters.broken_uploads += 1
        desk.counters.called(_bare_call(request), 499)
        return Response(status_code=499)


def _bare_call(request: Request) -> Call:
    return Call(request.url.path.removeprefix("/"), key=request.headers.get("idempotency-key"))
