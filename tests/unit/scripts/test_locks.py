"""The locks name every extra that is asked for: without it, an older pip takes the newest release, not the locked one."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ["requirements.txt", "requirements-dev.txt"]


def locked(name: str) -> dict[str, Requirement]:
    """Canonical name -> the requirement that the lock has for it."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pins = [Requirement(line.removesuffix("\\")) for line in lines if line and line[0] not in " #"]
    return {canonicalize_name(pin.name): pin for pin in pins}


def asked_for(pin: Requirement) -> list[Requirement]:
    """What a locked package asks for here; nothing where it is not installed (a lock serves all platforms)."""
    try:
        wanted = [Requirement(line) for line in requires(pin.name) or []]
    except PackageNotFoundError:
        return []
    extras = [*pin.extras, ""]
    return [w for w in wanted if w.marker is None or any(w.marker.evaluate({"extra": extra}) for extra in extras)]


@pytest.mark.parametrize("name", LOCKS)
def test_every_extra_that_is_asked_for_is_locked(name: str) -> None:
    """Whatever a locked package asks for is locked with the same extras, so any pip finds the locked release alone."""
    pins = locked(name)
    missing = {
        f"{pin.name} asks for {wanted}"
        for pin in pins.values()
        for wanted in asked_for(pin)
        if not wanted.extras <= pins[canonicalize_name(wanted.name)].extras
    }
    assert not missing
