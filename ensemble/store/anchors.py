"""Sets of cases with frozen findings, and the record of each time that they were judged again. Blocking."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from uuid_utils import uuid7

from ensemble.store.content import bind, dumps, stamp, unbind
from ensemble.store.database import Database
from ensemble.store.people import opinion, words
from ensemble.store.rejudging import ids_of, standing
from ensemble.types import RequestId
from judges.types import CandidateId


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One case: the candidates to judge and which of them are best, as ``judged_by`` (a digest, or people) found.

    ``kept`` tells whether its texts are still in the log.
    """

    request: RequestId
    panel: tuple[CandidateId, ...]
    winners: frozenset[CandidateId]
    judged_by: str
    kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One time that a set was judged again.

    ``agreed`` counts the cases with the frozen finding, a part of one for a tie that holds it; ``low`` and ``high`` are
    the 95 % interval of the share.
    """

    anchor_set: str
    judge: str
    digest: str
    cases: int
    agreed: float
    low: float
    high: float
    drift: bool
    nano_usd: int | None

    @property
    def agreement(self) -> float:
        """The share of the cases."""
        return self.agreed / self.cases


def candidates_for(db: Database, ids: Sequence[RequestId]) -> list[Anchor]:
    """What could be frozen of these requests: what people say, else the finding in force where it is one.

    Where people are split, or find that all are bad, nothing is frozen.
    """
    told, found = words(db, ids), standing(db, ids)
    out = []
    for id_ in ids:
        rows = db.execute("SELECT id FROM candidates WHERE request_id = ? ORDER BY call_id", [id_]).fetchall()
        everything = tuple(CandidateId(row[0]) for row in rows)
        stands = found.get(id_)
        panel = (stands.panel if stands else ()) or everything
        said = opinion(told[id_], panel) if id_ in told else None
        winners, by = frozenset[CandidateId](), ""
        if said is not None:
            winners, by = (frozenset(), "") if said.split else (said.best, ", ".join(said.by))
        elif stands is not None and stands.decided and not stands.finding.all_bad:
            winners, by = stands.finding.winners, stands.judge
        if winners and len(panel) > 1:
            out.append(Anchor(request=id_, panel=panel, winners=winners, judged_by=by))
    return out


def freeze(db: Database, anchor_set: str, anchors: Sequence[Anchor]) -> int:
    """Add ``anchors`` to the set; one of a request that is in it stays as it is. Returns how many are new."""
    now, before = stamp(datetime.now(UTC)), _size(db, anchor_set)
    db.conn.executemany(
        "INSERT INTO anchors (anchor_set, request_id, panel, winners, judged_by, frozen_at) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (bind(anchor_set), one.request, _json(one.panel), _json(sorted(one.winners)), bind(one.judged_by), now)
            for one in anchors
        ],
    )
    return _size(db, anchor_set) - before


def _size(db: Database, anchor_set: str) -> int:
    return int(db.execute("SELECT count(*) FROM anchors WHERE anchor_set = ?", [bind(anchor_set)]).fetchone()[0])


def anchors(db: Database, anchor_set: str) -> list[Anchor]:
    """The cases of a set, in order of arrival."""
    rows = db.execute(
        "SELECT a.request_id, a.panel, a.winners, a.judged_by, r.content = 'kept' FROM anchors a "
        "JOIN requests r ON r.id = a.request_id WHERE a.anchor_set = ? ORDER BY a.request_id",
        [bind(anchor_set)],
    )
    return [
        Anchor(
            request=RequestId(id_),
            panel=ids_of(panel),
            winners=frozenset(ids_of(winners)),
            judged_by=unbind(by),
            kept=bool(kept),
        )
        for id_, panel, winners, by, kept in rows
    ]


def first_check(db: Database, anchor_set: str, digest: str) -> Check | None:
    """The first check of a set by a judge of that digest."""
    sql = f"{_CHECKS} WHERE anchor_set = ? AND judge_digest = ? ORDER BY checked_at, id LIMIT 1"
    return _check(db, sql, bind(anchor_set), digest)


def last_check(db: Database, digest: str, since: str) -> Check | None:
    """The latest check of any set by a judge of that digest, after ``since``, a moment as the log writes it."""
    sql = f"{_CHECKS} WHERE judge_digest = ? AND checked_at > ? ORDER BY checked_at DESC, id DESC LIMIT 1"
    return _check(db, sql, digest, since)


_CHECKS = "SELECT anchor_set, judge, judge_digest, cases, agreed, low, high, drift, nano_usd FROM anchor_checks"


def _check(db: Database, sql: str, *values: str) -> Check | None:
    row = db.execute(sql, values).fetchone()
    if row is None:
        return None
    name, judge, digest, cases, agreed, low, high, drift, nano_usd = row
    return Check(
        anchor_set=unbind(name),
        judge=unbind(judge),
        digest=digest,
        cases=cases,
        agreed=agreed,
        low=low,
        high=high,
        drift=bool(drift),
        nano_usd=nano_usd,
    )


def note_check(db: Database, check: Check) -> None:
    """Store one check."""
    db.conn.execute(
        "INSERT INTO anchor_checks (id, anchor_set, judge, judge_digest, checked_at, cases, agreed, low, high, drift, "
        "nano_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            str(uuid7()),
            bind(check.anchor_set),
            bind(check.judge),
            check.digest,
            stamp(datetime.now(UTC)),
            check.cases,
            check.agreed,
            check.low,
            check.high,
            check.drift,
            check.nano_usd,
        ],
    )


def _json(ids: Sequence[CandidateId]) -> str:
    return dumps(ids).decode()
