"""The wrappings of events: JSON text within bounds, and what SNS and SQS put around it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from sync_service.models.errors import PoisonEvent

MAX_CHARACTERS = 4 * 1024 * 1024
MAX_WRAPS = 4
MAX_DEPTH = 32
_INT_DIGITS, _FLOAT_DIGITS = 40, 400


def _whole(text: str) -> int | float:
    """A whole number; one of absurd length becomes infinity, which no field takes, and harms nothing beside it."""
    return int(text) if len(text) <= _INT_DIGITS else math.inf


def _fraction(text: str) -> float:
    return float(text) if len(text) <= _FLOAT_DIGITS else math.inf


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_fraction)


def load(payload: str | bytes) -> object:
    """The JSON value of a message, or PoisonEvent."""
    if len(payload) > MAX_CHARACTERS:
        raise PoisonEvent(f"message is over {MAX_CHARACTERS} characters long")
    try:
        text = payload if isinstance(payload, str) else payload.decode("utf-8")
        return _DECODER.decode(text.removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise PoisonEvent("message is not UTF-8") from None
    except RecursionError:
        raise PoisonEvent("message is nested too deeply") from None
    except ValueError as problem:
        raise PoisonEvent(f"message is not JSON: {str(problem)[:100]}") from None


def check_depth(value: object) -> None:
    """Refuses a value that is nested deeper than any real event, level by level, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise PoisonEvent("message is nested too deeply")


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def is_sns(value: Mapping[str, object]) -> bool:
    return "Type" in value and ("TopicArn" in value or "Message" in value)


def sns_message(value: Mapping[str, object]) -> str | None:
    """What an SNS notification carries; None for SNS's own messages about subscriptions."""
    kind = value["Type"]
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return None
    if kind != "Notification":
        raise PoisonEvent("SNS message of an unknown Type")
    return _inner(value.get("Message"), "SNS Message")


def is_sqs(value: Mapping[str, object]) -> bool:
    return "Body" in value or "ReceiptHandle" in value


def sqs_body(value: Mapping[str, object]) -> str:
    """What an SQS message carries."""
    return _inner(value.get("Body"), "SQS Body")


def _inner(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise PoisonEvent(f"{name} is missing" if value is None else f"{name} is not text")
    return value
