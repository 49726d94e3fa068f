"""config: every setting in force; where some cannot be used, all others, and what is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from sync_service import console
from sync_service.models.config import Setting, SyncConfig
from sync_service.models.environment import Given, read_settings
from sync_service.models.errors import ConfigurationError
from sync_service.reporting.secrets import known

UNUSABLE = "cannot be used"


def show_settings(settings: list[Setting], wrong: ConfigurationError | None, *, as_json: bool) -> int:
    """Prints the settings, and what is wrong with the others. Returns the exit code."""
    told = [{"name": s.name, "value": s.shown_value, "origin": s.origin} for s in settings]
    if as_json:
        console.result(told if wrong is None else {"settings": told, **console.error_json(wrong)})
    else:
        width = max(len(s.name) for s in settings)
        console.lines(f"{s.name:<{width}}  {s.shown_value}  ({s.origin})" for s in settings)
    if wrong is None:
        return 0
    console.error(wrong)
    return int(wrong.exit_code)


def usable_settings() -> list[Setting]:
    """Every setting where the whole of them cannot be used: those that a problem names are marked as unusable."""
    names = [name.upper() for name in SyncConfig.model_fields]
    given = read_settings(os.environ, Path(".env"), names, _secrets()).given
    config, wrong = _without_wrong_ones(given)
    known(config)
    return [_told(setting, given.get(setting.name), setting.name in wrong) for setting in config.sources()]


def _without_wrong_ones(given: Mapping[str, Given]) -> tuple[SyncConfig, set[str]]:
    """What can be made of `given`, and the names of those that were left out for it."""
    wrong: set[str] = set()
    while True:
        left = {name: found.text for name, found in given.items() if name not in wrong}
        try:
            return SyncConfig.from_env(left, None), wrong
        except ConfigurationError as error:
            if not (more := _named(error.problems) & left.keys()):
                raise
            wrong |= more


def _named(problems: Iterable[str]) -> set[str]:
    """The variables that problems name. A value that is shown may look like one, and costs a line of `config` then."""
    return {name for problem in problems for name in re.findall(r"[A-Z][A-Z0-9_]+", problem)}


def _told(setting: Setting, found: Given | None, wrong: bool) -> Setting:
    if found is None:
        return setting
    return replace(setting, shown_value=UNUSABLE if wrong else setting.shown_value, origin=found.origin)


def _secrets() -> list[str]:
    """The variables that may stand in a file of their own."""
    fields = SyncConfig.model_fields.items()
    return [
        name.upper()
        for name, field in fields
        if any(getattr(part, "__origin__", part) is SecretStr for part in get_args(field.annotation))
    ]
