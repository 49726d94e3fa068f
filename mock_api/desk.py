"""The desk that every call of the contract passes: fault, idempotency key, effect, answer, journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from mock_api import checks
from mock_api.answers import Told
from mock_api.blobs import BlobFolder, Incoming
from mock_api.connection import CutOff, cut
from mock_api.counters import Counters
from mock_api.database import Database
from mock_api.faults import Fault, Faults
from mock_api.field_server import FieldServer
from mock_api.file_manager import FileManager
from mock_api.forms import Form, reading
from mock_api.models import Answer, Blob, Call, Effect, Problem, Switches
from mock_api.tables import EventTable, FileTable, KeyTable, ReportTable

CUT = 0
"""The status under which the journal holds a call whose connection was cut."""


class Desk:
    """The server's parts, joined; one for each data folder."""

    def __init__(self, data: Path, switches: Switches, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self.switches = switches
        self.now = now
        self.database = Database(data)
        self.files = FileTable(self.database)
        self.events = EventTable(self.database, new_id)
        self.reports = ReportTable(self.database)
        self.keys = KeyTable(self.database, switches.keys_kept)
        self.blobs = BlobFolder(data, self.files.uses, max_size=switches.max_size, sync=switches.sync)
        self.faults = Faults()
        self.counters = Counters(switches.calls_kept)
        self.field = FieldServer(now, new_id)
        self.manager = self.field if switches.field else FileManager(self.files, switches, now, new_id)

    def close(self) -> None:
        self.database.close()

    def count_anew(self) -> None:
        """Counts from nothing; a call that has begun belongs to what was counted before."""
        self.counters = Counters(self.switches.calls_kept)

    def form(self, request: Request) -> AbstractAsyncContextManager[Form]:
        return reading(request, self.blobs.receive)

    async def permissions(self, request: Request, form: Form) -> Response:
        call = checks.permission_call(form, _key(request))
        return await self.serve(
            request, call, lambda: self._json(call, lambda: self.manager.permissions(checks.permission_request(form)))
        )

    async def save(self, request: Request, form: Form) -> Response:
        """One saveToDisk: the content is in place on disk before anything is said or written about it."""
        call = checks.save_call(form, _key(request))
        self.counters.bytes_received += 0 if form.upload is None else form.upload.received
        fault = self.faults.take(call)
        stands_in = fault is not None and (fault.stands_in or fault.reset == "before")
        if form.upload is None or stands_in or not checks.uploads(form):
            return await self._serve(request, call, fault, lambda: self._save(call, form, None))
        blob = await _blob(form.upload, fault)
        with self.blobs.holding(blob):
            await self.blobs.settle(form.upload, blob)
            return await self._serve(request, call, fault, lambda: self._save(call, form, blob), form.upload)

    def _save(self, call: Call, form: Form, blob: Blob | None) -> Response:
        return self._json(call, lambda: self.manager.save(checks.save_request(form, blob)))

    async def serve(self, request: Request, call: Call, answer: Callable[[], Response]) -> Response:
        """Answers one call of any endpoint as its fault, or `answer`, says."""
        return await self._serve(request, call, self.faults.take(call), answer)

    async def _serve(
        self,
        request: Request,
        call: Call,
        fault: Fault | None,
        answer: Callable[[], Response],
        upload: Incoming | None = None,
    ) -> Response:
        counters = self.counters
        try:
            response = await self._faulty(request, fault, answer, upload) if fault else answer()
        except Problem as problem:
            response = self.refusal(problem)
        cut_off = fault is not None and fault.reset is not None
        replay = "idempotency-replayed" in response.headers
        counters.called(call, CUT if cut_off else response.status_code, replay=replay)
        return response

    async def _faulty(
        self, request: Request, fault: Fault, answer: Callable[[], Response], upload: Incoming | None
    ) -> Response:
        self.counters.faults_fired += 1
        if not fault.apply:
            await asyncio.sleep(fault.delay)
        if fault.reset == "before":
            return await cut(request)
        response = fault.answer() if fault.stands_in else answer()
        if fault.apply:
            await asyncio.sleep(fault.delay)
        if fault.reset == "after":
            return await cut(request)
        return _disguised(response, fault, upload)

    def refusal(self, problem: Problem) -> Response:
        """The answer to a request that was wrong, in the way of this server."""
        status = 500 if problem.status in (400, 422) and self.switches.answers_500 else problem.status
        return Told({"detail": problem.detail}, status)

    def _json(self, call: Call, effect: Callable[[], Effect]) -> Response:
        if not call.key or not call.changes or not self.switches.remembers_keys:
            return Told(self._applied(call, effect))
        known = self.keys.find(call.key)
        if known is None:
            return Told(self._applied(call, effect, call.key))
        if known.request != call.fingerprint:
            self.counters.key_conflicts += 1
            raise Problem(422, "Idempotency-Key: it was used for another request")
        self.counters.replays += 1
        return Told(known.answer, headers={"Idempotency-Replayed": "true"})

    def _applied(self, call: Call, effect: Callable[[], Effect], key: str | None = None) -> Answer:
        with self.database.transaction():
            done = effect()
            if key is not None:
                self.keys.remember(key, call.fingerprint, done.answer)
        self.blobs.release(done.freed)
        if done.applied:
            self.counters.applied(call, done.answer)
        return done.answer


def _key(request: Request) -> str | None:
    return request.headers.get("idempotency-key") or None


async def _blob(upload: Incoming, fault: Fault | None) -> Blob:
    if fault is None or fault.short_store is None:
        return Blob(upload.sha256, upload.received)
    return await asyncio.to_thread(upload.shorten, fault.short_store)


def _disguised(response: Response, fault: Fault, upload: Incoming | None) -> Response:
    told = fault.answer() if fault.has_answer else _untrue(response, fault, upload)
    told.headers.update({} if fault.has_answer else fault.headers)
    return told if fault.truncate is None else CutOff(told, fault.truncate)


def _untrue(response: Response, fault: Fault, upload: Incoming | None) -> Response:
    if response.status_code != 200 or not (fault.lie or fault.wrong_size or fault.wrong_sha256):
        return response
    return Told(fault.untruth(json.loads(bytes(response.body)), upload))
