"""A JSON list split into the texts of its elements, so that they can be kept exactly as they were written."""

from __future__ import annotations

import json

from mock_api.models import Problem

# Numbers are checked for shape only: one of ten thousand digits, or NaN, is an element like any other here.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
_SPACE = " \t\r\n"


def elements(body: bytes) -> list[str]:
    """The elements of the list in `body`, byte for byte. Raises Problem 422 where it is no JSON list."""
    try:
        return _split(body.decode("utf-8"))
    except (ValueError, RecursionError, IndexError):
        raise Problem(422, "the events are not a JSON list; send anything else with ?raw=true") from None


def _split(text: str) -> list[str]:
    place = _after_space(text, 0)
    if text[place] != "[":
        raise ValueError("no list")
    place = _after_space(text, place + 1)
    found: list[str] = []
    while text[place] != "]":
        _, end = _DECODER.raw_decode(text, place)
        found.append(text[place:end])
        place = _after_space(text, end)
        if text[place] == ",":
            place = _after_space(text, place + 1)
        elif text[place] != "]":
            raise ValueError("no comma")
    if text[place + 1 :].strip(_SPACE):
        raise ValueError("something after the list")
    return found


def _after_space(text: str, place: int) -> int:
    while text[place] in _SPACE:
        place += 1
    return place
