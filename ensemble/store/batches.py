"""What the log knows of batches that providers work on, so that one is found again after any crash."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from ensemble.store.content import bind, dumps, loads, stamp, unbind
from ensemble.store.database import Database
from ensemble.types import CallId, Purpose, RequestId
from judges.types import CandidateId


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One call of a batch; ``call`` is the id by which the provider names it, and of the line that it becomes.

    ``dropped`` are parameters that were asked for and not sent; ``reservation`` names money that is set aside.
    """

    call: CallId
    request: RequestId
    member: str
    digest: str
    purpose: Purpose
    key: str
    candidate: CandidateId | None = None
    sample: int = 0
    stage: int = 0
    seat: str | None = None
    attempt: int = 1
    dropped: tuple[str, ...] = ()
    reservation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """A batch of ``run`` at a provider; its ``items`` lack their line.

    ``provider_id`` is None where nobody knows whether it left.
    """

    id: str
    run: str
    provider: str
    provider_id: str | None
    made_at: datetime
    items: tuple[BatchItem, ...]


def make(db: Database, batch: OpenBatch) -> None:
    """Note ``batch`` before it leaves."""
    db.conn.execute(
        "INSERT INTO batches (id, run, provider, provider_id, state, made_at, detail) VALUES (?, ?, ?, NULL, 'making', "
        "?, '')",
        [batch.id, bind(batch.run), bind(batch.provider), stamp(batch.made_at)],
    )
    db.conn.executemany(
        "INSERT INTO batch_items (batch_id, custom_id, request_id, member, purpose, candidate_id, sample, key, "
        "state, digest, stage, seat, attempt, dropped, reservation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', "
        "?, ?, ?, ?, ?, ?)",
        [
            (
                batch.id,
                item.call,
                item.request,
                bind(item.member),
                item.purpose,
                item.candidate,
                item.sample,
                item.key,
                item.digest,
                item.stage,
                None if item.seat is None else bind(item.seat),
                item.attempt,
                dumps(item.dropped).decode(),
                item.reservation,
            )
            for item in batch.items
        ],
    )


def took(db: Database, id_: str, provider_id: str) -> None:
    """Note that the provider has taken the batch."""
    db.conn.execute("UPDATE batches SET state = 'submitted', provider_id = ? WHERE id = ?", [bind(provider_id), id_])


def polled(db: Database, id_: str, told: str) -> None:
    """Note how far the batch is."""
    db.conn.execute("UPDATE batches SET polled_at = ?, detail = ? WHERE id = ?", [_now(), bind(told), id_])


def ended(db: Database, id_: str, states: Iterable[tuple[str, str]]) -> None:
    """Note that the results of a batch have come: the state (done, failed or expired) of each item, by its id."""
    db.conn.execute("UPDATE batches SET state = 'ended', ended_at = ? WHERE id = ?", [_now(), id_])
    db.conn.executemany(
        "UPDATE batch_items SET state = ? WHERE batch_id = ? AND custom_id = ?",
        [(state, id_, item) for item, state in states],
    )


def discard(db: Database, id_: str, *, money: bool) -> None:
    """Forget a batch that never left, and the ``money`` set aside for it, where nobody asks its questions again."""
    if money:
        db.conn.execute(
            "DELETE FROM reservations WHERE id IN (SELECT reservation FROM batch_items WHERE batch_id = ?)", [id_]
        )
    db.conn.execute("DELETE FROM batch_items WHERE batch_id = ?", [id_])
    db.conn.execute("DELETE FROM batches WHERE id = ?", [id_])


def settle(db: Database, run: str) -> None:
    """Close the batches of ``run`` whose every item is a line of the ledger."""
    db.conn.execute(
        f"UPDATE batches SET state = 'taken_in' WHERE run = ? AND state = 'ended' AND NOT EXISTS ({_LACKING})",  # noqa: S608
        [bind(run)],
    )


def known(db: Database, provider: str) -> list[str]:
    """The ids of all batches that ``provider`` is known to have taken."""
    sql = "SELECT provider_id FROM batches WHERE provider = ? AND provider_id IS NOT NULL"
    return [unbind(row[0]) for row in db.execute(sql, [bind(provider)])]


def open_batches(db: Database, run: str) -> list[OpenBatch]:
    """The batches of ``run`` that are not taken in, the oldest first."""
    rows = db.execute(
        "SELECT id, run, provider, provider_id, made_at FROM batches WHERE run = ? AND state <> 'taken_in' ORDER BY id",
        [bind(run)],
    ).fetchall()
    return [
        OpenBatch(
            id=id_,
            run=unbind(run),
            provider=unbind(provider),
            provider_id=None if provider_id is None else unbind(provider_id),
            made_at=datetime.fromisoformat(made),
            items=tuple(_items(db, id_)),
        )
        for id_, run, provider, provider_id, made in rows
    ]


_LACKING = (
    "SELECT 1 FROM batch_items i WHERE i.batch_id = batches.id AND NOT EXISTS "
    "(SELECT 1 FROM calls k WHERE k.request_id = i.request_id AND k.id = i.custom_id)"
)
_ITEMS = """
SELECT custom_id, request_id, member, digest, purpose, key, candidate_id, sample, stage, seat, attempt, dropped,
    reservation
FROM batch_items i
WHERE batch_id = ? AND NOT EXISTS (SELECT 1 FROM calls k WHERE k.request_id = i.request_id AND k.id = i.custom_id)
"""


def _items(db: Database, batch: str) -> Iterator[BatchItem]:
    for row in db.execute(_ITEMS, [batch]):
        call, request, member, digest, purpose, key, candidate, sample, stage, seat, attempt, dropped, reservation = row
        yield BatchItem(
            call=CallId(call),
            request=RequestId(request),
            member=unbind(member),
            digest=digest,
            purpose=purpose,
            key=key,
            candidate=None if candidate is None else CandidateId(candidate),
            sample=sample,
            stage=stage,
            seat=None if seat is None else unbind(seat),
            attempt=attempt,
            dropped=tuple(cast("Sequence[str]", loads(dropped))),
            reservation=reservation,
        )


def _now() -> str:
    return stamp(datetime.now(UTC))
