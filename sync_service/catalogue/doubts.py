"""The attempt in doubt, as text in its row: the whole operation, so that it can be repeated as it was."""

import json
from dataclasses import fields

from sync_service.catalogue.stored import stored
from sync_service.models.data_models import Kind, Operation

_NAMES = tuple(f.name for f in fields(Operation))


def encode_operation(operation: Operation) -> str:
    """JSON of the operation's fields in their order."""
    return json.dumps([getattr(operation, name) for name in _NAMES])


def decode_operation(text: str) -> Operation:
    """The operation that `encode_operation` wrote; fields added since take their defaults."""
    return stored(_operation, text)


def _operation(text: str) -> Operation:
    values = dict(zip(_NAMES, json.loads(text), strict=False))
    return Operation(**{**values, "kind": Kind(values["kind"])})
