"""Feedback on its way into the log: names become candidates, and what is sent twice is stored once. Blocking."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from uuid_utils import uuid7

from ensemble.store.content import bind, bind_optional, real, stamp, unbind
from ensemble.store.database import Database

Kind = Literal["preferred", "tie", "all_bad", "cannot_tell", "rating", "correction", "tag", "metric"]
Source = Literal["api", "cli", "import", "review"]
ABOUT_ANSWER = frozenset({"rating", "correction"})
"""Kinds that are about one candidate: the answer that was served, where none is named."""
_SAME = ("request_id", "conversation", "kind", "candidate_id", "name", "value", "text")
_COLUMNS = (*_SAME, "given_by", "source", "key_id", "idempotency_key", "probability", "created_at", "id")
Row = dict[str, str | float | None]
Sees = Callable[[Mapping[str, object]], bool]
"""Whether somebody may know of a request, of which it is told ``key_id`` and ``tenant``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that is said.

    ``candidate`` is the id of a candidate, or a member that has one candidate; ``name`` is that of a tag or metric;
    ``value`` is a rating in [0, 1] or a metric; ``text`` is a correction or comment.
    """

    kind: Kind
    candidate: str | None = None
    name: str | None = None
    value: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one person or system says at once, of a request or of a conversation.

    ``probability`` is that with which the case was drawn for review; ``at`` is when it was said, None for now.
    """

    remarks: tuple[Remark, ...]
    given_by: str
    source: Source
    request: str | None = None
    conversation: str | None = None
    key_id: str | None = None
    idempotency_key: str | None = None
    probability: float | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """What is in the log: the id of the first row, how many rows, and whether they are new."""

    id: str
    rows: int
    created: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing was stored: which ``field`` is wrong, and in what way."""

    why: Literal["unknown", "wrong", "conflict"]
    field: str
    message: str


def add(db: Database, statement: Statement, sees: Sees = lambda _: True) -> Noted | Refused:
    """Store ``statement``; one that came before under the same idempotency key is not stored again.

    What ``sees`` says no to is not there for whoever states this.
    """
    if absent := _absent(db, statement, sees):
        return absent
    rows = [_row(db, statement, remark) for remark in statement.remarks]
    for row in rows:
        if isinstance(row, Refused):
            return row
    made = [row for row in rows if not isinstance(row, Refused)]
    if statement.idempotency_key is not None and (before := _before(db, statement)):
        same = [{name: row[name] for name in _SAME} for row in made]
        if before[1] != same:
            told = f"the idempotency key {statement.idempotency_key!r} came before with another body; use a new key"
            return Refused("conflict", "idempotency_key", told)
        return Noted(before[0], len(same), created=False)
    id_ = str(uuid7())
    for number, row in enumerate(made):
        # Only the first row carries the key; the others are found by their ids, as ballots are.
        row["id"] = f"{id_}/{number}" if number else id_
        row["idempotency_key"] = None if number else bind_optional(statement.idempotency_key)
    marks = ", ".join(f":{name}" for name in _COLUMNS)
    db.conn.executemany(f"INSERT INTO feedback ({', '.join(_COLUMNS)}) VALUES ({marks})", made)  # noqa: S608 - own names
    return Noted(id_, len(made), created=True)


def _absent(db: Database, statement: Statement, sees: Sees) -> Refused | None:
    if statement.request is not None:
        if not _seen(db, "id", statement.request, sees):
            return Refused("unknown", "request_id", f"the log has no request {statement.request!r}")
    elif not _seen(db, "conversation", statement.conversation or "", sees):
        return Refused("unknown", "conversation", f"the log has no conversation {statement.conversation!r}")
    return None


def _seen(db: Database, column: Literal["id", "conversation"], value: str, sees: Sees) -> bool:
    owners = db.execute(f"SELECT DISTINCT key_id, tenant FROM requests WHERE {column} = ?", [bind(value)])  # noqa: S608
    return any(
        sees({"key_id": key_id, "tenant": None if tenant is None else unbind(tenant)}) for key_id, tenant in owners
    )


def _row(db: Database, statement: Statement, remark: Remark) -> Row | Refused:
    candidate = _candidate(db, statement, remark)
    if isinstance(candidate, Refused):
        return candidate
    return {
        "request_id": statement.request,
        "conversation": bind_optional(statement.conversation),
        "kind": remark.kind,
        "candidate_id": candidate,
        "name": bind_optional(remark.name),
        "value": real(remark.value, "feedback.value"),
        "text": bind_optional(remark.text),
        "given_by": bind(statement.given_by),
        "source": statement.source,
        "key_id": bind_optional(statement.key_id),
        "probability": real(statement.probability, "feedback.probability"),
        "created_at": stamp(statement.at or datetime.now(UTC)),
    }


def _candidate(db: Database, statement: Statement, remark: Remark) -> str | Refused | None:
    """The id of the candidate that is meant; None for the answer that was served, and where none is."""
    field = "preferred" if remark.kind == "preferred" else "candidate"
    if remark.candidate is None:
        if remark.kind not in ABOUT_ANSWER or statement.request is None:
            return None
        (served,) = db.execute("SELECT chosen FROM requests WHERE id = ?", [statement.request]).fetchone()
        return None if served else Refused("wrong", field, f"{field}: no answer was served, so name the candidate")
    named = bind(remark.candidate)
    known: Sequence[tuple[str, str]] = db.execute(
        "SELECT id, member FROM candidates WHERE request_id = ? ORDER BY call_id", [statement.request]
    ).fetchall()
    found = [id_ for id_, _ in known if id_ == named] or [id_ for id_, member in known if member == named]
    if len(found) == 1:
        return found[0]
    if found:
        told = f"{field}: {remark.candidate!r} has {len(found)} candidates, so give the id of one: {', '.join(found)}"
    else:
        members = ", ".join(dict.fromkeys(member for _, member in known)) or "none"
        told = f"{field}: there is no candidate or member {remark.candidate!r}; members that answered: {members}"
    return Refused("wrong", field, told)


def _before(db: Database, statement: Statement) -> tuple[str, list[Row]] | None:
    """Id and content of what came under the same key of the same sender, with the same API key."""
    found = db.execute(
        "SELECT id FROM feedback WHERE coalesce(key_id, '') = ? AND given_by = ? AND idempotency_key = ?",
        [bind(statement.key_id or ""), bind(statement.given_by), bind(statement.idempotency_key or "")],
    ).fetchone()
    return None if found is None else (found[0], list(_rows(db, found[0])))


def _rows(db: Database, id_: str) -> Iterator[Row]:
    sql = f"SELECT {', '.join(_SAME)} FROM feedback WHERE id = ? OR (id > ? AND id < ?) ORDER BY length(id), id"  # noqa: S608
    # "0" is the character after "/".
    for row in db.execute(sql, [id_, f"{id_}/", f"{id_}0"]):
        yield dict(zip(_SAME, row, strict=True))
