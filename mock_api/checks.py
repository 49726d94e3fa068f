"""From the fields of a form to a checked request, or to the refusal that the contract documents."""

from __future__ import annotations

import json

from mock_api.blobs import Incoming
from mock_api.forms import Form
from mock_api.models import (
    PATH_OPERATIONS,
    SAVE_OPERATIONS,
    UPLOAD_OPERATIONS,
    Blob,
    Call,
    PermissionRequest,
    Problem,
    SaveRequest,
)

PERMISSIONS = "updatePermissions"
SAVE = "saveToDisk"


def permission_call(form: Form, key: str | None) -> Call:
    """The call as faults and counters see it; its operation is `read` or `set`."""
    sets = any(name in form.fields for name in ("permissions", "owner", "group"))
    return Call(PERMISSIONS, "set" if sets else "read", form.fields.get("file_path"), None, key, sets)


def save_call(form: Form, key: str | None) -> Call:
    operation = form.fields.get("operation")
    changes = operation in SAVE_OPERATIONS and operation != "get"
    return Call(SAVE, operation, form.fields.get("file_path"), form.fields.get("new_path"), key, changes)


def permission_request(form: Form) -> PermissionRequest:
    """Raises Problem 400 or 422."""
    fields = form.fields
    path = _path(fields, "file_path")
    return PermissionRequest(path, fields.get("permissions"), fields.get("owner"), fields.get("group"))


def save_request(form: Form, content: Blob | None) -> SaveRequest:
    """`content` is what was put in place for the form's upload. Raises Problem 400 or 422."""
    fields = form.fields
    operation = fields.get("operation", "")
    if operation not in SAVE_OPERATIONS:
        raise Problem(422, f"operation: one of {', '.join(SAVE_OPERATIONS)}")
    file_path = _path(fields, "file_path")
    new_path = _path(fields, "new_path") if operation in PATH_OPERATIONS else None
    if operation in UPLOAD_OPERATIONS:
        _check_size(fields.get("size"), form.upload)
    metadata = _json_text(fields.get("metadata"))
    return SaveRequest(operation, file_path, new_path, fields.get("file_type"), metadata, content)


def uploads(form: Form) -> bool:
    """Whether the form brings content that an operation asks for."""
    return form.upload is not None and form.fields.get("operation") in UPLOAD_OPERATIONS


def _path(fields: dict[str, str], name: str) -> str:
    if name not in fields:
        raise Problem(422, f"{name}: missing")
    if not fields[name]:
        raise Problem(400, f"{name}: empty")
    return fields[name]


def _check_size(size: str | None, upload: Incoming | None) -> None:
    if upload is None:
        raise Problem(422, "file: missing")
    if size is None:
        return
    if not (size.isascii() and size.isdecimal() and len(size) < 20):
        raise Problem(422, "size: not a number of bytes")
    if int(size) != upload.received:
        raise Problem(422, f"size: {size} announced, {upload.received} bytes received")


def _json_text(text: str | None) -> str | None:
    if text is None or text == "":
        return None
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Problem(422, "metadata: not JSON") from None
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
