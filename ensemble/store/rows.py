"""A record as rows: one tuple per row, in the order of ``COLUMNS``. Nothing here knows an engine.

Names of members, judges and models are strings of classes of their own. They are rows' as plain ones: for any other
class `sqlite3` looks for an adapter first, at the price of two exceptions.

``x and bind(x)`` is ``bind_optional(x)`` without the call: most of these are None or empty.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import attrgetter

from ensemble.store.content import (
    bind,
    bind_optional,
    json_text,
    logprobs_json,
    messages_json,
    options_json,
    real,
    stamp,
)
from ensemble.types import Call, Late, Plan, Record, RequestId, Ruling, Stage
from judges.types import CandidateId, Exchange, Prompt, Usage, Verdict

Value = str | int | float | None
Row = tuple[Value, ...]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "requests": (
        "id", "arrived_at", "status", "model", "dialect", "stream", "conversation", "key_id", "tenant", "data_class",
        "end_user", "idempotency_key", "tags", "metadata", "domain", "prompt_hash", "messages", "options", "chosen",
        "member", "fallback", "answered_s", "error", "error_detail", "config", "source", "reference", "domain_by",
        "content", "ranking",
    ),
    "plans": (
        "request_id", "router", "stages", "fallback_order", "shadow", "predicted", "propensities", "reason", "warnings",
    ),
    "calls": (
        "request_id", "id", "member", "purpose", "seat", "candidate_id", "stage", "sample", "attempt", "hedge",
        "started_at", "total_s", "first_token_s", "failure", "detail", "finish_reason", "text", "http_status",
        "provider_request_id", "model", "system_fingerprint", "dropped", "transport", "member_digest", "price",
        "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens",
        "image_tokens", "nano_usd", "provider_nano_usd", "after_answer", "key", "run", "batch", "logprobs",
    ),
    "candidates": (
        "request_id", "id", "call_id", "member", "purpose", "stage", "sample", "after_answer", "text", "tool_calls",
        "finish_reason", "logprobs", "reasoning", "stop_sequence",
    ),
    "verdicts": (
        "id", "request_id", "parent", "stage", "judge", "judge_digest", "phase", "outcome", "winners", "chosen",
        "confidence", "fallback", "complete", "overturned", "usable", "own_family", "all_bad", "disagreement", "flags",
        "weights", "reason", "started_at", "total_s", "input_tokens", "output_tokens", "nano_usd", "case_key", "panel",
    ),
    "scores": ("verdict_id", "candidate_id", "score", "winner", "set_aside"),
    "preferences": ("verdict_id", "position", "shown_first", "shown_second", "outcome", "strength", "exchange"),
    "exchanges": (
        "verdict_id", "position", "call_id", "prompt", "model", "shown", "text", "finish_reason", "logprobs", "parsed",
        "error", "attempt", "input_tokens", "output_tokens", "nano_usd",
    ),
}  # fmt: skip
"""Columns per table, in the order in which the foreign keys want the tables written."""


OVERTURNED = "the full panel's verdict names another winner"
"""Why a person is to look at an answer that was served before that verdict."""
_ARRAYS = (tuple, list)
_RULES = tuple(rule.name for rule in fields(Stage) if rule.name != "samples")
_rules_of = attrgetter(*_RULES)


@dataclass(slots=True)
class Rows:
    """The rows of one transaction, and where they count in the daily sums.

    Attributes:
        router: name under which they count; None for late rows, until the writer has looked it up.
        day: UTC day of the request's arrival; None likewise.
        settled: reservations that go with these rows.
        review: why a person is to look at the answer; None where none is.
        begun: the request has a row that says that it is being streamed; this one takes its place.
    """

    request: RequestId
    router: str | None = None
    day: str | None = None
    overturned: bool = False
    settled: tuple[str, ...] = ()
    review: str | None = None
    begun: bool = False
    tables: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in COLUMNS})


def rows_of(record: Record) -> Rows:
    """The rows of one request.

    Raises:
        ValueError: a number is not finite, a time has no zone, or JSON is nested too deeply.
        TypeError: a value is of a type that its field does not allow.
    """
    request = record.request
    arrived = stamp(request.arrived_at)
    row = _request(record, arrived)
    overturned = any(ruling.overturned for ruling in record.rulings)
    rows = Rows(
        request.id,
        router=bind(request.model),
        day=arrived[:10],
        overturned=overturned,
        review=record.review or (OVERTURNED if overturned else None),
        begun=record.begun,
    )
    rows.tables["requests"].append(row)
    if record.plan is not None and not record.begun:  # the plan came with the row before
        rows.tables["plans"].append(_plan(request.id, record.plan))
    _calls(rows, record.calls, record.authors, record.rulings)
    return rows


def late_rows_of(late: Late) -> Rows:
    """The rows of what came after the answer. Raises as ``rows_of`` does."""
    overturned = late.ruling is not None and late.ruling.overturned
    review = OVERTURNED if overturned else None
    rows = Rows(late.request, overturned=overturned, settled=late.settled, review=review)
    _calls(rows, late.calls, late.authors, (late.ruling,) if late.ruling else (), late.asked)
    return rows


def _request(record: Record, arrived: str) -> Row:
    request = record.request
    messages, options = messages_json(request.prompt.messages), options_json(request.prompt)
    member = record.authors.get(record.chosen) if record.chosen is not None else None
    domain = request.tags.get("domain", request.metadata.get("domain", request.domain))
    return (
        request.id,
        arrived,
        record.status,
        bind(request.model),
        bind(request.dialect),
        1 if request.stream else 0,
        request.conversation and bind(request.conversation),
        request.key_id and bind(request.key_id),
        request.tenant and bind(request.tenant),
        request.data_class and bind(request.data_class),
        request.user and bind(request.user),
        request.idempotency_key and bind(request.idempotency_key),
        _json(request.tags),
        _json(request.metadata),
        domain and bind(domain),
        hashlib.sha256(messages + b"\n" + options).hexdigest(),
        messages.decode(),
        options.decode(),
        record.chosen,
        None if member is None else str(member),
        record.fallback,
        float(record.answered_s),
        record.error,
        record.error_detail and bind(record.error_detail),
        record.config,
        request.source,
        request.reference and bind(request.reference),
        request.domain_by if request.domain is not None and domain == request.domain else None,
        "kept",
        _json(record.ranking),
    )


def prompt_hash(prompt: Prompt) -> str:
    """SHA-256 (64 hex digits) by which equal prompts are found in the log: messages, a line feed, options."""
    return hashlib.sha256(messages_json(prompt.messages) + b"\n" + options_json(prompt)).hexdigest()


def _plan(request: RequestId, plan: Plan) -> Row:
    return (
        request,
        plan.router,
        f"[{','.join([_stage(tuple(stage.samples.items()), *_rules_of(stage)) for stage in plan.stages])}]",
        _json(plan.fallback),
        _json(plan.shadow),
        _json(plan.predicted),
        _json(plan.propensities),
        bind(plan.reason),
        _json(plan.warnings),
    )


@lru_cache(maxsize=256, typed=True)
def _stage(samples: tuple[tuple[str, int], ...], *rules: object) -> str:
    """The rules of a stage that are set, as JSON: None is the lack of a rule. A router's stages are mostly the same."""
    told = {name: rule for name, rule in zip(_RULES, rules, strict=True) if rule is not None}
    return json_text({**told, "samples": dict(samples)})


def _calls(
    rows: Rows,
    calls: tuple[Call, ...],
    authors: Mapping[CandidateId, str],
    rulings: tuple[Ruling, ...],
    stored: tuple[Call, ...] = (),
) -> None:
    asked = _Asked((*stored, *calls))
    for ruling in rulings:
        _ruling(rows, ruling, asked)
    made: set[CandidateId] = set()
    for call in calls:
        said = call.completion
        # The first good attempt is the candidate; two can be good where one was a hedge.
        held = call.id in asked.taken
        candidate = call.candidate
        if said and candidate and call.failure is None and candidate in authors and candidate not in made:
            made.add(candidate)
            rows.tables["candidates"].append(_candidate(call, authors[candidate]))
            held = True
        rows.tables["calls"].append(_call(call, held=held))


def _call(call: Call, *, held: bool) -> Row:
    said, usage = call.completion, call.usage
    dropped = said.dropped if said else call.unsupported
    return (
        call.request,
        call.id,
        call.member,
        call.purpose,
        None if call.seat is None else str(call.seat),
        call.candidate,
        call.stage,
        call.sample,
        call.attempt,
        1 if call.hedge else 0,
        stamp(call.started_at),
        call.total_s,
        said.first_token_s if said else None,
        call.failure,
        call.detail and bind(call.detail),
        said.finish_reason if said else None,
        None if held or said is None else bind(said.text),
        call.http_status,
        call.provider_request_id and bind(call.provider_request_id),
        said.model and bind(said.model) if said else None,
        said.system_fingerprint and bind(said.system_fingerprint) if said else None,
        _json(dropped) if dropped else "[]",
        call.transport,
        call.member_digest,
        call.price,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.image_tokens,
        usage.nano_usd,
        usage.provider_nano_usd,
        1 if call.after_answer else 0,
        call.key,
        call.run and bind(call.run),
        call.batch,
        None if held or said is None or said.logprobs is None else logprobs_json(said.logprobs),
    )


def _candidate(call: Call, member: str) -> Row:
    said = call.completion
    assert said is not None  # noqa: S101 - for the type checker: `_calls` asks for calls with a completion only
    return (
        call.request,
        call.candidate,
        call.id,
        str(member),
        call.purpose,
        call.stage,
        call.sample,
        1 if call.after_answer else 0,
        bind(said.text),
        _json(said.tool_calls) if said.tool_calls else None,
        said.finish_reason,
        None if said.logprobs is None else logprobs_json(said.logprobs),
        _json(said.reasoning) if said.reasoning else None,
        said.stop_sequence and bind(said.stop_sequence),
    )


class _Asked:
    """Finds the line of the ledger behind an exchange: the same text at the same usage, each line once."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self.taken: set[str] = set()
        self._lines: dict[tuple[str, Usage], list[str]] = {}
        for call in calls:
            if call.purpose == "judge" and call.completion is not None:
                self._lines.setdefault((call.completion.text, call.completion.usage), []).append(call.id)

    def behind(self, exchange: Exchange) -> str | None:
        lines = self._lines.get((exchange.text, exchange.usage))
        if not lines:
            return None
        self.taken.add(lines[0])
        return lines.pop(0)


def _ruling(rows: Rows, ruling: Ruling, asked: _Asked) -> None:
    _found(rows, ruling, asked, stamp(ruling.started_at), ruling.id, None, ruling.verdict)


def _found(
    rows: Rows, ruling: Ruling, asked: _Asked, started: str, id_: str, parent: str | None, verdict: Verdict
) -> None:
    tables = rows.tables
    tables["verdicts"].append(_verdict(rows.request, ruling, started, id_, parent, verdict))
    tables["scores"] += _scores(id_, verdict, ruling.set_aside if parent is None else {})
    for n, p in enumerate(verdict.preferences):
        strength = real(p.strength, "preferences.strength")
        tables["preferences"].append((id_, n, *p.shown, p.outcome, strength, p.exchange))
    for n, exchange in enumerate(verdict.exchanges):
        tables["exchanges"].append(_exchange(id_, n, exchange, asked))
    for index, ballot in enumerate(verdict.ballots):
        _found(rows, ruling, asked, started, f"{id_}/{index}", id_, ballot)


def _verdict(request: RequestId, ruling: Ruling, started: str, id_: str, parent: str | None, verdict: Verdict) -> Row:
    own = parent is None
    return (
        id_,
        request,
        parent,
        ruling.stage,
        str(ruling.judge) if own else None,
        verdict.judge,
        ruling.phase,
        verdict.outcome,
        _json(verdict.winners),
        ruling.chosen if own else None,
        None if verdict.confidence is None else real(verdict.confidence, "verdicts.confidence"),
        ruling.fallback if own else None,
        1 if own and ruling.complete else 0,
        1 if own and ruling.overturned else 0,
        1 if own and ruling.usable else 0,
        1 if verdict.own_family else 0,
        1 if verdict.all_bad else 0,
        real(ruling.disagreement, "verdicts.disagreement") if own else None,
        _json(verdict.flags),
        verdict.weights,
        bind(verdict.reason),
        started,
        ruling.total_s,
        verdict.usage.input_tokens,
        verdict.usage.output_tokens,
        verdict.usage.nano_usd,
        ruling.case_key if own else None,
        _json(ruling.panel) if own and ruling.panel else None,
    )


def _scores(id_: str, verdict: Verdict, set_aside: Mapping[CandidateId, str]) -> list[Row]:
    winners, scores = verdict.winners, verdict.scores
    named = dict.fromkeys((*winners, *scores, *set_aside))
    for preference in verdict.preferences:
        named.update(dict.fromkeys(preference.shown))
    return [
        (
            id_,
            one,
            scores.get(one),
            1 if one in winners else 0,
            bind_optional(set_aside.get(one)) if set_aside else None,
        )
        for one in named
    ]


def _exchange(id_: str, position: int, exchange: Exchange, asked: _Asked) -> Row:
    return (
        id_,
        position,
        asked.behind(exchange),
        exchange.prompt,
        str(exchange.model),
        _json(exchange.shown),
        bind(exchange.text),
        exchange.finish_reason,
        None if exchange.logprobs is None else logprobs_json(exchange.logprobs),
        exchange.parsed and bind(exchange.parsed),
        exchange.error and bind(exchange.error),
        exchange.attempt,
        exchange.usage.input_tokens,
        exchange.usage.output_tokens,
        exchange.usage.nano_usd,
    )


def _json(tree: object) -> str:
    # Most of these are empty; the type of a tuple is quicker to tell than that of a mapping.
    return json_text(tree) if tree else "[]" if isinstance(tree, _ARRAYS) else "{}"
