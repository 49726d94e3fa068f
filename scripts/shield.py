"""What keeps the demo and the local stack from the real servers of this machine: its variables, and what `.env` says."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sync_service.models.config import SyncConfig

_SHIELD = {
    "NO_PROXY": "*",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_FOREIGN = ("AWS_", "MOCK_API_", "MOTO_", "TEST_SERVER_MODE")


def shielded(env: Mapping[str, str]) -> dict[str, str]:
    """`env` without anything that would point a local stack, or boto3, elsewhere."""
    return {**{name: value for name, value in env.items() if not is_foreign(name)}, **_SHIELD}


def is_foreign(name: str) -> bool:
    """Whether a variable could lead to real servers: settings of the service, AWS, proxies."""
    setting = name.upper().removesuffix("_FILE").lower()
    return setting in SyncConfig.model_fields or name.startswith(_FOREIGN) or name.lower().endswith("_proxy")


def alone(settings: Mapping[str, str]) -> dict[str, str]:
    """`settings` and, empty, every other one: an empty variable hides the line of `.env`, and the default is in force."""
    return {**dict.fromkeys(SyncConfig.variables(), ""), **settings}
