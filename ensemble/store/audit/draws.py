"""Draws for review in the log: what may be drawn, and what was. Steps for ``Store.read`` and ``Store.change``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ensemble.store.content import bind, stamp, unbind
from ensemble.store.database import Database
from ensemble.store.review_seats import provide
from ensemble.store.texts import TEXTS

REASON = "drawn at random"
_FRAME = f"""
SELECT r.id, r.model, c.disagreement, q.request_id IS NOT NULL
FROM requests r LEFT JOIN reviews q ON q.request_id = r.id LEFT JOIN audit_cases c ON c.request_id = r.id
WHERE r.arrived_at > :since AND r.arrived_at <= :until AND {TEXTS.format("r.content")}
    AND EXISTS (SELECT 1 FROM verdicts v WHERE v.request_id = r.id AND v.parent IS NULL)
    AND (SELECT count(*) FROM (SELECT 1 FROM candidates c WHERE c.request_id = r.id LIMIT 2) two) = 2
"""  # noqa: S608 - own names
_QUEUE = """
INSERT INTO reviews (request_id, created_at, reason, overturned, status, draw, stratum, probability, place, blind)
SELECT id, :now, :reason, 0, 'waiting', :draw, :stratum, :probability, :place, :blind FROM requests WHERE id = :id
ON CONFLICT (request_id) DO UPDATE SET draw = excluded.draw, stratum = excluded.stratum,
    probability = excluded.probability, place = excluded.place,
    blind = CASE WHEN reviews.status = 'waiting' THEN excluded.blind ELSE 0 END
"""
# What somebody is at, or has decided, stays his alone: it was found without a look at the lot.


class Unit(NamedTuple):
    """A case that may be drawn: it was judged, has two candidates or more, and its texts are there.

    ``disagreement`` is its index in [0, 1], None where it is unknown; ``queued`` says that it waits for a person, or
    did, for a reason of its own.
    """

    id: str
    router: str
    disagreement: float | None
    queued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A case that was drawn.

    Attributes:
        probability: with which it was, given the frame: cases drawn by cases there were, in its stratum.
        place: from 0, in an order that is random too: whoever follows it has a random sample wherever he stops.
        blind: two people are to decide on it, neither of whom sees what the other found.
    """

    id: str
    stratum: str
    probability: float
    place: int
    blind: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One lot over all cases that arrived after ``since`` and not after ``until`` (UTC text; "" for the first ever).

    ``strata`` has cases and cases drawn of each stratum.
    """

    id: str
    seed: str
    since: str
    until: str
    drawn: Sequence[Drawn]
    strata: Mapping[str, tuple[int, int]]


def drawn_until(db: Database) -> str:
    """Where the frame of the next draw begins: UTC text, "" where nothing was drawn yet."""
    return str(db.execute("SELECT coalesce(max(until), '') FROM review_draws").fetchone()[0])


def queued(db: Database, since: str, until: str) -> int:
    """How many requests of a frame came into the queue for reasons of their own."""
    sql = (
        "SELECT count(*) FROM reviews q JOIN requests r ON r.id = q.request_id "
        "WHERE q.draw IS NULL AND r.arrived_at > ? AND r.arrived_at <= ?"
    )
    return int(db.execute(sql, [since, until]).fetchone()[0])


def frame(db: Database, since: str, until: str) -> list[Unit]:
    """The cases that a draw may take, in no order."""
    rows = db.execute(_FRAME, {"since": since, "until": until})
    return [Unit(id_, unbind(router), disagreement, bool(queued)) for id_, router, disagreement, queued in rows]


def queue_drawn(db: Database, draw: Draw, now: datetime) -> int:
    """Store ``draw`` and queue its cases; return how many. 0 where somebody else drew from that frame meanwhile."""
    if drawn_until(db) != draw.since:
        return 0
    db.conn.execute(
        "INSERT INTO review_draws (id, seed, made_at, since, until, cases, drawn) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            draw.id,
            draw.seed,
            stamp(now),
            draw.since,
            draw.until,
            sum(cases for cases, _ in draw.strata.values()),
            len(draw.drawn),
        ],
    )
    db.conn.executemany(
        "INSERT INTO review_strata (draw, stratum, cases, drawn) VALUES (?, ?, ?, ?)",
        [(draw.id, bind(name), cases, taken) for name, (cases, taken) in draw.strata.items()],
    )
    common = {"now": stamp(now), "reason": REASON, "draw": draw.id}
    for one in draw.drawn:
        told = {"id": one.id, "stratum": bind(one.stratum), "probability": one.probability, "place": one.place}
        db.conn.execute(_QUEUE, {**common, **told, "blind": int(one.blind)})
    provide(
        db,
        [id_ for (id_,) in db.execute("SELECT request_id FROM reviews WHERE draw = ? AND blind = 1", [draw.id])],
    )
    return len(draw.drawn)
