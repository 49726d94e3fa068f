"""All attempts of one operation: how each way to end is told, and what each attempt sends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync_service.models.data_models import Kind, ObjectInfo, Operation, Result
from sync_service.models.errors import (
    Denied,
    NotAtDestination,
    OutcomeUnknown,
    PathTaken,
    Refused,
    Renewed,
    SourceMoved,
    StoredWrong,
    SyncError,
    Temporary,
    Throttled,
    Unreachable,
    Unreadable,
)
from sync_service.services.courier import Courier, filled, idempotency_key
from sync_service.services.retry import Halt, RetryPolicy
from tests.fakes.destination import FakeDestination, Stored
from tests.fakes.source import FakeSource

UNKNOWN = OutcomeUnknown("no answer")


class Case:
    """A courier between two fakes; `a` is in the source, `old` at the destination."""

    def __init__(self, retries: int = 0, memory: bool = False) -> None:
        self.source, self.destination, self.halt = FakeSource(), FakeDestination(memory=memory), Halt()
        self.info = self.source.put("a", b"one", {"permissions": "600"})
        self.destination.files["old"] = Stored(b"old", None, None, None, "id-old")
        policy = RetryPolicy(retries, 0, self.halt)
        self.courier = Courier(self.source, self.destination, policy, lambda o: idempotency_key("id", "route", o))

    def upload(self, kind: Kind = Kind.CREATE) -> Operation:
        return Operation(kind, 1, 1, "a", size=3, etag=self.info.etag)

    @staticmethod
    def rename(old: str = "old", new: str = "new", size: int = 3) -> Operation:
        return Operation(Kind.RENAME, 2, 1, old, new, size)

    @staticmethod
    def told(kind: Kind, path: str = "old") -> Operation:
        return Operation(kind, 2, 1, path, permissions="644" if kind is Kind.CHANGE_PERMISSION else None)

    def operation(self, word: str) -> Operation:
        return {
            "create": self.upload(),
            "update": self.upload(Kind.UPDATE),
            "rename": self.rename(),
            "permissions": self.told(Kind.CHANGE_PERMISSION),
            "delete": self.told(Kind.DELETE),
        }[word]


# ---------------------------------------------------------------- done


@pytest.mark.parametrize(
    ("word", "effects"),
    [
        ("create", ["create a"]),
        ("rename", ["rename old -> new"]),
        ("permissions", ["change_permission old"]),
        ("delete", ["delete old"]),
    ],
)
async def test_done_at_the_first_attempt(word: str, effects: list[str]) -> None:
    """One call, one effect."""
    case = Case()
    outcome = await case.courier.carry(case.operation(word))
    assert (outcome.result, outcome.attempts, outcome.error_kind) == (Result.DONE, 1, None)
    assert case.destination.effects == effects


async def test_an_upload_tells_what_its_headers_said() -> None:
    """The headers of the answer whose bytes were sent come back with the outcome, with the bytes that went out."""
    case = Case()
    outcome = await case.courier.carry(case.upload())
    assert outcome.info == case.info
    assert (outcome.sent_bytes, outcome.operation.permissions, outcome.operation.file_type) == (3, "600", "text/plain")


@pytest.mark.parametrize(
    "error", [Unreachable("no"), Throttled("slow"), UNKNOWN, Temporary("not now"), StoredWrong("x")]
)
async def test_temporary_errors_are_repeated_under_the_same_key(error: Temporary) -> None:
    """Each attempt opens the object anew; all carry one key."""
    case = Case(retries=3)
    case.destination.fail(error, times=2)
    outcome = await case.courier.carry(case.upload())
    assert (outcome.result, outcome.attempts) == (Result.DONE, 3)
    assert [call for call, _ in case.source.calls] == ["open"] * 3
    assert len({key for _, key in case.destination.calls}) == 1


# ---------------------------------------------------------------- not done


@pytest.mark.parametrize("error", [Throttled("slow"), Renewed("a new token"), Denied("not you")])
async def test_bytes_that_left_in_vain_leave_no_doubt(error: SyncError) -> None:
    """A server that has read the body and then says that it took nothing is believed."""
    case = Case()
    case.destination.fail(error, applied=True)
    assert (await case.courier.carry(case.upload())).result is Result.NOT_DONE


ENDS = [
    (Refused("no", status=422), Result.REFUSED),
    (Denied("not you"), Result.NOT_DONE),
    (Unreachable("no connection"), Result.NOT_DONE),
    (Throttled("slow down"), Result.NOT_DONE),
    (Renewed("a new token"), Result.NOT_DONE),
    (UNKNOWN, Result.UNKNOWN),
    (StoredWrong("other bytes"), Result.STORED_WRONG),
]


@pytest.mark.parametrize(("error", "result"), ENDS)
@pytest.mark.parametrize("word", ["create", "rename", "permissions", "delete"])
async def test_each_error_of_the_destination_has_its_result(word: str, error: SyncError, result: Result) -> None:
    """Refused is final, unknown stays in doubt, what was certainly not applied is not."""
    case = Case()
    case.destination.fail(error, times=9)
    outcome = await case.courier.carry(case.operation(word))
    assert (outcome.result, outcome.error_kind, outcome.error) == (result, error.kind, str(error))


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Temporary("not now"), Result.NOT_DONE),
        (Denied("not you"), Result.NOT_DONE),
        (Unreadable("archived"), Result.REFUSED),
        (SourceMoved("gone"), Result.SOURCE_MOVED),
    ],
)
async def test_each_error_of_the_source_has_its_result(error: SyncError, result: Result) -> None:
    """Nothing was sent, so nothing is in doubt."""
    case = Case()
    case.source.fail("open", error)
    outcome = await case.courier.carry(case.upload())
    assert (outcome.result, case.destination.calls) == (result, [])


async def test_another_version_is_no_failure() -> None:
    """The pin refuses it: the source has moved on."""
    case = Case()
    operation = case.upload()
    case.source.put("a", b"two")
    assert (await case.courier.carry(operation)).result is Result.SOURCE_MOVED


@pytest.mark.parametrize("last", [Unreachable("no connection"), Denied("not you"), Temporary("not now")])
async def test_one_unknown_attempt_leaves_the_outcome_unknown(last: SyncError) -> None:
    """What may have been applied stays in doubt, whatever the later attempts say."""
    case = Case(retries=1)
    case.destination.fail(UNKNOWN, applied=True)
    case.destination.fail(last, nth=1, times=9)
    assert (await case.courier.carry(case.operation("permissions"))).result is Result.UNKNOWN


async def test_a_source_that_moves_after_an_unknown_attempt() -> None:
    """The upload may stand at the destination: in doubt, with the source's error as its reason."""
    case = Case(retries=1)
    case.destination.fail(UNKNOWN, applied=True)
    operation = case.upload()
    opened = []
    case.source.before = lambda *_: (opened.append(1), len(opened) == 2 and case.source.put("a", b"two"))  # type: ignore[assignment, func-returns-value]
    outcome = await case.courier.carry(operation)
    assert (outcome.result, outcome.error_kind) == (Result.UNKNOWN, SourceMoved.kind)


@pytest.mark.parametrize("last", [Refused("no", status=422), Unreachable("no connection"), Denied("not you")])
async def test_wrong_bytes_leave_the_outcome_unknown(last: SyncError) -> None:
    """What the destination holds since the first attempt is not what it held before, whatever the later ones say."""
    case = Case(retries=1)
    case.destination.fail(StoredWrong("other bytes"))
    case.destination.fail(last, nth=1, times=9)
    assert (await case.courier.carry(case.upload())).result is Result.UNKNOWN


async def test_a_body_that_breaks_off_may_have_been_applied() -> None:
    """Its bytes had begun to leave."""
    case = Case()
    case.source.cut("a", 1)
    assert (await case.courier.carry(case.upload())).result is Result.UNKNOWN


async def test_a_refusal_does_not_end_the_doubt_of_earlier_attempts() -> None:
    """The file of the attempt without an answer may stand there: forgotten, it would stay for ever once the object is deleted."""
    case = Case(retries=1)
    case.destination.fail(UNKNOWN, applied=True)
    case.destination.fail(Refused("no", status=422), nth=1, times=9)
    outcome = await case.courier.carry(case.upload())
    assert (outcome.result, outcome.error_kind) == (Result.UNKNOWN, "refused")


@pytest.mark.parametrize("word", ["update", "permissions"])
async def test_a_path_that_the_destination_has_lost(word: str) -> None:
    """404 to an update or a change of permissions: the row has to be sent whole."""
    case = Case()
    case.destination.files.clear()
    assert (await case.courier.carry(case.operation(word))).result is Result.MISSING


async def test_a_halt_sends_nothing() -> None:
    """Once it is set no attempt is made, and the outcome says so."""
    case = Case()
    case.halt.set("told to stop")
    outcome = await case.courier.carry(case.upload())
    assert (outcome.result, outcome.attempts, outcome.error_kind, outcome.error) == (
        Result.NOT_DONE, 0, "halted", "told to stop",
    )  # fmt: skip


# ---------------------------------------------------------------- settled by get


async def test_a_delete_of_what_is_gone_is_done() -> None:
    """404 to a delete: the path is not there, which is what was wanted."""
    case = Case(retries=1)
    case.destination.fail(UNKNOWN, applied=True)
    outcome = await case.courier.carry(case.operation("delete"))
    assert (outcome.result, outcome.attempts) == (Result.DONE, 2)


async def test_a_rename_that_was_applied_without_an_answer() -> None:
    """A server without a memory says 404 to the repetition; the file is at the new path with its size: done."""
    case = Case(retries=1)
    case.destination.fail(UNKNOWN, applied=True)
    outcome = await case.courier.carry(case.rename())
    assert (outcome.result, outcome.certain, outcome.attempts) == (Result.DONE, True, 2)


@pytest.mark.parametrize(
    ("files", "result", "certain"),
    [
        pytest.param({"new": b"xyz"}, Result.DONE, False, id="there without an attempt of ours"),
        pytest.param({"new": b"other"}, Result.DONE, False, id="there with another size"),
        pytest.param({}, Result.MISSING, True, id="on neither path"),
    ],
)
async def test_a_rename_that_is_answered_with_404(files: dict[str, bytes], result: Result, certain: bool) -> None:
    """Where it stands is asked of both paths; bytes that nobody has seen move are not known."""
    case = Case()
    case.destination.files = {path: Stored(body, None, None, None, path) for path, body in files.items()}
    outcome = await case.courier.carry(case.rename())
    assert (outcome.result, outcome.certain) == (result, certain)


async def test_a_rename_whose_404_is_not_true_is_refused() -> None:
    """The file is at the old path all the same: the server's no is final."""
    case = Case()
    case.destination.fail(NotAtDestination("no such path", status=404))
    outcome = await case.courier.carry(case.rename())
    assert (outcome.result, outcome.error_kind) == (Result.REFUSED, "not_at_destination")


async def test_a_rename_whose_paths_cannot_be_asked_stays_in_doubt() -> None:
    """No answer to `get`, no knowledge."""
    case = Case()
    case.destination.fail(NotAtDestination("no such path", status=404))
    case.destination.fail(UNKNOWN, kind="get", times=2)
    assert (await case.courier.carry(case.rename())).result is Result.UNKNOWN


async def test_a_stranger_at_the_new_path_gives_way() -> None:
    """What no row of ours holds does not stop a rename, as it would not stop a create."""
    case = Case(memory=True)
    case.destination.files["new"] = Stored(b"stranger", None, None, None, "id-stranger")
    assert (await case.courier.carry(case.rename())).result is Result.DONE
    assert case.destination.contents == {"new": b"old"}
    assert len({key for _, key in case.destination.calls}) == 2


async def test_nothing_gives_way_to_a_rename_that_was_applied() -> None:
    """409 with the old path empty: what is at the new path is the file itself, and it is not deleted."""
    case = Case()
    case.destination.files = {"new": Stored(b"old", None, None, None, "id-old")}
    case.destination.fail(PathTaken("taken", status=409))
    outcome = await case.courier.carry(case.rename())
    assert (outcome.result, case.destination.contents) == (Result.DONE, {"new": b"old"})


async def test_a_409_where_nothing_is_in_the_way_is_the_refusal() -> None:
    """Its words are told, not those of the delete that was to make room."""
    case = Case()
    case.destination.fail(PathTaken("renames are switched off", status=409), kind="rename", times=9)
    case.destination.fail(NotAtDestination("no such path", status=404), kind="delete", times=9)
    outcome = await case.courier.carry(case.rename())
    assert (outcome.result, outcome.error_kind, outcome.error) == (
        Result.REFUSED,
        "path_taken",
        "renames are switched off",
    )


@pytest.mark.parametrize("word", ["create", "permissions"])
async def test_409_to_anything_else_is_a_refusal(word: str) -> None:
    """Only a rename or a move has a new path that could be freed."""
    case = Case()
    case.destination.fail(PathTaken("taken", status=409))
    assert (await case.courier.carry(case.operation(word))).result is Result.REFUSED


async def test_a_rename_that_arrives_while_it_is_looked_for_is_found() -> None:
    """The call of a process that has died may be under way still: it is never taken for gone from both paths."""
    case = Case()

    def arrives(kind: str, path: str) -> None:
        if kind == "get" and path == "old":
            case.destination.files = {"new": Stored(b"old", None, None, None, "id-old")}

    case.destination.on_call = arrives
    assert (await case.courier.locate(case.rename())).result is Result.DONE


@pytest.mark.parametrize(
    ("files", "result"),
    [({"old": b"old"}, Result.NOT_DONE), ({"new": b"old"}, Result.DONE), ({}, Result.MISSING)],
)
async def test_locate_finds_where_a_rename_stands(files: dict[str, bytes], result: Result) -> None:
    """By `get` on both paths, the old one first."""
    case = Case()
    case.destination.files = {path: Stored(body, None, None, None, path) for path, body in files.items()}
    assert (await case.courier.locate(case.rename())).result is result


# ---------------------------------------------------------------- keys and attributes


def test_one_effect_has_one_key() -> None:
    """The same for each attempt; the revision stands for the bytes."""
    operation = Operation(Kind.UPDATE, 1, 1, "a", etag="e")
    assert idempotency_key("id", "r", operation) == idempotency_key(
        "id", "r", replace(operation, size=9, version_id="v")
    )


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Kind.CREATE}, {"row_id": 2}, {"revision": 2}, {"file_path": "b"}, {"new_path": "c"},
        {"permissions": "600"}, {"owner": "me"}, {"group": "us"}, {"file_type": "image/png"},
    ],
)  # fmt: skip
def test_another_effect_has_another_key(change: dict[str, object]) -> None:
    """Another kind, row, revision, path or attribute is another effect; so is another catalogue or route."""
    operation = Operation(Kind.UPDATE, 1, 1, "a")
    key = idempotency_key("id", "r", operation)
    assert idempotency_key("id", "r", replace(operation, **change)) != key  # type: ignore[arg-type]
    assert len({key, idempotency_key("id2", "r", operation), idempotency_key("id", "r2", operation)}) == 3


INFO = ObjectInfo("a", 1, "e", "t", "image/png", metadata={"permissions": "600", "owner": "me", "group": "us"})


def test_a_create_takes_what_the_headers_say() -> None:
    """Where nothing newer is known."""
    made = filled(Operation(Kind.CREATE, 1, 1, "a"), INFO)
    assert (made.file_type, made.permissions, made.owner, made.group) == ("image/png", "600", "me", "us")


def test_a_create_keeps_what_is_newer() -> None:
    """An event's wish is not undone by the metadata."""
    made = filled(Operation(Kind.CREATE, 1, 1, "a", permissions="644", file_type="text/plain"), INFO)
    assert (made.file_type, made.permissions, made.owner) == ("text/plain", "644", "me")


def test_an_update_takes_no_permissions() -> None:
    """They are an operation of their own then."""
    made = filled(Operation(Kind.UPDATE, 1, 1, "a"), INFO)
    assert (made.file_type, made.permissions) == ("image/png", None)
    typed = Operation(Kind.UPDATE, 1, 1, "a", file_type="image/png")
    assert filled(typed, INFO) == typed
