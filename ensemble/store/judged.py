"""Stored verdicts as verdicts, with the lengths and the authors of what they were on: one request after another."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from ensemble.store.address import Where
from ensemble.store.content import dumps, loads, stamp, unbind
from ensemble.store.database import Database
from ensemble.store.opening import reading
from ensemble.store.people import Words, opinion, words
from ensemble.types import RequestId
from judges.types import CandidateId, Exchange, Preference, Usage, Verdict

_VERDICTS = """
SELECT
    v.id, v.request_id, v.parent, root.judge AS judge, v.judge_digest, v.outcome, v.winners, v.confidence,
    v.own_family, v.all_bad, v.flags, v.weights, v.input_tokens, v.output_tokens, v.nano_usd,
    (
        SELECT json_group_array(json_array(s.candidate_id, s.score)) FROM scores s
        WHERE s.verdict_id = v.id AND s.score IS NOT NULL
    ) AS scores,
    (
        SELECT json_group_array(json_array(p.shown_first, p.shown_second, p.outcome, p.strength, p.exchange))
        FROM preferences p WHERE p.verdict_id = v.id
    ) AS preferences,
    (
        SELECT json_group_array(json_array(e.position, e.prompt, e.model, e.shown, e.parsed, e.error, e.attempt))
        FROM exchanges e WHERE e.verdict_id = v.id
    ) AS exchanges,
    CASE WHEN v.parent IS NULL THEN (
        SELECT json_group_array(json_array(c.id, c.member, length(c.text))) FROM candidates c
        WHERE c.request_id = v.request_id
            AND CASE WHEN v.panel IS NULL THEN c.stage = v.stage AND (v.phase = 'full' OR c.after_answer = 0)
                ELSE c.id IN (SELECT value FROM json_each(v.panel)) END
            AND NOT EXISTS (
                SELECT 1 FROM scores s
                WHERE s.verdict_id = v.id AND s.candidate_id = c.id AND s.set_aside IS NOT NULL
            )
    ) END AS candidates
FROM verdicts v
JOIN verdicts root ON root.id =
    CASE instr(v.id, '/') WHEN 0 THEN v.id ELSE substr(v.id, 1, CAST(instr(v.id, '/') - 1 AS INTEGER)) END
WHERE {where}
ORDER BY v.id
"""
# Ordered by the primary key, so that nothing is sorted and a verdict comes just before its ballots.
_SINCE = _VERDICTS.format(where="root.started_at >= :since AND (CAST(:judge AS TEXT) IS NULL OR root.judge = :judge)")
_OF = _VERDICTS.format(where="v.request_id IN (SELECT value FROM json_each(:ids))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Who wrote a candidate, and how long its text is, in characters."""

    member: str
    characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One stored verdict.

    Attributes:
        judge: its name in the configuration.
        verdict: with its ballots; without raw texts, logprobs and reasons, which statistics have no need of.
        candidates: what the judge was shown.
        best: what people found best among them: all for a tie, none where all are bad; None where nobody told, or
            they contradict one another.
    """

    request: RequestId
    judge: str
    verdict: Verdict
    candidates: Mapping[CandidateId, Written] = field(default_factory=dict)
    best: frozenset[CandidateId] | None = None


@contextmanager
def judged(where: Where, *, judge: str | None = None, since: datetime | None = None) -> Iterator[Iterator[Judged]]:
    """The verdicts of the log ``where`` in order of arrival, read in one snapshot, one at a time; nothing is written.

    ``judge`` takes those of one judge alone, ``since`` (an aware time) those that were given then or later. Blocks.

    Raises:
        StoreError: there is no such log, or it cannot be read.
    """
    with reading(where) as db:
        yield _judged(db, _SINCE, {"judge": judge, "since": stamp(since) if since else ""}, words(db))


def judged_of(db: Database, ids: Sequence[RequestId]) -> Iterator[Judged]:
    """The verdicts on the requests ``ids``, in the order in which they were given, one at a time. Blocks."""
    return _judged(db, _OF, {"ids": dumps(ids).decode()}, words(db, ids))


def _judged(db: Database, sql: str, which: dict[str, str | None], people: Mapping[str, Words]) -> Iterator[Judged]:
    rows = db.query(sql, which)
    for _, group in groupby(rows, key=lambda row: row["id"].partition("/")[0]):
        root, *ballots = group
        written = cast("list[tuple[CandidateId, str, int]]", loads(root["candidates"]))
        shown = {one: Written(member=member, characters=size) for one, member, size in written}
        yield Judged(
            request=RequestId(root["request_id"]),
            judge=unbind(root["judge"]),
            verdict=_tree(root, ballots),
            candidates=shown,
            best=_best(people.get(root["request_id"]), frozenset(shown)),
        )


def _best(told: Words | None, shown: frozenset[CandidateId]) -> frozenset[CandidateId] | None:
    """What most people say; None where as many say something else, or none of it is among what was judged."""
    found = opinion(told, shown) if told else None
    return None if found is None or found.split else found.best


def _tree(row: Mapping[str, Any], below: Sequence[Mapping[str, Any]]) -> Verdict:
    own = sorted((one for one in below if one["parent"] == row["id"]), key=lambda one: _number(one["id"]))
    return replace(
        _verdict(row),
        ballots=tuple(_tree(one, [deep for deep in below if deep["id"].startswith(f"{one['id']}/")]) for one in own),
    )


def _number(id_: str) -> int:
    return int(id_.rpartition("/")[2])


def _verdict(row: Mapping[str, Any]) -> Verdict:
    preferences: Any = loads(row["preferences"])
    exchanges: Any = loads(row["exchanges"])
    scores: Any = loads(row["scores"])
    winners: Any = loads(row["winners"])
    flags: Any = loads(row["flags"])
    return Verdict(
        judge=row["judge_digest"],
        outcome=row["outcome"],
        winners=tuple(winners),
        scores=dict(scores),
        confidence=row["confidence"],
        preferences=tuple(
            Preference(shown=(one, other), outcome=outcome, strength=strength, exchange=exchange)
            for one, other, outcome, strength, exchange in preferences
        ),
        exchanges=tuple(map(_exchange, sorted(exchanges, key=itemgetter(0)))),
        flags=tuple(flags),
        own_family=bool(row["own_family"]),
        all_bad=bool(row["all_bad"]),
        weights=row["weights"],
        usage=Usage(input_tokens=row["input_tokens"], output_tokens=row["output_tokens"], nano_usd=row["nano_usd"]),
    )


def _exchange(columns: list[Any]) -> Exchange:
    _, prompt, model, shown, parsed, error, attempt = columns
    told: Any = loads(shown)
    return Exchange(prompt=prompt, model=model, shown=tuple(told), text="", parsed=parsed, error=error, attempt=attempt)
