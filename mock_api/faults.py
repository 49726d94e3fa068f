"""Faults on demand: which call is to go wrong, and how."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from starlette.responses import Response

from mock_api.blobs import Incoming
from mock_api.models import Answer, Call

_HTML = "<!doctype html><html><head><title>Gateway</title></head><body><h1>It works!</h1></body></html>"
_ENDPOINTS = ("", "updatePermissions", "saveToDisk", "pubSubFullList", "reportResults", "*")


class Fault(BaseModel):
    """One fault, for calls of `endpoint` ("" is GET /, "*" any), `operation`, `file_path` or `path_prefix`.

    It begins with the `nth` of them from now on, and strikes `times` times (-1: for ever).

    What happens: a `delay` in seconds; then `reset` cuts the connection before or after the call has its effect; or
    `status`, `headers`, `body` (text as it is, other JSON as JSON), `body_b64` or `html` are the answer instead of the
    effect, with `apply` after it; `short_store` keeps only so many bytes, and tells so unless `lie`; `wrong_size` and
    `wrong_sha256` tell untruths about what was stored; `truncate` sends so many bytes of the answer and cuts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str
    operation: str | None = None
    file_path: str | None = None
    path_prefix: str | None = None
    nth: int = Field(default=1, ge=1)
    times: int = Field(default=1, ge=-1)
    status: int | None = Field(default=None, ge=200, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    body_b64: str | None = None
    delay: float = Field(default=0, ge=0, le=3600)
    reset: Literal["before", "after"] | None = None
    short_store: int | None = Field(default=None, ge=0)
    lie: bool = False
    html: bool = False
    wrong_size: bool = False
    wrong_sha256: bool = False
    truncate: int | None = Field(default=None, ge=0)
    apply: bool = False

    @field_validator("endpoint")
    @classmethod
    def _known_endpoint(cls, value: str) -> str:
        name = value.removeprefix("/")
        if name not in _ENDPOINTS:
            raise ValueError(f"one of {', '.join(_ENDPOINTS[1:])}, or / for the root")
        return name

    @field_validator("body_b64")
    @classmethod
    def _decodable(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                base64.b64decode(value, validate=True)
            except binascii.Error:
                raise ValueError("not base64") from None
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.file_path is not None and self.path_prefix is not None:
            raise ValueError("file_path or path_prefix, not both")
        return self

    def matches(self, call: Call) -> bool:
        path = call.file_path or ""
        return (
            self.endpoint in ("*", call.endpoint)
            and self.operation in (None, call.operation)
            and (self.file_path is None or call.file_path == self.file_path)
            and (self.path_prefix is None or path.startswith(self.path_prefix))
        )

    @property
    def stands_in(self) -> bool:
        """The answer comes instead of the effect."""
        return self.has_answer and not self.apply and self.reset != "after"

    @property
    def has_answer(self) -> bool:
        return self.status is not None or self.html or self.body is not None or self.body_b64 is not None

    def answer(self) -> Response:
        """The answer that the fault describes itself."""
        status = self.status or 200
        if self.html:
            return Response(_HTML, status, self.headers, media_type="text/html")
        if self.body_b64 is not None:
            return Response(base64.b64decode(self.body_b64), status, self.headers, media_type="application/json")
        if isinstance(self.body, str):
            return Response(self.body, status, self.headers, media_type="application/json")
        body = {"detail": "a fault that was asked for"} if self.body is None else self.body
        return Response(json.dumps(body), status, self.headers, media_type="application/json")

    def untruth(self, answer: Answer, upload: Incoming | None) -> Answer:
        """The true `answer` as this fault tells it; `upload` is what was received, if anything was."""
        told = dict(answer)
        if self.lie and upload is not None:
            told["size"] = upload.received
            if "sha256" in told:
                told["sha256"] = upload.sha256
        if self.wrong_size and isinstance(told.get("size"), int):
            told["size"] += 1
        if self.wrong_sha256 and "sha256" in told:
            told["sha256"] = "0" * 64
        return told


@dataclass(slots=True)
class _Armed:
    id: int
    fault: Fault
    matched: int = 0
    fired: int = 0

    def takes(self) -> bool:
        """Counts a matching call; whether it is this fault's to spoil."""
        self.matched += 1
        due = self.matched >= self.fault.nth
        return due and (self.fault.times < 0 or self.fired < self.fault.times)


class Faults:
    """The faults that wait for their calls, in the order they were added; one fires per call."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._last = 0

    def add(self, fault: Fault) -> int:
        self._last += 1
        self._armed.append(_Armed(self._last, fault))
        return self._last

    def take(self, call: Call) -> Fault | None:
        """The fault for this call. Every fault that matches counts it, also those that come too late."""
        ready = [armed for armed in self._armed if armed.fault.matches(call) and armed.takes()]
        if not ready:
            return None
        ready[0].fired += 1
        return ready[0].fault

    def listing(self) -> list[dict[str, Any]]:
        return [
            {"id": a.id, "matched": a.matched, "fired": a.fired, "fault": a.fault.model_dump(exclude_defaults=True)}
            for a in self._armed
        ]

    def remove(self, fault_id: int | None = None) -> int:
        """Removes one fault, or all; how many went."""
        kept = [armed for armed in self._armed if fault_id is not None and armed.id != fault_id]
        gone = len(self._armed) - len(kept)
        self._armed = kept
        return gone
