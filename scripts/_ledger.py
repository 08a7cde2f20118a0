"""Holds the ledger of a run against what the simulator says it served: call by call, and in sum.

What must be is computed from the simulator's own records and from prices as written, never with the product's code.
"""

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Literal, NamedTuple

from scripts._runs import Price, Reply

NANO = 10**9
MARK = "ledger question"
"""Before the number that every prompt holds, so that a call shows for which question it was made."""
NEVER_SENT = frozenset({"skipped", "unreachable", "too_long", "rejected", "timeout", "cancelled"})
"""Failures of a line that may cost nothing although no reply says so: it never left the house."""
CUT_OFF = frozenset({"cancelled", "timeout", "cut_stream"})
"""Failures of a line whose call was given up here: the provider may have worked, and nobody told for how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One call as the simulator served it. ``told_*`` are None where the client was not told; ``question`` of whom."""

    id: str
    member: str
    question: int | None
    status: int | None
    fault: str | None
    worked_input: int
    worked_output: int
    told_input: int | None
    told_output: int | None

    @property
    def refused(self) -> bool:
        """Turned away by its status, for which nobody bills."""
        return self.status not in (None, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as the client saw it; ``reply`` only where it was answered."""

    at: int
    streamed: bool
    end: Literal["answered", "failed", "left"]
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was asked, what the simulator served, and the prices by member.

    ``full`` is for a run so long that hedges and every kind of fault must have come up.
    """

    asked: Sequence[Asked]
    served: Sequence[Upstream]
    prices: Mapping[str, Price]
    faults: Sequence[str]
    seconds: float
    full: bool


class Line(NamedTuple):
    """One row of ``calls``, as it stands there."""

    request: str
    question: int | None
    member: str
    attempt: int
    hedge: int
    late: int
    failure: str | None
    http_status: int | None
    id: str | None
    input: int | None
    output: int | None
    nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Something that must hold; ``wrong`` lists every breach."""

    name: str
    wrong: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Calls whose usage was told, with their tokens and nano-USD."""

    calls: int
    input: int
    output: int
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Calls of one kind that the simulator worked on and the ledger holds without a price.

    ``nano_usd`` is what the simulator would have billed, None where no such call arrived there.
    """

    failure: str
    fault: str
    calls: int
    nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was found. ``sums`` holds per member what the simulator says and what the ledger says."""

    promises: Sequence[Promise]
    sums: Mapping[str, tuple[Sums, Sums]]
    unknown: Sequence[Unknown]
    lines: Mapping[str, int]

    @property
    def broken(self) -> list[Promise]:
        """The promises that were not kept."""
        return [promise for promise in self.promises if promise.wrong]


class Matched(NamedTuple):
    """Lines beside their calls: by the provider's id, by question and member, and what is left on either side."""

    by_id: Sequence[tuple[Line, Upstream]]
    by_question: Sequence[tuple[Line, Upstream]]
    lines: Sequence[Line]
    calls: Sequence[Upstream]


def inspect(run: Run, database: Path) -> Report:
    """Hold ``database`` against ``run``. Reads only."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        lines = list(_lines(db))
        rollup = db.execute("SELECT sum(calls), sum(nano_usd) FROM daily_calls").fetchone()
        statuses: dict[str, str] = dict(db.execute("SELECT id, status FROM requests"))
    matched = match(lines, run.served)
    sums = {name: (_told(run, matched, name), _held(lines, name)) for name in run.prices}
    known = sum(line.nano_usd or 0 for line in lines)
    other_days = [] if rollup == (len(lines), known) else [f"{rollup} for {(len(lines), known)}"]
    promises = [
        Promise(name="every answered request is in the log", wrong=list(_not_logged(run, statuses))),
        Promise(name="every call served is one line of the ledger", wrong=[_call(each) for each in matched.calls]),
        Promise(name="a line with an id has its call's tokens and price", wrong=list(_other(matched, run.prices))),
        Promise(name="what was served and not told has an unknown price, never 0", wrong=list(_priced(matched))),
        Promise(name="a line without a call was given up or never sent", wrong=list(_made_up(matched))),
        Promise(
            name="the sums are equal to the token and nano-dollar",
            wrong=[f"{name}: {held} for {told}" for name, (told, held) in sums.items() if told != held],
        ),
        Promise(name="clients were told the sum of their lines", wrong=list(_told_otherwise(run, lines))),
        Promise(name="the daily sums agree", wrong=other_days),
        Promise(name="the run had all that it is to prove", wrong=list(_missing(run, lines))),
    ]
    return Report(
        promises=promises, sums=sums, unknown=list(_unknown(matched, run.prices)), lines=Counter(_kinds(lines))
    )


def match(lines: Sequence[Line], served: Sequence[Upstream]) -> Matched:
    """Bring lines and calls together; a line without an id goes to a call that was made for the same question."""
    open_calls = {call.id: call for call in served}
    by_id, without, unmatched = list[tuple[Line, Upstream]](), list[Line](), list[Line]()
    for line in lines:
        call = open_calls.pop(line.id, None) if line.id is not None else None
        if call is not None:
            by_id.append((line, call))
        else:
            (without if line.id is None else unmatched).append(line)
    waiting: dict[tuple[int | None, str], list[Upstream]] = defaultdict(list)
    for call in open_calls.values():
        waiting[call.question, call.member].append(call)
    by_question: list[tuple[Line, Upstream]] = []
    # Unknown prices first: of two lines the one that says "never sent" must not take the call from the other.
    for line in sorted(without, key=lambda line: line.nano_usd is not None):
        calls = waiting[line.question, line.member]
        if calls and not _may_be_free(line):
            by_question.append((line, calls.pop()))
        else:
            unmatched.append(line)
    return Matched(by_id, by_question, unmatched, [call for calls in waiting.values() for call in calls])


def cost(price: Price, input: int, output: int) -> int:
    """Nano-USD of one call, rounded half to even once."""
    exact = (input * price.input + output * price.output) * NANO / 1_000_000
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def question_in(body: object) -> int | None:
    """The number of the question that ``body``, a request to a model in any format, is about."""
    found = re.search(rf"{MARK} (\d+)", body if isinstance(body, str) else json.dumps(body))
    return int(found[1]) if found else None


def _lines(db: sqlite3.Connection) -> Iterator[Line]:
    sql = (
        "SELECT c.request_id, r.messages, c.member, c.attempt, c.hedge, c.after_answer, c.failure, c.http_status, "
        "c.provider_request_id, c.input_tokens, c.output_tokens, c.nano_usd "
        "FROM calls c JOIN requests r ON r.id = c.request_id ORDER BY c.id"
    )
    for request, messages, *rest in db.execute(sql):
        yield Line(request, question_in(messages), *rest)


def _may_be_free(line: Line) -> bool:
    return line.nano_usd == 0 and line.failure in NEVER_SENT and line.http_status is None


def _must_be(call: Upstream, price: Price) -> tuple[int | None, int | None, int | None]:
    """Tokens in and out, and nano-USD, as a ledger that has heard the reply must hold them."""
    if call.refused:
        return None, None, 0
    if call.told_input is None or call.told_output is None:
        return call.told_input, call.told_output, None
    return call.told_input, call.told_output, cost(price, call.told_input, call.told_output)


def _not_logged(run: Run, statuses: Mapping[str, str]) -> Iterator[str]:
    for one in run.asked:
        if one.reply is not None and statuses.get(one.reply.id) != "answered":
            yield f"question {one.at}, request {one.reply.id}"


def _other(matched: Matched, prices: Mapping[str, Price]) -> Iterator[str]:
    for line, call in matched.by_id:
        held = (line.question, line.member, line.input, line.output, line.nano_usd)
        must = (call.question, call.member, *_must_be(call, prices[call.member]))
        if held != must:
            yield f"{call.id}, {call.fault or 'sound'}: {held} for {must}"


def _priced(matched: Matched) -> Iterator[str]:
    for line, call in matched.by_question:
        if line.nano_usd is not None:
            yield f"{_call(call)}: {line.nano_usd} nano-USD, {line.failure}"
    for line, call in matched.by_id:
        if not call.refused and line.nano_usd == 0:
            yield f"{_call(call)}: 0 nano-USD, {line.failure}"


def _made_up(matched: Matched) -> Iterator[str]:
    for line in matched.lines:
        given_up = line.nano_usd is None and line.failure in CUT_OFF and line.http_status is None
        if line.id is not None or not (given_up or _may_be_free(line)):
            yield f"{line.member} for question {line.question}: {line.failure}, {line.nano_usd} nano-USD, {line.id}"


def _told_otherwise(run: Run, lines: Sequence[Line]) -> Iterator[str]:
    costs: dict[str, list[int | None]] = defaultdict(list)
    for line in lines:
        if not line.late:
            costs[line.request].append(line.nano_usd)
    for one in run.asked:
        if one.reply is None:
            continue
        known = [each for each in costs[one.reply.id] if each is not None]
        must = sum(known) if len(known) == len(costs[one.reply.id]) else None
        told = None if one.reply.usd is None else one.reply.usd * NANO
        if told != must:
            yield f"request {one.reply.id}: told {told} for {must}"


def _missing(run: Run, lines: Sequence[Line]) -> Iterator[str]:
    counts = Counter(_kinds(lines))
    wanted = ("retries", "cancelled calls", "late calls", *(["hedges"] if run.full else []))
    yield from (f"no {kind}" for kind in wanted if not counts[kind])
    ends = Counter(one.end for one in run.asked)
    yield from (f"nobody {end}" for end in ("answered", "left") if not ends[end])
    if {one.streamed for one in run.asked} != {True, False}:
        yield "only one way of asking"
    if run.full:
        played = {call.fault for call in run.served}
        yield from (f"no {fault}" for fault in run.faults if fault not in played)


def _kinds(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        yield "lines"
        if line.attempt > 1 and not line.hedge:
            yield "retries"
        if line.hedge:
            yield "hedges"
        if line.failure == "cancelled":
            yield "cancelled calls"
        if line.late:
            yield "late calls"
        if line.nano_usd is None:
            yield "unknown prices"
        if line.attempt == 0 or line.failure == "skipped":
            yield "never sent"


def _told(run: Run, matched: Matched, member: str) -> Sums:
    """What the simulator told about all its calls, without those that were given up here before they were heard."""
    unheard = {call.id for _, call in matched.by_question}
    told = [
        (call.told_input, call.told_output)
        for call in run.served
        if call.member == member and call.id not in unheard and not call.refused
        if call.told_input is not None and call.told_output is not None
    ]
    price = run.prices[member]
    return Sums(
        calls=len(told),
        input=sum(pair[0] for pair in told),
        output=sum(pair[1] for pair in told),
        nano_usd=sum(cost(price, *pair) for pair in told),
    )


def _held(lines: Sequence[Line], member: str) -> Sums:
    priced = [line for line in lines if line.member == member and line.nano_usd]
    return Sums(
        calls=len(priced),
        input=sum(line.input or 0 for line in priced),
        output=sum(line.output or 0 for line in priced),
        nano_usd=sum(line.nano_usd or 0 for line in priced),
    )


def _unknown(matched: Matched, prices: Mapping[str, Price]) -> Iterator[Unknown]:
    kinds: dict[tuple[str, str], list[int | None]] = defaultdict(list)
    for line, call in (*matched.by_id, *matched.by_question):
        if line.nano_usd is None:
            worked = cost(prices[call.member], call.worked_input, call.worked_output)
            kinds[line.failure or "a good answer", call.fault or "none"].append(worked)
    for line in matched.lines:
        if line.nano_usd is None:
            kinds[line.failure or "a good answer", "never arrived"].append(None)
    for (failure, fault), costs in sorted(kinds.items()):
        total = None if None in costs else sum(each or 0 for each in costs)
        yield Unknown(failure=failure, fault=fault, calls=len(costs), nano_usd=total)


def _call(call: Upstream) -> str:
    return f"{call.id}, {call.member} for question {call.question}, status {call.status}, {call.fault or 'sound'}"


def dollars(nano_usd: int) -> str:
    """For a table."""
    return f"{Decimal(nano_usd) / NANO:.9f}"
