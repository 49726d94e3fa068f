"""Plan files: what a cycle would send, kept so that a later run applies exactly that or says what has changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sync_service import __version__
from sync_service.models.data_models import UPLOADS, Kind, Operation
from sync_service.models.errors import ConfigurationError, StorageFull, SyncError
from sync_service.models.text import shown
from sync_service.services.snapshot_files import storage_error, write_text

KIND = "s3-sync-plan"
FORMAT = 1
KEY_LENGTH = 2_000
_AGAIN = "Make the plan again: plan FILE"


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """One operation as a plan names it: all that the destination would be told. Equal ones have the same effect."""

    operation: str
    file_path: str
    new_path: str | None
    size: int
    etag: str
    version_id: str | None
    permissions: str | None
    owner: str | None
    group: str | None
    file_type: str | None

    @classmethod
    def of(cls, operation: Operation) -> PlannedOperation:
        told = (operation.version_id, operation.permissions, operation.owner, operation.group, operation.file_type)
        kind, path, new_path = str(operation.kind), operation.file_path, operation.new_path
        return cls(kind, path, new_path, operation.size, operation.etag, *(value or None for value in told))

    @property
    def text(self) -> str:
        """For people: `update a.txt (12 bytes, etag 0cc1...)`, escaped."""
        path = shown(self.file_path, KEY_LENGTH)
        paths = path if self.new_path is None else f"{path} -> {shown(self.new_path, KEY_LENGTH)}"
        values = {"permissions": self.permissions, "owner": self.owner, "group": self.group}
        facts = [f"{self.size} bytes, etag {shown(self.etag)}"] if self.operation in UPLOADS else []
        facts += [f"{name} {shown(value)}" for name, value in values.items() if value is not None]
        return f"{self.operation} {paths}" + (f" ({', '.join(facts)})" if facts else "")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a cycle would send, in its order, and the paths of the deletes that the guard would hold."""

    operations: tuple[PlannedOperation, ...]
    held: tuple[str, ...] = ()

    @property
    def lines(self) -> dict[PlannedOperation | str, str]:
        """Everything in it, with its text for people; a held delete is known by its path."""
        told: dict[PlannedOperation | str, str] = {operation: operation.text for operation in self.operations}
        return told | {path: f"delete {shown(path, KEY_LENGTH)} (held)" for path in self.held}


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan and the catalogue and route that it was made for."""

    catalogue_id: str
    route: str
    made_at: str
    preview: Preview

    def require(self, catalogue_id: str, route: str) -> None:
        """Raises ConfigurationError where the plan is for another catalogue or route."""
        if (self.catalogue_id, self.route) != (catalogue_id, route):
            what = f"the plan was made for another catalogue (route {shown(self.route)})"
            raise ConfigurationError(what, hint=_AGAIN)


def require_place(path: Path) -> None:
    """Raises ConfigurationError where a plan cannot be put at `path`: only an older plan is overwritten, or an empty file."""
    if not path.name or path.is_dir():
        raise ConfigurationError(f"the plan cannot be written to {shown(path)}: it is a folder", hint="Name a file")
    try:
        with path.open("rb") as file:
            begins = file.read(200)
    except OSError:
        return
    if begins and f'"kind": "{KIND}"'.encode() not in begins:
        what = f"{shown(path)} is there already, and is no plan"
        raise ConfigurationError(what, hint="Name another file; it was not overwritten")


def write_plan(path: Path, plan: PlanFile) -> None:
    """Writes the plan whole or not at all. Raises ConfigurationError where the path cannot be written."""
    require_place(path)
    content = {
        "kind": KIND,
        "format": FORMAT,
        "version": __version__,
        "catalogue_id": plan.catalogue_id,
        "route": plan.route,
        "made_at": plan.made_at,
        "operations": [asdict(operation) for operation in plan.preview.operations],
        "held_deletes": list(plan.preview.held),
    }
    text = json.dumps({**content, "sha256": _digest(content)}, indent=1)
    try:
        write_text(path, text + "\n")
    except OSError as error:
        if isinstance(problem := storage_error(error, path), StorageFull):
            raise problem from error
        raise ConfigurationError(f"the plan {shown(path)} cannot be written ({error.strerror})") from error


def read_plan(path: Path) -> PlanFile:
    """The plan in `path`. Raises ConfigurationError for one that is damaged, newer than this version, or no plan."""
    content = _content(path)
    if content.get("kind") != KIND:
        raise ConfigurationError(f"{shown(path)} is no plan", hint=_AGAIN)
    if (found := content.get("format")) != FORMAT:
        what = f"{shown(path)} has plan format {shown(found)}, this version knows {FORMAT}"
        raise ConfigurationError(what, hint=f"Use the version that made it. {_AGAIN}")
    if content.pop("sha256", None) != _digest(content):
        raise _damaged(path)
    try:
        return _plan(content)
    except (KeyError, TypeError, ValueError):
        raise _damaged(path) from None


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"the plan {shown(path)} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    return content if isinstance(content, dict) else {}


def _damaged(path: Path) -> SyncError:
    return ConfigurationError(f"{shown(path)} is damaged: it is not what was written", hint=_AGAIN)


def _plan(content: Mapping[str, Any]) -> PlanFile:
    operations = tuple(_operation(values) for values in content["operations"])
    held = tuple(_text(path) for path in content["held_deletes"])
    catalogue_id, route, made_at = (_text(content[name]) for name in ("catalogue_id", "route", "made_at"))
    return PlanFile(catalogue_id, route, made_at, Preview(operations, held))


def _operation(values: Mapping[str, Any]) -> PlannedOperation:
    texts = {field.name: values[field.name] for field in fields(PlannedOperation) if field.name != "size"}
    if not all(value is None or isinstance(value, str) for value in texts.values()):
        raise TypeError("not text")
    return PlannedOperation(**{**texts, "operation": str(Kind(values["operation"])), "size": int(values["size"])})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
