"""What people found of the cases that a lot sent to them. Blocking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.people import Word
from ensemble.store.review_seats import THIRD
from ensemble.types import RequestId

# A blind case has a row for each of the two, and counts once both have decided: who settles what they differ on has
# seen what they found, and is asked of those cases alone.
_FOUND = f"""
SELECT v.request_id, v.draw, v.stratum, substr(r.arrived_at, 1, 10) AS day, r.model AS router, v.blind,
    f.given_by, f.kind, f.candidate_id, c.member
FROM reviews v
JOIN requests r ON r.id = v.request_id
LEFT JOIN review_seats s ON v.blind = 1 AND s.request_id = v.request_id AND s.seat < {THIRD}
JOIN feedback f ON f.id = CASE v.blind WHEN 1 THEN s.feedback_id ELSE v.feedback_id END
LEFT JOIN candidates c ON c.request_id = f.request_id AND c.id = f.candidate_id
WHERE v.draw IS NOT NULL AND (v.status = 'decided' OR EXISTS (
    SELECT 1 FROM review_seats t WHERE t.request_id = v.request_id AND t.seat = {THIRD}
))
ORDER BY v.request_id, s.seat
"""  # noqa: S608 - own text


class Stratum(NamedTuple):
    """A stratum of a draw."""

    draw: str
    name: str


class Size(NamedTuple):
    """How many cases a stratum had, and how many of them were drawn."""

    cases: int
    drawn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A drawn case on which people have decided.

    Attributes:
        day: UTC day on which the request arrived.
        words: what was found, by the alias of whoever found it: ``preferred``, ``tie``, ``all_bad`` or ``cannot_tell``.
        members: who wrote the candidate that is preferred, by the same aliases.
    """

    request: RequestId
    stratum: Stratum
    day: str
    router: str
    blind: bool
    words: dict[str, Word] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)


def findings(db: Database) -> list[Finding]:
    """All of them, in order of arrival; a few thousand, since people make them."""
    found: dict[str, Finding] = {}
    for id_, draw, stratum, day, router, blind, by, kind, candidate, member in db.execute(_FOUND):
        one = found.setdefault(
            id_,
            Finding(
                request=RequestId(id_),
                stratum=Stratum(draw, unbind(stratum)),
                day=day,
                router=unbind(router),
                blind=bool(blind),
            ),
        )
        one.words[unbind(by)] = Word(kind, candidate if kind == "preferred" else None)
        if member is not None:
            one.members[unbind(by)] = unbind(member)
    return [*found.values()]


def strata(db: Database) -> Mapping[Stratum, Size]:
    """Every stratum of every draw."""
    rows = db.execute("SELECT draw, stratum, cases, drawn FROM review_strata ORDER BY draw, stratum")
    return {Stratum(draw, unbind(name)): Size(cases, drawn) for draw, name, cases, drawn in rows}


class Lot(NamedTuple):
    """A draw: times as UTC text."""

    id: str
    made_at: str
    since: str
    until: str
    seed: str
    cases: int
    drawn: int


def lots(db: Database) -> list[Lot]:
    """Every draw, the latest first."""
    sql = "SELECT id, made_at, since, until, seed, cases, drawn FROM review_draws ORDER BY until DESC"
    return [Lot(*row) for row in db.execute(sql)]
