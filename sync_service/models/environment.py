"""Where settings come from: the environment, a `.env` file, and for secrets a file of their own."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sync_service.models.text import shown

_OURS = ("CUSTOMER_S3_", "TARGET_S3_")
_LIKELY_OURS = (*_OURS, "SYNC_", "STATUS_", "SNAPSHOT_", "MOCK_API_", "FILE_MANAGER_API_")
_CLOSE = 0.85
_SECRET_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """The text of one variable and where it was found; `file` where it is a file that holds nothing else."""

    text: str
    origin: str
    file: Path | None = None


@dataclass(slots=True)
class Reading:
    """Every variable that is set, by name, and the problems met on the way."""

    given: dict[str, Given] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_settings(
    env: Mapping[str, str], dotenv: Path | None, known: Collection[str], secrets: Collection[str]
) -> Reading:
    """The variables of `known`, environment before `.env`, secrets also from the file that `NAME_FILE` names.

    An empty text is as good as none. Names that look like misspelt ones are problems.
    """
    reading = Reading()
    from_file = _read_dotenv(dotenv, reading.problems) if dotenv is not None else {}
    origins = {**dict.fromkeys(from_file, str(dotenv)), **dict.fromkeys(env, "environment")}
    texts = {**from_file, **env}
    for name in known:
        if text := texts.get(name):
            reading.given[name] = Given(text, origins[name])
    for name in secrets:
        _read_secret_file(name, texts.get(f"{name}_FILE"), reading)
    allowed = {*known, *(f"{name}_FILE" for name in secrets)}
    ours = [
        name for name in env if name.upper().startswith(_LIKELY_OURS) or any(_one_slip(name, own) for own in allowed)
    ]
    reading.problems += _misspelt(ours, allowed)
    reading.problems += _misspelt(from_file.keys() - env.keys(), allowed)
    return reading


def _read_dotenv(path: Path, problems: list[str]) -> dict[str, str]:
    """The lines of the file as written: nothing is substituted in them, so that no secret changes its value."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be read ({_reason(error)}), expected a text file of lines NAME=value")
        return {}
    return _parse(text, path, problems)


def _parse(text: str, path: Path, problems: list[str]) -> dict[str, str]:
    import io

    from dotenv.parser import parse_stream

    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(f"{path}, line {binding.original.line}: expected NAME=value")
        elif binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    return found


def _read_secret_file(name: str, path: str | None, reading: Reading) -> None:
    if not path:
        return
    if name in reading.given:
        reading.problems.append(f"{name} and {name}_FILE are both set, expected one of them")
        return
    try:
        text = secret_text(Path(path.strip()))
    except (OSError, ValueError) as error:
        reading.problems.append(
            f"{name}_FILE={shown(path)}: {_reason(error)}, expected the path of a readable text file"
        )
        return
    if text:
        reading.given[name] = Given(text, f"file {path.strip()} ({name}_FILE)", Path(path.strip()))
    else:
        reading.problems.append(f"{name}_FILE={shown(path)}: the file is empty, expected the secret in it")


def secret_text(path: Path) -> str:
    """The secret in a file, without the end of its line. Raises OSError, ValueError."""
    with path.open("rb") as file:
        content = file.read(_SECRET_LIMIT + 1)
    if len(content) > _SECRET_LIMIT:
        raise ValueError("the file is too large for a secret")
    text = content.decode("utf-8")
    return text.removesuffix("\n").removesuffix("\r")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def _misspelt(names: Iterable[str], allowed: Collection[str]) -> list[str]:
    """One line for each name that is none of ours but was surely meant to be."""
    return [problem for name in sorted(names) if name not in allowed and (problem := _unknown(name, allowed))]


def _one_slip(name: str, ours: str) -> bool:
    """Whether one letter more, less, other, or changing places with the next makes `name` ours.

    No more than one: DATABASE_PASS and MAX_ENTRIES are two away, LOGLEVEL has other words, and all are others' own.
    """
    if name.count("_") != ours.count("_"):
        return False
    at = next(
        (place for place, (a, b) in enumerate(zip(name, ours, strict=False)) if a != b), min(len(name), len(ours))
    )
    left, right = name[at:], ours[at:]
    swapped = left[:2] == right[:2][::-1] and left[2:] == right[2:]
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]


def _unknown(name: str, allowed: Collection[str]) -> str | None:
    plain = name.upper().removesuffix("_FILE")
    if name.endswith("_FILE") and plain in allowed:
        return f"{name}: unknown variable, {plain} is no secret and is set directly"
    close = difflib.get_close_matches(name.upper(), allowed, n=1, cutoff=_CLOSE)
    if close:
        return f"{shown(name)}: unknown variable, did you mean {close[0]}?"
    return f"{shown(name)}: unknown variable, see .env.example for those there are" if name.startswith(_OURS) else None
