"""Secrets taken out of text that leaves the process: log lines, tracebacks, pages."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from sync_service.models.text import shown

MASKED = "***"
_DEPTH = 8


class Mask:
    """Replaces every known secret, also where it was escaped on its way (JSON, URL, HTML, repr), by `***`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        # The longest first: a secret that contains another one must go as a whole.
        parts = [re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))]
        self._pattern = re.compile("|".join(parts)) if parts else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASKED, text) if self._pattern else text

    def deep(self, value: Any, depth: int = _DEPTH) -> Any:
        """`value` (as of JSON) with the secrets taken out of all of its strings, names included."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping) and depth:
            return {self(str(name)): self.deep(one, depth - 1) for name, one in value.items()}
        if isinstance(value, (list, tuple)) and depth:
            return [self.deep(one, depth - 1) for one in value]
        return value if value is None or isinstance(value, (bool, int, float)) else self(str(value))


def _forms(secret: str) -> set[str]:
    """The ways in which `secret` may be written; none for an empty one."""
    written: set[str] = set()
    for raw in {secret, secret.strip()} - {""}:
        # Lone surrogates (bytes of a file that are no UTF-8) can stand in no URL.
        sent = raw.encode("utf-8", "surrogateescape")
        written |= {raw, repr(raw)[1:-1], shown(raw, len(raw)), html.escape(raw), quote_plus(sent)}
        written |= {json.dumps(raw)[1:-1], json.dumps(raw, ensure_ascii=False)[1:-1], quote(sent), quote(sent, safe="")}
    return written - {""}
