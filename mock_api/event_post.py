"""Hands events to a mock API over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from mock_api.text import shown

_TIMEOUT = 30


class PostFailed(Exception):
    """The events were not taken; the message says why."""


def post_events(api: str, events: Sequence[dict[str, Any]], token: str | None = None) -> None:
    """Adds `events` to the log of the server at `api`. Raises PostFailed, or ValueError for an `api` that is no URL."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    path = urlsplit(api).path.rstrip("/") + "/_mock/events"
    connection = _connection(api)
    try:
        connection.request("POST", path, json.dumps(list(events)).encode("ascii"), headers)
        answer = connection.getresponse()
        words = answer.read(1000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise PostFailed(f"the mock API at {api} cannot be reached: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise PostFailed(f"{api}{path} answers {answer.status}: {shown(words)}")


def _connection(api: str) -> http.client.HTTPConnection:
    url = urlsplit(api)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"--api: {shown(api)} is no URL such as http://localhost:8001")
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    return kind(url.hostname, url.port, timeout=_TIMEOUT)
