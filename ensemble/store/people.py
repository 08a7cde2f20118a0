"""What people said of stored answers: the last word of each of them, and what most of them say."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ensemble.store.content import dumps
from ensemble.store.database import Database
from ensemble.store.review_seats import OUTVOTED
from ensemble.types import RequestId
from judges.types import CandidateId

_WORDS = f"""
SELECT f.request_id, f.given_by, f.kind, coalesce(f.candidate_id, r.chosen) AS candidate
FROM feedback f JOIN requests r ON r.id = f.request_id
WHERE f.kind IN ('preferred', 'tie', 'all_bad') AND NOT {OUTVOTED}
    AND (CAST(:ids AS TEXT) IS NULL OR f.request_id IN (SELECT value FROM json_each(:ids))) ORDER BY f.id
"""  # noqa: S608 - own text


class Word(NamedTuple):
    """The last word of one person: preferred, tie or all_bad; and which candidate, where that matters."""

    kind: str
    candidate: str | None


Words = Mapping[str, Word]
"""By the alias of whoever said it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What most people say of one request.

    Attributes:
        best: candidates that are best; several for a tie, none where all are bad.
        by: aliases of those who say so, in alphabetical order.
        people: how many said anything.
        split: as many say one thing as another; ``best`` then holds what either finds best.
    """

    best: frozenset[CandidateId]
    by: tuple[str, ...]
    people: int
    split: bool = False


def words(db: Database, ids: Sequence[RequestId] | None = None) -> dict[str, dict[str, Word]]:
    """By request and person, the last word; of the requests ``ids``, or of all.

    Where two reviewers differed and a third has settled it, his stands for theirs.
    Few requests get one, so those of all fit into memory.
    """
    told: dict[str, dict[str, Word]] = {}
    wanted = None if ids is None else dumps(ids).decode()
    for request, person, kind, candidate in db.execute(_WORDS, {"ids": wanted}):
        told.setdefault(request, {})[person] = Word(kind, candidate if kind == "preferred" else None)
    return told


def opinion(told: Words, shown: Collection[CandidateId]) -> Opinion | None:
    """What most of ``told`` say of the candidates ``shown``.

    None where nobody said anything, it is of none of them, or as many find all bad as find something best.
    """
    votes = Counter(told.values())
    most = [word for word, count in votes.items() if count == max(votes.values())]
    found = [_best(word, frozenset(shown)) for word in most]
    known = [best for best in found if best is not None]
    if not known or len(known) < len(found) or (len(known) > 1 and frozenset() in known):
        return None
    return Opinion(
        best=frozenset().union(*known),
        by=tuple(sorted(person for person, word in told.items() if word in most)),
        people=len(told),
        split=len(known) > 1,
    )


def _best(word: Word, shown: frozenset[CandidateId]) -> frozenset[CandidateId] | None:
    if word.kind == "preferred":
        return frozenset({CandidateId(word.candidate or "")}) & shown or None
    return shown if word.kind == "tie" else frozenset()
