"""Canaries: secrets that nobody can mistake, and the search for the smallest trace of one in everything that is left."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from tests.e2e.product import Ended, Product

BEGIN, END = "qX7kanary", "yranak7Xq"
"""Both ends are looked for by themselves, so that a cut secret is a trace, too."""


def canary(name: str) -> str:
    """A secret with every character that some quoting changes."""
    return f"{BEGIN}-{name}-/+=&<>%\"'~;-{END}"


def _base64_of(marker: str) -> list[bytes]:
    """What every base64 of a text with `marker` in it contains, wherever the marker begins."""
    raw = marker.encode()
    whole = [base64.b64encode(b"\0" * before + raw) for before in range(3)]
    return [text[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6] for before, text in enumerate(whole)]


TRACES = [trace for marker in (BEGIN, END) for trace in (marker.encode(), *_base64_of(marker))]


def traces_in(content: bytes) -> list[str]:
    """The surroundings of each trace of a canary."""
    places = [content.find(trace) for trace in TRACES]
    return [repr(content[max(0, place - 80) : place + 120]) for place in places if place >= 0]


class Watched(Product):
    """A product whose every word is kept for the search."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.said: list[tuple[str, str]] = []

    def run(self, *arguments: str, expect: int | None = None, **changes: str | None) -> Ended:
        ended = super().run(*arguments, expect=expect, **changes)
        self.said.append((" ".join(arguments), ended.said))
        return ended

    def check_words(self, text: str) -> None:
        """Tracebacks are allowed here: they are asked for."""

    def search(self, **more: Any) -> None:
        """No canary in any word, in any file of the working folder, nor in what `more` names."""
        found = {f"words of {name}": traces_in(text.encode("utf-8", "replace")) for name, text in self.said}
        for path in [*_files(self.folder), *_files(self._words)]:
            found[str(path)] = traces_in(path.read_bytes())
        found |= {name: traces_in(str(value).encode("utf-8", "replace")) for name, value in more.items()}
        left = {name: traces for name, traces in found.items() if traces}
        assert not left, left


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
