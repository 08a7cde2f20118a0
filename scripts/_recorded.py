"""What a recorded run must have left behind, and whether it did: answers, rows, money, quality.

What must be is computed from the recording and from what the simulator says it served, never with the product's code.
"""

import math
import sqlite3
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from scripts._runs import Price, Question, Reply

NANO = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One call as the simulator served it, with the tokens that it told."""

    id: str
    model: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was asked and what came back. ``spoilt`` says that the evaluator was made to err."""

    questions: Sequence[Question]
    members: Sequence[str]
    prices: Mapping[str, Price]
    replies: Sequence[Reply]
    failures: Sequence[str]
    served: Sequence[Line]
    seconds: float
    spoilt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Something that must hold; ``found`` tells what was seen."""

    name: str
    kept: bool
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Rows of one table, how many there must be, and why so many."""

    table: str
    rows: int
    must_be: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Nano-USD: the database's total, the sum made apart, and what the clients were told; and the unpriced calls."""

    database: int
    apart: int
    told: int
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A way to choose an answer: its mean recorded preference over the answered questions.

    ``ahead`` is how much better the judge's choice is, in the mean over the same questions, and ``margin`` half the
    95 % interval of that, by the normal approximation.
    """

    choice: str
    mean: float
    ahead: float
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a run found. Of ``quality`` the judge's choice is the first, the oracle the second."""

    promises: Sequence[Promise]
    counts: Sequence[Count]
    ledger: Ledger
    quality: Sequence[Quality]
    p50_s: float
    p99_s: float

    @property
    def broken(self) -> list[Promise]:
        """The promises that were not kept."""
        return [promise for promise in self.promises if not promise.kept]


def inspect(run: Run, database: Path) -> Report:
    """Hold ``database`` against ``run``. Reads only."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        counts, ledger = _counts(db, run), _ledger(db, run)
        wrong_rows = [
            f"{count.table} {count.rows} for {count.must_be}" for count in counts if count.rows != count.must_be
        ]
        promises = [
            _none("every question is answered", run.failures, f"{len(run.replies)} of {len(run.questions)}"),
            _none("every answer is its model's recorded output, byte for byte", list(_foreign_texts(run))),
            _none("reply, header or last chunk and database name the same winner", list(_other_winners(db, run))),
            _none("every candidate in the database is its model's recorded output", list(_foreign_candidates(db, run))),
            _none("every table has exactly the rows that it must have", wrong_rows),
            _none("the database is sound", list(_unsound(db))),
            _none("every call served is one line of the ledger with the same tokens", list(_other_lines(db, run))),
            Promise(
                name="the ledger is the sum made apart, and what the clients were told, to the nano-dollar",
                kept=ledger.database == ledger.apart == ledger.told and ledger.unpriced == 0,
                found=f"{ledger.database} / {ledger.apart} / {ledger.told}, {ledger.unpriced} unpriced",
            ),
        ]
    quality = _quality(run)
    if not run.spoilt:
        missed = [f"{run.questions[reply.at].prompt[:40]!r}" for reply in run.replies if _missed(run, reply)]
        promises.append(_none("an evaluator without noise leads to the best usable answer every time", missed))
    seconds = sorted(reply.seconds for reply in run.replies) or [0.0]
    return Report(
        promises=promises,
        counts=counts,
        ledger=ledger,
        quality=quality,
        p50_s=_quantile(seconds, 0.50),
        p99_s=_quantile(seconds, 0.99),
    )


def cost(lines: Sequence[Line], prices: Mapping[str, Price]) -> int:
    """Nano-USD of ``lines``, each rounded half to even once."""
    total = 0
    for line in lines:
        price = prices[line.model]
        exact = (line.input_tokens * price.input + line.output_tokens * price.output) * NANO / 1_000_000
        total += int(exact.to_integral_value(ROUND_HALF_EVEN))
    return total


def _none(name: str, wrong: Sequence[str], right: str = "") -> Promise:
    """A promise that is kept where nothing is ``wrong``."""
    told = f"{len(wrong)} wrong, the first: {' '.join(wrong[0].split())[:120]}" if wrong else right or "all"
    return Promise(name=name, kept=not wrong, found=told)


def _foreign_texts(run: Run) -> Iterator[str]:
    for reply in run.replies:
        recorded = run.questions[reply.at].outputs.get(reply.winner)
        if recorded is None or reply.text.encode() != recorded.encode():
            yield f"request {reply.id}, said to be by {reply.winner}"


def _other_winners(db: sqlite3.Connection, run: Run) -> Iterator[str]:
    stored = {
        str(row[0]): row[1:]
        for row in db.execute(
            "SELECT r.id, r.member, c.member, c.text, r.stream, r.status FROM requests r "
            "LEFT JOIN candidates c ON c.request_id = r.id AND c.id = r.chosen"
        )
    }
    for reply in run.replies:
        said = (reply.winner, reply.winner, _stored(reply.text), int(reply.streamed), "answered")
        if reply.models != {reply.winner} or stored.get(reply.id) != said:
            yield f"request {reply.id}: reply {sorted(reply.models)}, told {reply.winner}"


def _foreign_candidates(db: sqlite3.Connection, run: Run) -> Iterator[str]:
    asked = {reply.id: run.questions[reply.at] for reply in run.replies}
    for request, member, text in db.execute("SELECT request_id, member, text FROM candidates"):
        question = asked.get(request)
        if question is not None and _stored(question.outputs.get(member, "")) != text:
            yield f"request {request}, {member}"


def _stored(text: str) -> str:
    """A text as the database holds it: NUL, which not every engine takes, behind a private-use code point."""
    return text.replace("\U0010fffd", "\U0010fffd" * 2).replace("\0", "\U0010fffd0")


def _unsound(db: sqlite3.Connection) -> Iterator[str]:
    for (line,) in db.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"integrity_check: {line}"
    for row in db.execute("PRAGMA foreign_key_check"):
        yield f"foreign_key_check: {row[0]} row {row[1]}"


def _other_lines(db: sqlite3.Connection, run: Run) -> Iterator[str]:
    sql = "SELECT provider_request_id, member, input_tokens, output_tokens FROM calls"
    ledger = sorted(map(str, db.execute(sql)))
    served = sorted(str((line.id, line.model, line.input_tokens, line.output_tokens)) for line in run.served)
    if ledger != served:
        yield from sorted(set(ledger) ^ set(served)) or ["a line stands there twice"]


def _counts(db: sqlite3.Connection, run: Run) -> list[Count]:
    n = len(run.questions)
    usable = [len(question.usable) for question in run.questions]
    pages = [max(0, len(set(question.usable.values())) - 1) for question in run.questions]
    panel = sum(len(question.outputs) for question in run.questions)
    must_be = (
        ("requests", n, "one per question"),
        ("plans", n, "one per request"),
        ("calls", len(run.served), "as many as the simulator served"),
        ("calls WHERE purpose = 'candidate'", panel, "one per model and question"),
        ("calls WHERE purpose = 'judge'", sum(pages), "one per page: texts that differ, less one"),
        ("candidates", panel, "one per model and question, empty answers too"),
        ("verdicts", n, "one per request"),
        ("scores", panel, "one per candidate, empty ones too"),
        (
            "preferences",
            sum(max(0, each - 1) for each in usable),
            "one less than usable answers: a knockout, equal texts tie",
        ),
        ("exchanges", sum(pages), "one per page: of equal texts nobody is asked"),
        ("labels WHERE usable = 1", sum(each > 1 for each in usable), "a view: requests that a router may learn from"),
    )
    counted = [
        Count(table=name, rows=_one(db, f"SELECT count(*) FROM {name}"), must_be=number, why=why)  # noqa: S608 - ours
        for name, number, why in must_be
    ]
    sums = (("daily_requests", "requests", n), ("daily_calls", "calls", len(run.served)))
    return counted + [
        Count(table=f"sum of {name}.{of}", rows=_one(db, f"SELECT sum({of}) FROM {name}"), must_be=number, why="rollup")  # noqa: S608
        for name, of, number in sums
    ]


def _ledger(db: sqlite3.Connection, run: Run) -> Ledger:
    return Ledger(
        database=_one(db, "SELECT sum(nano_usd) FROM calls"),
        apart=cost(run.served, run.prices),
        told=int(sum((reply.usd or Decimal(0) for reply in run.replies), Decimal(0)) * NANO),
        unpriced=_one(db, "SELECT count(*) FROM calls WHERE nano_usd IS NULL"),
    )


def _quality(run: Run) -> list[Quality]:
    asked = [run.questions[reply.at] for reply in run.replies]
    usable = [[question.preferences[model] for model in question.usable] for question in asked]
    chosen = [question.worth(reply.text) for question, reply in zip(asked, run.replies, strict=True)]
    always = {f"always {name}": [question.preferences[name] for question in asked] for name in run.members}
    ways = {
        "the judge's choice": chosen,
        "oracle: the best usable answer": [max(each) for each in usable],
        **dict(sorted(always.items(), key=lambda way: -_mean(way[1]))),
        "the longest answer": [question.worth(max(question.usable.values(), key=len)) for question in asked],
        "a random usable answer (expected)": [_mean(each) for each in usable],
    }
    return [_compared(choice, values, chosen) for choice, values in ways.items()]


def _compared(choice: str, values: Sequence[float], chosen: Sequence[float]) -> Quality:
    ahead = [mine - other for mine, other in zip(chosen, values, strict=True)]
    spread = statistics.stdev(ahead) / math.sqrt(len(ahead)) if len(ahead) > 1 else 0.0
    return Quality(choice=choice, mean=_mean(values), ahead=_mean(ahead), margin=1.96 * spread)


def _missed(run: Run, reply: Reply) -> bool:
    question = run.questions[reply.at]
    if reply.text not in question.usable.values():
        return True
    return question.worth(reply.text) < max(map(question.worth, question.usable.values()))


def _one(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0] or 0)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
