"""Who is at work on an idempotency key, and which request answered it. Steps for ``Store.change``.

A key is claimed for as long as a lease lasts. Which request stands under it is read from the requests themselves, so an
answer is found the moment that it is committed, whoever died after that; a failed or cancelled one leaves the key free.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ensemble.store.content import bind, stamp
from ensemble.store.database import Database
from ensemble.types import RequestId

State = Literal["mine", "busy", "conflict", "answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a client asks for under a key: ``owner`` is the id of its API key, ``body_hash`` is of path and body."""

    owner: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How a claim stands.

    Attributes:
        state: ``mine`` to work on; ``busy`` in other hands; ``conflict``, it stands for another body; ``answered``.
        request: which request answered.
        at: what tells this claim from a later one of the same key; "" where it is not ``mine``.
    """

    state: State
    request: RequestId | None = None
    at: str = ""


def claim(db: Database, wanted: Claim, now: datetime, lease_until: datetime, since: datetime) -> Found:
    """Claim a key until ``lease_until``, or say how it stands; what was claimed before ``since`` is forgotten."""
    db.conn.execute("DELETE FROM idempotency WHERE claimed_at < ?", [stamp(since)])
    row = db.execute(
        "SELECT body_hash, claimed_at, lease_until FROM idempotency WHERE owner = ? AND key = ?",
        [wanted.owner, bind(wanted.key)],
    ).fetchone()
    if row is not None:
        body_hash, claimed_at, lease = row
        if body_hash != wanted.body_hash:
            return Found(state="conflict")
        status, request = _latest(db, wanted, claimed_at)
        if status == "answered":
            return Found(state="answered", request=request)
        if status in (None, "streaming") and lease > stamp(now):
            return Found(state="busy")
    db.conn.execute(
        "INSERT INTO idempotency (owner, key, body_hash, claimed_at, lease_until) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (owner, key) DO UPDATE SET body_hash = excluded.body_hash, claimed_at = excluded.claimed_at, "
        "lease_until = excluded.lease_until",
        [wanted.owner, bind(wanted.key), wanted.body_hash, stamp(now), stamp(lease_until)],
    )
    return Found(state="mine", at=stamp(now))


def _latest(db: Database, wanted: Claim, claimed_at: str) -> tuple[str | None, RequestId | None]:
    """How the newest request since the claim ended, and its id; None while there is none."""
    row = db.execute(
        "SELECT status, id FROM requests WHERE idempotency_key = ? AND coalesce(key_id, '') = ? AND arrived_at >= ? "
        "ORDER BY id DESC LIMIT 1",
        [bind(wanted.key), wanted.owner, claimed_at],
    ).fetchone()
    return (row[0], RequestId(row[1])) if row else (None, None)


def renew(db: Database, claimed: Claim, lease_until: datetime, at: str) -> None:
    """Whoever claimed the key ``at`` that moment is still at work; nothing where somebody has taken it over."""
    db.conn.execute(
        "UPDATE idempotency SET lease_until = ? WHERE owner = ? AND key = ? AND claimed_at = ?",
        [stamp(lease_until), claimed.owner, bind(claimed.key), at],
    )


def release(db: Database, claimed: Claim, at: str) -> None:
    """Let the next one work on what was claimed ``at`` that moment, unless it was answered."""
    if _latest(db, claimed, at)[0] != "answered":
        db.conn.execute(
            "DELETE FROM idempotency WHERE owner = ? AND key = ? AND claimed_at = ?",
            [claimed.owner, bind(claimed.key), at],
        )
