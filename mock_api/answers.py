"""JSON answers in ASCII, so that also half a surrogate pair in somebody's metadata can be told."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


class Told(JSONResponse):
    """Like JSONResponse, with everything beyond ASCII as escapes."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")
