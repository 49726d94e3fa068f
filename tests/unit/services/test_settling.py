"""What is concluded of an attempt in doubt, from what its paths tell: one table for each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sync_service.models.changes import Doubt
from sync_service.models.data_models import Kind, Operation, Outcome, Receipt, Result, Row
from sync_service.models.errors import Temporary
from sync_service.services.settling import Settler


@dataclass
class Answers:
    """A courier that has carried the operation already, or asks a destination that holds these paths."""

    holds: dict[str, Receipt] = field(default_factory=dict)
    carried: Outcome | None = None
    located: Outcome | None = None
    silent: bool = False

    async def carry(self, operation: Operation) -> Outcome:
        assert self.carried is not None, "nothing was to be sent"
        return self.carried

    async def locate(self, operation: Operation) -> Outcome:
        assert self.located is not None, "the paths were not to be asked about"
        return self.located

    async def get(self, path: str) -> Receipt | None:
        if self.silent:
            raise Temporary("no connection")
        return self.holds.get(path)


def doubt(kind: Kind, new_path: str | None = None) -> Doubt:
    return Doubt(Operation(kind, 1, 2, "a", new_path, 3, "e1"), Row(1, "a", 3, "e1", ""))


async def settled(kind: Kind, answers: Answers, *taken: str, new_path: str | None = None) -> Outcome:
    return await Settler(cast(Any, answers)).settle(doubt(kind, new_path), set(taken))


def said(outcome: Outcome) -> tuple[Result, bool, bool]:
    return outcome.result, outcome.certain, outcome.absent


HELD = {"a": Receipt("id-1", 3)}


@pytest.mark.parametrize(
    ("kind", "holds", "taken", "result", "certain", "absent"),
    [
        (Kind.DELETE, HELD, (), Result.NOT_DONE, True, False),
        (Kind.DELETE, {}, (), Result.DONE, True, True),
        (Kind.DELETE, HELD, ("a",), Result.DONE, True, True),
        (Kind.CHANGE_PERMISSION, HELD, (), Result.DONE, False, False),
        (Kind.CHANGE_PERMISSION, {}, (), Result.MISSING, False, True),
        (Kind.CHANGE_PERMISSION, HELD, ("a",), Result.MISSING, False, True),
    ],
)
async def test_what_stays_at_its_path(
    kind: Kind, holds: dict[str, Receipt], taken: tuple[str, ...], result: Result, certain: bool, absent: bool
) -> None:
    """A delete is done where the path is gone; which permissions hold nobody says. A path of another row is not ours."""
    assert said(await settled(kind, Answers(holds), *taken)) == (result, certain, absent)


@pytest.mark.parametrize(
    ("holds", "taken", "result", "absent"),
    [
        (HELD, ("b",), Result.NOT_DONE, False),
        ({}, ("b",), Result.MISSING, True),
        (HELD, ("a", "b"), Result.MISSING, True),
    ],
)
async def test_a_path_change_to_a_path_of_another_row(
    holds: dict[str, Receipt], taken: tuple[str, ...], result: Result, absent: bool
) -> None:
    """It did not arrive there; whether it is still where it was is asked, unless that is another row's, too."""
    outcome = await settled(Kind.RENAME, Answers(holds), *taken, new_path="b")
    assert said(outcome) == (result, True, absent)


async def test_a_path_change_is_looked_for_on_both_its_paths() -> None:
    """What the courier finds there is the answer."""
    found = Outcome(doubt(Kind.RENAME, "b").operation, Result.DONE, Receipt("id-1"))
    assert await settled(Kind.RENAME, Answers(located=found), new_path="b") is found


def carried(result: Result, error_kind: str | None = None) -> Outcome:
    return Outcome(doubt(Kind.UPDATE).operation, result, error_kind=error_kind)


@pytest.mark.parametrize("result", [Result.DONE, Result.UNKNOWN, Result.STORED_WRONG])
async def test_an_upload_that_was_repeated_is_as_it_ended(result: Result) -> None:
    """Under its own key it is the same effect."""
    outcome = carried(result)
    assert await settled(Kind.UPDATE, Answers(carried=outcome)) is outcome


async def test_an_upload_that_could_not_be_repeated_stays_in_doubt() -> None:
    """Not sent now is no answer to whether it was stored before."""
    assert said(await settled(Kind.UPDATE, Answers(carried=carried(Result.NOT_DONE)))) == (Result.UNKNOWN, True, False)


@pytest.mark.parametrize(
    ("ended", "holds", "result", "certain", "absent"),
    [
        (carried(Result.SOURCE_MOVED), HELD, Result.DONE, False, False),
        (carried(Result.REFUSED), HELD, Result.DONE, False, False),
        (carried(Result.UNKNOWN, "source_moved"), HELD, Result.DONE, False, False),
        (carried(Result.SOURCE_MOVED), {}, Result.MISSING, True, True),
        (carried(Result.MISSING), {}, Result.MISSING, True, True),
    ],
)
async def test_an_upload_whose_version_is_gone(
    ended: Outcome, holds: dict[str, Receipt], result: Result, certain: bool, absent: bool
) -> None:
    """What is held now is asked for: something of unknown bytes, or nothing."""
    outcome = await settled(Kind.UPDATE, Answers(holds, ended))
    assert said(outcome) == (result, certain, absent)
    assert outcome.receipt == (HELD["a"] if holds else Receipt())


async def test_an_upload_to_a_path_of_another_row_is_forgotten() -> None:
    """Nothing is sent there, and nobody has said that the path is empty."""
    assert said(await settled(Kind.CREATE, Answers(HELD), "a")) == (Result.MISSING, True, False)


@pytest.mark.parametrize("kind", [Kind.DELETE, Kind.CHANGE_PERMISSION])
async def test_without_an_answer_the_doubt_stays(kind: Kind) -> None:
    """With the words of what went wrong."""
    outcome = await settled(kind, Answers(silent=True))
    assert (outcome.result, outcome.error_kind, outcome.error) == (Result.UNKNOWN, "temporary", "no connection")
