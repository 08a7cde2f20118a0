"""What labelling runs must have left behind, and whether they did: rows, money, and nothing asked for twice.

What must be is computed from the recording and from what the simulator says it served, never with the product's code.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts._recorded import Line, cost
from scripts._runs import EVALUATOR, Price, Question

if TYPE_CHECKING:
    from ensemble.simulator.served import Served

Rows = Sequence[tuple[Any, ...]]

_SAME = {
    "requests": "SELECT messages, options, status, source, model FROM requests",
    "data set": "SELECT d.row_id, d.position, r.messages FROM dataset_rows d JOIN requests r ON r.id = d.request_id",
    "candidates": "SELECT r.messages, c.member, c.sample, c.text, c.finish_reason FROM candidates c "
    "JOIN requests r ON r.id = c.request_id",
    "calls of members": "SELECT r.messages, k.member, k.failure, k.input_tokens, k.output_tokens, k.nano_usd "
    "FROM calls k JOIN requests r ON r.id = k.request_id WHERE k.purpose = 'candidate'",
    "calls of the judge": "SELECT r.messages, k.failure, count(*) FROM calls k JOIN requests r ON r.id = k.request_id "
    "WHERE k.purpose = 'judge' GROUP BY r.id, k.failure",
    "verdicts": "SELECT r.messages, v.judge_digest, v.phase, v.outcome, v.complete, v.usable, v.fallback, v.all_bad "
    "FROM verdicts v JOIN requests r ON r.id = v.request_id",
    "preferences": "SELECT r.messages, count(*) FROM preferences p JOIN verdicts v ON v.id = p.verdict_id "
    "JOIN requests r ON r.id = v.request_id GROUP BY v.id",
    "labels": "SELECT r.messages, l.kind, l.usable, l.best, l.nano_usd FROM labels l "
    "JOIN requests r ON r.id = l.request_id",
    "exchanges": "SELECT r.messages, count(*), count(e.call_id) FROM exchanges e "
    "JOIN verdicts v ON v.id = e.verdict_id JOIN requests r ON r.id = v.request_id GROUP BY v.id",
}
"""What two logs of the same prompts have in common: everything but ids and times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Nano-USD of a run by its log: known cost of its calls, and what is set aside."""

    ledger: int
    reserved: int


def differing(one: Path, other: Path) -> list[str]:
    """Tables whose rows differ between two logs."""
    with _reading(one) as first, _reading(other) as second:
        return [name for name, sql in _SAME.items() if _sorted(first, sql) != _sorted(second, sql)]


def counts_wrong(log: Path, questions: Sequence[Question], served: int) -> list[str]:
    """Tables that have not exactly the rows that they must have after an undisturbed run."""
    n, panel = len(questions), sum(len(question.outputs) for question in questions)
    pages = sum(max(0, len(set(question.usable.values())) - 1) for question in questions)
    must_be = {
        "requests": n,
        "plans": n,
        "dataset_rows": n,
        "calls": served,
        "calls WHERE purpose = 'candidate'": panel,
        "calls WHERE purpose = 'judge'": pages,
        "calls WHERE run = 'prompts'": served,
        "candidates": panel,
        "verdicts": n,
        "exchanges": pages,
        "scores": panel,
        "preferences": sum(max(0, len(question.usable) - 1) for question in questions),
        "reservations": 0,
        "labels WHERE usable = 1": sum(len(question.usable) > 1 for question in questions),
        "labels WHERE kind = 'full'": sum(bool(question.usable) for question in questions),
    }
    with _reading(log) as db:
        found = {name: _one(db, f"SELECT count(*) FROM {name}") for name in must_be}  # noqa: S608 - names of ours
    return [f"{name} {found[name]} for {number}" for name, number in must_be.items() if found[name] != number]


def wrong_winners(log: Path, questions: Sequence[Question]) -> Iterator[str]:
    """Labels whose best member has not the best recorded answer."""
    by_prompt = {question.prompt: question for question in questions}
    with _reading(log) as db:
        for messages, best in db.execute(
            "SELECT r.messages, l.best FROM labels l JOIN requests r ON r.id = l.request_id WHERE l.usable = 1"
        ):
            question = by_prompt[_prompt(messages)]
            worth = max(map(question.worth, question.usable.values()))
            if not all(question.worth(question.outputs[member]) == worth for member in json.loads(best)):
                yield question.prompt[:40]


def ledger_wrong(log: Path, served: Sequence["Served"], prices: Mapping[str, Price], *, lost: int = 0) -> list[str]:
    """Where the ledger is not what was served, to the token and the nano-dollar; ``lost`` calls may be missing."""
    lines = [
        Line(
            id=each.request_id,
            model=each.model,
            input_tokens=each.told_prompt_tokens or 0,
            output_tokens=each.told_completion_tokens or 0,
        )
        for each in served
    ]
    by_id = {line.id: line for line in lines}
    wrong = []
    with _reading(log) as db:
        stored = db.execute(
            "SELECT provider_request_id, member, input_tokens, output_tokens, nano_usd FROM calls"
        ).fetchall()
    for id_, member, given, made, nano in stored:
        line = by_id.pop(id_, None)
        if line is None or (line.model, line.input_tokens, line.output_tokens) != (member, given, made):
            wrong.append(f"a line of {member} that was not served so")
        elif cost([line], prices) != nano:
            wrong.append(f"a line of {member} costs {nano}, apart {cost([line], prices)}")
    if len(by_id) > lost:
        wrong.append(f"{len(by_id)} served calls are no lines of the ledger, {lost} may be")
    return wrong


def stored_calls(log: Path) -> set[str]:
    """Provider's ids of the good calls that a log holds."""
    with _reading(log) as db:
        return {row[0] for row in db.execute("SELECT provider_request_id FROM calls WHERE failure IS NULL")}


def labelled(log: Path) -> Rows:
    """Row, request, kind and best members of every label that a log holds of a data set."""
    with _reading(log) as db:
        return db.execute(
            "SELECT d.row_id, l.request_id, l.kind, CASE WHEN l.usable THEN l.best ELSE '[]' END FROM labels l "
            "JOIN dataset_rows d ON d.request_id = l.request_id"
        ).fetchall()


def repeated(served: Sequence["Served"], stored: set[str], since: int) -> int:
    """How many of the calls served from position ``since`` on ask again what is ``stored`` as answered."""
    had = {_asked(each) for each in served[:since] if each.request_id in stored}
    return sum(_asked(each) in had for each in served[since:])


def by_model(served: Sequence["Served"]) -> Counter[str]:
    """Calls served per model."""
    return Counter(each.model for each in served)


def spent(log: Path) -> Spent:
    """What a run has cost by its log."""
    with _reading(log) as db:
        return Spent(
            ledger=_one(db, "SELECT coalesce(sum(nano_usd), 0) FROM calls"),
            reserved=_one(db, "SELECT coalesce(sum(nano_usd), 0) FROM reservations"),
        )


def unsound(log: Path) -> list[str]:
    """What SQLite finds wrong with a log, and daily sums that are not the sums of the rows."""
    with _reading(log) as db:
        wrong = [line for (line,) in db.execute("PRAGMA integrity_check") if line != "ok"]
        wrong += [f"foreign key of {row[0]}" for row in db.execute("PRAGMA foreign_key_check")]
        for daily, rows in (("daily_requests.requests", "requests"), ("daily_calls.calls", "calls")):
            table, column = daily.split(".")
            if _one(db, f"SELECT sum({column}) FROM {table}") != _one(db, f"SELECT count(*) FROM {rows}"):  # noqa: S608
                wrong.append(f"{daily} is no sum of its rows")
    return wrong


def judge_pages(added: str, questions: Sequence[Question]) -> int:
    """The most pages that judging again may need once ``added`` has joined: one less than the texts that differ."""
    return sum(max(0, len(set(question.usable.values())) - 1) for question in questions if added in question.outputs)


def _asked(served: "Served") -> bytes:
    return hashlib.sha256(json.dumps([served.model, served.body], sort_keys=True).encode()).digest()


def _prompt(messages: str) -> str:
    """The text of a conversation of one turn, without the escapes of the log."""
    text = str(json.loads(messages)[0]["content"])
    return text.replace("\U0010fffd0", "\0").replace("\U0010fffd" * 2, "\U0010fffd")


def _reading(log: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{log.resolve().as_uri()}?mode=ro", uri=True))


def _sorted(db: sqlite3.Connection, sql: str) -> list[str]:
    return sorted(map(repr, db.execute(sql)))


def _one(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0] or 0)


__all__ = [
    "EVALUATOR", "by_model", "counts_wrong", "differing", "judge_pages", "labelled", "ledger_wrong", "repeated",
    "spent", "stored_calls", "unsound", "wrong_winners",
]  # fmt: skip
