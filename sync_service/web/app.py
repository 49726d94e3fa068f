"""The status pages as a FastAPI application: /healthz, /readyz, /status, /metrics and a page for people."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sync_service.models.errors import SyncError
from sync_service.models.text import shown
from sync_service.reporting.secrets import Mask
from sync_service.web.guard import LOOPBACK_NAMES, Guard
from sync_service.web.page import views
from sync_service.web.readiness import failures

Status = Callable[[], dict[str, Any]]

_HERE = Path(__file__).parent
_PUBLIC = ("/healthz", "/style.css")
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_app(
    status: Status,
    pings: Mapping[str, Callable[[], Awaitable[None]]],
    metrics: Callable[[], bytes],
    token: str | None = None,
    allowed_hosts: Sequence[str] = LOOPBACK_NAMES,
    *,
    healthy: Callable[[], bool] = lambda: True,
    secrets: Sequence[str] | Mask = (),
    ping_timeout: float = 5.0,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """The status server's application. `status`, `metrics` and `healthy` may block: they are called in threads.

    `status` gives the JSON of the contract (a route may add `errors`, as in a run report); `pings` are the ports', by
    name; `allowed_hosts` the Host names to answer to (`guard.hosts_for`). No answer shows any of `secrets`. With a
    `token`, all but /healthz want it.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, title="S3 Sync Service")
    mask = secrets if isinstance(secrets, Mask) else Mask(secrets)
    mask.learn([token] if token else [])
    _add_probes(app, pings, healthy, ping_timeout, mask)
    _add_status(app, status, metrics, now, mask)
    app.add_exception_handler(SyncError, _expected(mask))
    app.add_middleware(Guard, token=token, hosts=allowed_hosts, public=_PUBLIC)
    return app


def _add_probes(
    app: FastAPI,
    pings: Mapping[str, Callable[[], Awaitable[None]]],
    healthy: Callable[[], bool],
    ping_timeout: float,
    mask: Mask,
) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        well = healthy()
        return _json({"healthy": well}, 200 if well else 503)

    @app.get("/readyz")
    async def readyz() -> Response:
        failed = await failures(pings, ping_timeout)
        reasons = [{"port": name, "reason": mask(reason)} for name, reason in failed.items()]
        ready = [name for name in pings if name not in failed]
        return _json({"ready": not failed, "ok": ready, "failed": reasons}, 503 if failed else 200)


def _add_status(
    app: FastAPI, status: Status, metrics: Callable[[], bytes], now: Callable[[], datetime], mask: Mask
) -> None:
    page = _template("status.html")
    style = (_HERE / "static" / "status.css").read_bytes()

    @app.get("/status")
    def status_json() -> Response:
        return _json(mask.deep(status()))

    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(metrics(), media_type=_METRICS_TYPE)

    @app.get("/style.css")
    def stylesheet() -> Response:
        return Response(style, media_type="text/css")

    @app.get("/")
    def index() -> Response:
        moment = now()
        try:
            known, problem = mask.deep(status()), ""
        except SyncError as error:
            known, problem = {}, mask(shown(error, 1000))
        text = page.render(
            routes=views(known, moment), version=shown(known.get("version") or ""), problem=problem, moment=moment
        )
        return Response(text, 503 if problem else 200, media_type="text/html")


def _template(name: str) -> Any:
    loader = FileSystemLoader(_HERE / "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


def _expected(mask: Mask) -> Callable[[Request, Exception], Response]:
    def answer(_request: Request, error: Exception) -> Response:
        kind = error.kind if isinstance(error, SyncError) else "error"
        return _json({"error": kind, "message": mask(shown(error, 1000))}, 503)

    return answer


def _json(value: object, code: int = 200) -> Response:
    return Response(json.dumps(value), code, media_type="application/json")
