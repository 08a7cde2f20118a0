"""What a database must hold after ``kill -9``: every answer that left is whole, and no request is there by half."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scripts._runs import Question, Reply

MEMBERS = ("amber", "birch", "cedar")
"""The panel of the made recording."""
PROMPTS = 997


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a database holds of one request: its status, the text of the chosen candidate, and rows per table."""

    status: str
    text: str | None
    rows: Mapping[str, int]


WHOLE: Mapping[str, int] = {
    "plans": 1,
    "candidate calls": len(MEMBERS),
    "judge calls": len(MEMBERS) - 1,
    "candidates": len(MEMBERS),
    "candidates with their call": len(MEMBERS),
    "complete verdicts": 1,
    "scores": len(MEMBERS),
    "preferences": len(MEMBERS) - 1,
    "exchanges with their call": len(MEMBERS) - 1,
}
"""Rows of one request, where the panel is healthy and no two members say the same.

Once the log knows how good the members are, a verdict has ballots, so a candidate's scores are counted once."""

_ROWS: Mapping[str, str] = {
    "plans": "SELECT request_id FROM plans",
    "candidate calls": "SELECT request_id FROM calls WHERE purpose = 'candidate' AND failure IS NULL",
    "judge calls": "SELECT request_id FROM calls WHERE purpose = 'judge' AND failure IS NULL",
    "candidates": "SELECT request_id FROM candidates",
    "candidates with their call": "SELECT c.request_id FROM candidates c JOIN calls k "
    "ON k.request_id = c.request_id AND k.id = c.call_id AND k.candidate_id = c.id",
    "complete verdicts": "SELECT request_id FROM verdicts WHERE complete = 1 AND outcome = 'decided'",
    "scores": "SELECT DISTINCT v.request_id, s.candidate_id FROM scores s JOIN verdicts v ON v.id = s.verdict_id",
    "preferences": "SELECT v.request_id FROM preferences p JOIN verdicts v ON v.id = p.verdict_id",
    "exchanges with their call": "SELECT v.request_id FROM exchanges e JOIN verdicts v ON v.id = e.verdict_id "
    "JOIN calls k ON k.request_id = v.request_id AND k.id = e.call_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a database holds after a crash. ``wrong`` lists every breach of the promise, empty for none."""

    requests: int
    undelivered: int
    wrong: Sequence[str]


def made_questions() -> list[Question]:
    """Prompts with an answer of each member, all different, of which one is the best."""
    return [
        Question(
            prompt=f"Question {at}: which colour has number {at * 7919 % 100_003}?",
            outputs={name: f"It is {name}, as number {at} always is. " + f"{name} {at}. " * 20 for name in MEMBERS},
            preferences={name: ((at + rank) % len(MEMBERS)) / len(MEMBERS) for rank, name in enumerate(MEMBERS)},
        )
        for at in range(PROMPTS)
    ]


def inspect(database: Path, replies: Sequence[Reply]) -> Found:
    """Hold ``database``, whose process was killed, against the replies that came in whole. Recovers its journal."""
    with closing(sqlite3.connect(database)) as db:
        held = _held(db)
        wrong = [*_unsound(db), *_partial(held), *_lost(held, replies), *_rollups(db)]
    return Found(requests=len(held), undelivered=len(held.keys() - {reply.id for reply in replies}), wrong=wrong)


def _held(db: sqlite3.Connection) -> dict[str, Held]:
    rows: dict[str, dict[str, int]] = {}
    for name, sql in _ROWS.items():
        for request, count in db.execute(f"SELECT request_id, count(*) FROM ({sql}) GROUP BY request_id"):  # noqa: S608
            rows.setdefault(request, {})[name] = count
    chosen = (
        "SELECT r.id, r.status, c.text FROM requests r "
        "LEFT JOIN candidates c ON c.request_id = r.id AND c.id = r.chosen AND c.member = r.member"
    )
    return {
        request: Held(status=status, text=text, rows=rows.get(request, {}))
        for request, status, text in db.execute(chosen)
    }


def _unsound(db: sqlite3.Connection) -> Iterator[str]:
    yield from (f"integrity_check: {line}" for (line,) in db.execute("PRAGMA integrity_check") if line != "ok")
    yield from (f"foreign_key_check: {row[0]} row {row[1]}" for row in db.execute("PRAGMA foreign_key_check"))


def _partial(held: Mapping[str, Held]) -> Iterator[str]:
    """Nobody failed and nobody left, so whatever is there was answered, and is whole, delivered or not."""
    for request, one in held.items():
        if one.status != "answered" or one.text is None or one.rows != WHOLE:
            amiss = {name: one.rows.get(name, 0) for name, many in WHOLE.items() if one.rows.get(name, 0) != many}
            yield f"request {request} is {one.status} and not whole: {json.dumps(amiss)}"


def _lost(held: Mapping[str, Held], replies: Sequence[Reply]) -> Iterator[str]:
    for reply in replies:
        one = held.get(reply.id)
        if one is None:
            yield f"request {reply.id} was answered and is lost"
        elif one.text != reply.text:
            yield f"request {reply.id} was answered with another text than is stored"


def _rollups(db: sqlite3.Connection) -> Iterator[str]:
    for table, column, of in (
        ("daily_requests", "requests", "SELECT count(*) FROM requests"),
        ("daily_calls", "calls", "SELECT count(*) FROM calls"),
        ("daily_calls", "nano_usd", "SELECT sum(nano_usd) FROM calls"),
    ):
        kept, counted = db.execute(f"SELECT (SELECT sum({column}) FROM {table}), ({of})").fetchone()  # noqa: S608
        if kept != counted:
            yield f"{table}.{column} says {kept}, the rows say {counted}"
