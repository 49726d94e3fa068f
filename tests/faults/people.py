"""The bucket's other users, drawn from a seed: they put, delete and rename, and tell the event log more or less truly."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

from tests.e2e.world import Bucket
from tests.fakes.mock_api_server import MockApi
from tests.faults.truth import Truth

KEYS = [f"d{i % 3}/k {i}+é.bin" if i % 5 == 0 else f"d{i % 3}/k{i}" for i in range(40)]
SIZES = [0, 10, 10, 5_000, 5_000, 5_000, 200_000, 2_000_000]
PERMISSIONS = ["600", "640", "644"]

_numbers = itertools.count(1)


class People:
    """Changes `bucket`, keeps `truth`, and publishes to `api`."""

    def __init__(self, chance: random.Random, bucket: Bucket, api: MockApi, truth: Truth) -> None:
        self.chance = chance
        self.truth = truth
        self._bucket = bucket
        self._api = api
        self._unpublished: list[dict[str, Any]] = []
        self._published: list[dict[str, Any]] = []
        self._bodies: list[bytes] = []

    def settle_in(self, objects: int) -> None:
        """What is there before anyone looks."""
        for key in KEYS[:objects]:
            self._put(key, self._body())

    def change(self) -> None:
        """One change of one kind, and often its event at once."""
        kinds: list[Callable[[], None]] = [self.put, self.delete, self.rename, self.swap, self.gossip]
        self.chance.choices(kinds, [45, 20, 20, 5, 10])[0]()
        if self.chance.random() < 0.6:
            self.publish()

    def publish(self) -> None:
        """What has happened goes to the log, now and then in another order."""
        if self.chance.random() < 0.3:
            self.chance.shuffle(self._unpublished)
        if self._unpublished:
            self._api.publish(*self._unpublished)
            self._published += self._unpublished
            self._unpublished = []

    # ------------------------------------------------------------ the kinds of change

    def put(self) -> None:
        key = self.chance.choice(KEYS)
        kind = "update" if key in self.truth.objects else "create"
        self._put(key, self._body())
        self._tell(kind, key)

    def delete(self) -> None:
        if self.truth.objects:
            self._delete(self._any())

    def rename(self) -> None:
        if self.truth.objects:
            old, new = self._any(), self.chance.choice(KEYS)
            if old != new:
                self._rename(old, new)

    def swap(self) -> None:
        """Two objects change places by way of a third path."""
        if len(self.truth.objects) > 1:
            one, other = self.chance.sample(sorted(self.truth.objects), 2)
            for old, new in ((one, "d0/aside"), (other, one), ("d0/aside", other)):
                self._rename(old, new)

    def gossip(self) -> None:
        """Events that repeat what was told, or tell what never was."""
        if self._published and self.chance.random() < 0.6:
            again = dict(self.chance.choice(self._published))
            if self.chance.random() < 0.5:
                again["event_id"] = self._id()
            self._unpublished.append(again)
        else:
            kind = self.chance.choice(["create", "update", "delete", "rename", "move"])
            self._say(kind, self.chance.choice(KEYS), self.chance.choice(KEYS))

    # ------------------------------------------------------------ doing and telling

    def _any(self) -> str:
        return self.chance.choice(sorted(self.truth.objects))

    def _body(self) -> bytes:
        """Mostly new content, which no other object has; now and then one that was there before."""
        if self._bodies and self.chance.random() < 0.1:
            return self.chance.choice(self._bodies)
        size = self.chance.choice(SIZES)
        body = (self.chance.randbytes(64) * (size // 64 + 1))[:size]
        self._bodies = [*self._bodies[-20:], body]
        return body

    def _put(self, key: str, body: bytes) -> None:
        permissions = self.chance.choice(PERMISSIONS)
        self.truth.put(key, body, permissions)
        self._bucket.put(key, body, permissions=permissions)

    def _delete(self, key: str) -> None:
        self.truth.delete(key)
        self._bucket.delete(key)
        self._tell("delete", key)

    def _rename(self, old: str, new: str) -> None:
        self.truth.rename(old, new)
        self._bucket.rename(old, new)
        same_folder = old.rpartition("/")[0] == new.rpartition("/")[0]
        self._tell("rename" if same_folder else "move", old, new)

    def _tell(self, kind: str, key: str, new: str | None = None) -> None:
        """The event, unless it is lost for ever."""
        if self.chance.random() < 0.04:
            self.truth.untold = True
        else:
            self._say(kind, key, new)

    def _say(self, kind: str, key: str, new: str | None) -> None:
        event = {"event_id": self._id(), "event_type": kind, "file_path": key, "timestamp": "2026-11-21T08:00:00Z"}
        self._unpublished.append({**event, "new_path": new} if new and kind in ("rename", "move") else event)

    def _id(self) -> str:
        return f"event-{next(_numbers)}"
