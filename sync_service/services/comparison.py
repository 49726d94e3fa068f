"""The catalogue's view for the comparison after a restore or rebuild, beside DatabaseManager's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from sqlalchemy import Connection

from sync_service.catalogue import unverified
from sync_service.models.changes import Observation
from sync_service.models.verification import Loose, Unverified, Verdict
from sync_service.services.database_manager import DatabaseManager


class Comparison:
    """One route's comparison. Every method is one transaction, and is called in the catalogue's own thread."""

    def __init__(self, catalogue: DatabaseManager) -> None:
        self._catalogue = catalogue

    def standing(self) -> Unverified | None:
        """Where it stands; None where none is due."""
        return self._catalogue.within(unverified.marker_of)

    # ------------------------------------------------------------ before the catalogue is put in its place

    def distrust(self, catalogue_id: str, trust_size: bool) -> None:
        """Makes a copy of an older state, of all its routes, fit to go on with."""
        self._catalogue.within(lambda conn, _: unverified.distrust(conn, catalogue_id, trust_size))

    def begin(self, trust_size: bool) -> None:
        """A new catalogue, whose first sync is to send nothing that is right already."""
        self._catalogue.within(unverified.put, Unverified("rebuilt", trust_size))

    def add_candidates(self, held: Iterable[tuple[str, str]]) -> int:
        """(route, path) of what may be held as well; routes that this catalogue does not know are left out."""
        added = 0
        known = set(self._catalogue.route_names())
        for route, pairs in groupby(held, lambda pair: pair[0]):
            if route in known:
                view = self._catalogue.for_route(route)
                added += view.within(unverified.add_candidates, (path for _, path in pairs))
        return added

    # ------------------------------------------------------------ the comparison

    def observed_after(self, after: int, limit: int) -> list[Observation]:
        return self._catalogue.within(unverified.observed_after, after, limit)

    def settle(self, verdicts: Sequence[Verdict], standing: Unverified, now: str) -> None:
        """What was found at the paths of observed rows, and how far the comparison is with it."""

        def step(conn: Connection, route_id: int) -> None:
            unverified.settle(conn, route_id, verdicts, now)
            unverified.put(conn, route_id, standing)

        self._catalogue.within(step)

    def turn_to_loose(self, standing: Unverified) -> Unverified:
        """The observed rows are through: what remains are the paths that none of them claims."""
        turned = standing.turned_to_loose()

        def step(conn: Connection, route_id: int) -> None:
            if standing.events_after is not None:
                unverified.add_named(conn, route_id, standing.events_after)
            unverified.put(conn, route_id, turned)

        self._catalogue.within(step)
        return turned

    def loose_after(self, after: int, limit: int) -> list[Loose]:
        return self._catalogue.within(unverified.loose_after, after, limit)

    def settle_loose(self, verdicts: Sequence[Verdict], standing: Unverified, now: str) -> None:
        """What was found at the loose paths, and how far the comparison is with it."""

        def step(conn: Connection, route_id: int) -> None:
            unverified.settle_loose(conn, route_id, verdicts, now)
            unverified.put(conn, route_id, standing)

        self._catalogue.within(step)

    def finish(self) -> None:
        """From here on the delivered rows are believed as ever."""
        self._catalogue.within(unverified.clear)
