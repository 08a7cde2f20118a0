"""From case to case: where a reviewer came from stands in the address (``from``), so the next one can be told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ensemble.audit.shapes import Window
from ensemble.server.pages.disagreement import filters_of
from ensemble.store.audit.disagreement import cases, place
from ensemble.store.database import Database
from ensemble.store.reviews import next_review


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a reviewer is: on the case ``here``, with the filters in its address."""

    here: str
    by: str
    adjudicators: tuple[str, ...]
    window: Window
    query: Mapping[str, str]


def _queued(db: Database, at: Place) -> str | None:
    return next_review(db, at.by, datetime.now(UTC), None, at.here, at.adjudicators)


def _ranked(db: Database, at: Place) -> str | None:
    after = place(db, at.here)
    found = cases(db, filters_of(at.window, at.query), after, 1) if after else []
    return str(found[0]["request_id"]) if found else None


TRAILS: Mapping[str, Callable[[Database, Place], str | None]] = {"queue": _queued, "disagreement": _ranked}
"""What finds the next case, by what ``from`` says; None where there is no other."""
LISTS: Mapping[str, str] = {"queue": "reviews", "disagreement": "disagreement"}
"""The page that lists the cases of each."""
