"""What people said of the answers to one request, as ``ensemble.store.people`` counts it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.label_rows import planned
from ensemble.store.people import Opinion, Word, opinion
from ensemble.store.review_seats import OUTVOTED
from judges.types import CandidateId

_KINDS = "('preferred', 'tie', 'all_bad')"
HEARD = f"EXISTS (SELECT 1 FROM feedback f WHERE f.request_id = r.id AND f.kind IN {_KINDS})"  # noqa: S608
"""Condition on ``requests r``: people told which answer is best. That they cannot tell makes no label."""
_WORDS = f"""
SELECT f.given_by, f.kind, coalesce(f.candidate_id, r.chosen) FROM feedback f JOIN requests r ON r.id = f.request_id
WHERE f.request_id = ? AND f.kind IN {_KINDS} AND NOT {OUTVOTED} ORDER BY f.id
"""  # noqa: S608 - own constants
_RATINGS = """
SELECT coalesce(f.candidate_id, r.chosen), f.given_by, f.value FROM feedback f JOIN requests r ON r.id = f.request_id
WHERE f.request_id = ? AND f.kind = 'rating' ORDER BY f.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What most people say of a request.

    Attributes:
        whole: every member of the plan has an answer.
        usable: a router may learn from it: something is best, and several members answered.
        ratings: mean rating per candidate that was rated, of each person the last one.
    """

    opinion: Opinion
    whole: bool
    usable: bool
    ratings: Mapping[str, float]

    @property
    def kind(self) -> str:
        """As in ``labels``."""
        return "all_bad" if not self.opinion.best else "full" if self.whole else "early"


def heard(db: Database, request: str) -> Heard | None:
    """What people say of a request; None where nobody told what is best, or they contradict one another."""
    words = {
        given_by: Word(kind, candidate if kind == "preferred" else None)
        for given_by, kind, candidate in db.execute(_WORDS, [request])
    }
    rows: list[Any] = db.execute("SELECT id, member FROM candidates WHERE request_id = ?", [request]).fetchall()
    authors = {CandidateId(id_): unbind(member) for id_, member in rows}
    found = opinion(words, authors) if words else None
    if found is None:
        return None
    members = set(authors.values())
    return Heard(
        opinion=found,
        whole=planned(db, request) <= members,
        usable=bool(found.best) and len(members) > 1,
        ratings=_ratings(db, request),
    )


def _ratings(db: Database, request: str) -> dict[str, float]:
    # Engines add numbers up each in its own way; an export of the same rows is the same from all of them.
    given: dict[str, dict[str, float]] = {}
    for candidate, person, value in db.execute(_RATINGS, [request]):
        given.setdefault(candidate, {})[person] = value
    return {candidate: math.fsum(by.values()) / len(by) for candidate, by in given.items()}
