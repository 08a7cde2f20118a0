"""The two seats of a blind review: two people decide, neither before nor after the other's finding. Blocking."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ensemble.store.content import bind, stamp, unbind
from ensemble.store.database import Database
from ensemble.store.feedback import Refused

SEATS = (1, 2)


class Seat(NamedTuple):
    """One of them; times are UTC text, and all but the number may be None."""

    number: int
    claimed_by: str | None
    claimed_until: str | None
    decided_by: str | None
    decided_at: str | None
    feedback_id: str | None


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


def free(db: Database, id_: str, by: str, now: datetime) -> int | Refused:
    """The seat that ``by`` may have: the one that he claimed, else one that nobody has."""
    held = seats(db, id_)
    if any(seat.decided_by == by for seat in held):
        told = f"request {id_} is for two people, and you have decided it; the second has to be somebody else"
        return Refused("conflict", "id", told)
    left = [seat for seat in held if seat.decided_by is None]
    at = stamp(now)
    own = [seat.number for seat in left if seat.claimed_by == by]
    open_ = [seat.number for seat in left if seat.claimed_by is None or (seat.claimed_until or "") <= at]
    if not own and not open_:
        return Refused("conflict", "id", f"request {id_} is claimed by two others; take another one")
    return (own or open_)[0]


def occupy(db: Database, id_: str, seat: int, by: str, until: datetime) -> None:
    """Keep a seat for ``by``."""
    db.conn.execute(
        "UPDATE review_seats SET claimed_by = ?, claimed_until = ? WHERE request_id = ? AND seat = ?",
        [bind(by), stamp(until), id_, seat],
    )


def finish(db: Database, id_: str, seat: int, by: str, now: datetime, feedback: str) -> bool:
    """Note what was found from a seat; return whether both have decided."""
    db.conn.execute(
        "UPDATE review_seats SET decided_by = ?, decided_at = ?, feedback_id = ? WHERE request_id = ? AND seat = ?",
        [bind(by), stamp(now), feedback, id_, seat],
    )
    return all(one.decided_by is not None for one in seats(db, id_))


def sealed(db: Database, id_: str, by: str = "") -> bool:
    """Whether authors and findings of a request must not be shown to ``by``, since he may still be one of the two.

    That is until both have decided, or he has.
    """
    sql = "SELECT EXISTS (SELECT 1 FROM reviews WHERE request_id = ? AND blind = 1 AND status <> 'decided')"
    return bool(db.execute(sql, [id_]).fetchone()[0]) and all(seat.decided_by != by for seat in seats(db, id_))
