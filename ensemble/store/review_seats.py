"""The seats of a blind review: two people decide, neither before nor after the other's finding. Blocking.

Where they differ there is a third seat: somebody else sees what both have found, and settles it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from ensemble.store.content import bind, dumps, stamp, unbind
from ensemble.store.database import Database
from ensemble.store.feedback import Refused

SEATS = (1, 2)
THIRD = 3
"""The seat of who settles it: it is there where the two differ, and only then."""
OUTVOTED = f"""
EXISTS (
    SELECT 1 FROM review_seats s JOIN review_seats t ON t.request_id = s.request_id AND t.seat = {THIRD}
    WHERE s.request_id = f.request_id AND s.seat < {THIRD} AND s.decided_by = f.given_by
        AND t.decided_by IS NOT NULL AND f.id < s.feedback_id || '0'
)
"""  # noqa: S608 - own text
"""A condition on ``feedback f``: one of two who differed had said it by then, and a third has settled it since."""
# "0" is the character after "/", with which the ids of further rows of one statement go on.


class Seat(NamedTuple):
    """One of them; times are UTC text, and all but the number may be None."""

    number: int
    claimed_by: str | None
    claimed_until: str | None
    decided_by: str | None
    decided_at: str | None
    feedback_id: str | None


class Vote(NamedTuple):
    """What was found from one seat: ``finding`` is a kind of feedback, ``candidate`` the one that is preferred."""

    seat: int
    given_by: str
    finding: str
    candidate: str | None
    comment: str | None


def provide(db: Database, ids: Sequence[str]) -> None:
    """Two free seats for each of these reviews."""
    db.conn.executemany(
        "INSERT INTO review_seats (request_id, seat) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(id_, seat) for id_ in ids for seat in SEATS],
    )


def seats(db: Database, id_: str) -> list[Seat]:
    """Those of one review; none where it is not blind."""
    found = db.execute(
        "SELECT seat, claimed_by, claimed_until, decided_by, decided_at, feedback_id FROM review_seats "
        "WHERE request_id = ? ORDER BY seat",
        [id_],
    ).fetchall()
    return [Seat(number, *(None if text is None else unbind(text) for text in texts)) for number, *texts in found]


def votes(db: Database, id_: str) -> list[Vote]:
    """What was found so far, seat by seat."""
    found = db.execute(
        "SELECT s.seat, f.given_by, f.kind, f.candidate_id, f.text FROM review_seats s "
        "JOIN feedback f ON f.id = s.feedback_id WHERE s.request_id = ? ORDER BY s.seat",
        [id_],
    ).fetchall()
    return [
        Vote(seat, unbind(by), kind, candidate, None if text is None else unbind(text))
        for seat, by, kind, candidate, text in found
    ]


def free(db: Database, id_: str, by: str, now: datetime, adjudicators: Collection[str] = ()) -> int | Refused:
    """The seat that ``by`` may have: the one that he claimed, else one that nobody has.

    ``adjudicators`` are those who settle what two disagree on, and take no other seat; empty for anybody else than the
    two.
    """
    held = seats(db, id_)
    third = any(seat.number == THIRD for seat in held)
    if any(seat.decided_by == by for seat in held):
        needed = "they differ, so a third has to settle it" if third else "the second has to be somebody else"
        return Refused("conflict", "id", f"request {id_} is for two people, and you have decided it; {needed}")
    if adjudicators and (by in adjudicators) != third:
        told = (
            "two differ on it, and those settle it whom `[reviews] adjudicators` names"
            if third
            else "it is for two people, and you are among those who settle it where they differ"
        )
        return Refused("conflict", "id", f"request {id_} is not for you: {told}")
    left = [seat for seat in held if seat.decided_by is None]
    at = stamp(now)
    own = [seat.number for seat in left if seat.claimed_by == by]
    open_ = [seat.number for seat in left if seat.claimed_by is None or (seat.claimed_until or "") <= at]
    if not own and not open_:
        others = "somebody else" if third else "two others"
        return Refused("conflict", "id", f"request {id_} is claimed by {others}; take another one")
    return (own or open_)[0]


def occupy(db: Database, id_: str, seat: int, by: str, until: datetime) -> None:
    """Keep a seat for ``by``."""
    db.conn.execute(
        "UPDATE review_seats SET claimed_by = ?, claimed_until = ? WHERE request_id = ? AND seat = ?",
        [bind(by), stamp(until), id_, seat],
    )


def finish(db: Database, id_: str, seat: int, by: str, now: datetime, feedback: str) -> bool:
    """Note what was found from a seat; return whether the case is closed.

    It is once both have found the same, or a third has settled it; where they differ, that seat is made.
    """
    db.conn.execute(
        "UPDATE review_seats SET decided_by = ?, decided_at = ?, feedback_id = ? WHERE request_id = ? AND seat = ?",
        [bind(by), stamp(now), feedback, id_, seat],
    )
    if any(one.decided_by is None for one in seats(db, id_)):
        return False
    if seat == THIRD or len({(vote.finding, vote.candidate) for vote in votes(db, id_)}) == 1:
        return True
    db.conn.execute("INSERT INTO review_seats (request_id, seat) VALUES (?, ?)", [id_, THIRD])
    return False


SEALED = """
EXISTS (
    SELECT 1 FROM reviews v WHERE v.request_id = {0} AND v.blind = 1 AND v.status <> 'decided' AND NOT EXISTS (
        SELECT 1 FROM review_seats s WHERE s.request_id = v.request_id AND s.decided_by = :reader
    )
)
"""
"""As ``sealed``, a condition on an expression for the id of a request, with the parameter ``reader``."""


def sealed_of(db: Database, ids: Sequence[str], reader: str) -> frozenset[str]:
    """Which of these requests are ``sealed`` to ``reader``."""
    sql = f"SELECT i.value FROM json_each(:ids) i WHERE {SEALED.format('i.value')}"  # noqa: S608 - own text
    rows = db.execute(sql, {"ids": dumps(list(ids)).decode(), "reader": bind(reader)})
    return frozenset(str(id_) for (id_,) in rows)


def sealed(db: Database, id_: str, by: str = "") -> bool:
    """Whether authors and findings of a request must not be shown to ``by``, since he may still decide on it.

    That is until both have found the same or a third has settled it, or he has decided.
    """
    sql = "SELECT EXISTS (SELECT 1 FROM reviews WHERE request_id = ? AND blind = 1 AND status <> 'decided')"
    return bool(db.execute(sql, [id_]).fetchone()[0]) and all(seat.decided_by != by for seat in seats(db, id_))
