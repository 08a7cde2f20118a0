"""The second pass: everything that an export says of one request, read from the log, its texts already made fit to go.

What may not leave is taken out here, before any format sees it: texts of members whose provider allows no training on
them (``Leaving.withheld``), and what is redacted.
"""

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ensemble.store.content import dumps, loads, unbind
from ensemble.store.database import Database
from ensemble.store.export.fields import Row
from ensemble.store.export.filters import FINDING, Filters
from ensemble.store.export.leaving import Leaving
from ensemble.store.export.people import Heard, heard
from ensemble.store.export.talk import said, turns_of
from ensemble.store.schema_17 import AS_JUDGED, PLAIN

_REQUEST = f"""
SELECT r.*, v.id AS verdict_id, f.id AS finding, v.judge, v.judge_digest, v.phase, v.stage AS verdict_stage,
    f.confidence, v.complete,
    v.overturned, v.own_family, v.all_bad, v.panel, p.propensities, v.id IS NOT NULL AND v.usable = 1 AS v_usable,
    v.id IS NULL OR v.fallback IS NOT NULL OR v.outcome NOT IN ('decided', 'tie') AS undecided
FROM requests r LEFT JOIN verdicts v ON v.id = {FINDING} LEFT JOIN verdicts f ON f.id = {PLAIN}
    LEFT JOIN plans p ON p.request_id = r.id
WHERE r.id = :id
"""  # noqa: S608 - own constants
_ANSWERS = """
SELECT c.id, c.call_id, c.member, c.stage, c.sample, c.after_answer, c.text, c.tool_calls, s.score,
    coalesce(s.winner, 0), a.set_aside
FROM candidates c LEFT JOIN scores s ON s.verdict_id = ? AND s.candidate_id = c.id
    LEFT JOIN scores a ON a.verdict_id = ? AND a.candidate_id = c.id
WHERE c.request_id = ? ORDER BY c.member, c.sample, c.call_id
"""
_CALLS = f"""
SELECT k.member, k.candidate_id, k.hedge, k.nano_usd, k.total_s, k.model, k.started_at, {AS_JUDGED}
FROM calls k LEFT JOIN verdicts v ON v.id = ?
WHERE k.request_id = ? AND k.purpose IN ('candidate', 'shadow') ORDER BY k.started_at, k.id
"""  # noqa: S608 - an own constant
_DATASET = """
SELECT dataset, row_id FROM dataset_rows
WHERE request_id = :id AND (CAST(:dataset AS TEXT) IS NULL OR dataset = :dataset)
ORDER BY dataset, position, row_id LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One candidate.

    Attributes:
        turn: its message as a conversation holds it; None where its text is withheld.
        judged: the finding is on it too.
        set_aside: why it lost before the judge saw it.
    """

    id: str
    member: str
    turn: Row | None
    judged: bool
    score: float | None
    best: bool
    set_aside: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of one member at one request, over its samples; money in nano-USD, time in seconds."""

    score: float | None
    spread: float | None
    samples: int
    nano_usd: int | None
    total_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a member returned as its model, and when it was called."""

    member: str
    model: str | None
    started_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request with the finding that is taken for it.

    Attributes:
        row: the columns of the request that any format may need, texts made fit to go.
        kind: ``full``, ``early``, ``fallback``, ``own_family`` or ``all_bad``, as in ``labels``.
        best: members; none where the label is not usable.
        figures: by member, every one that was called.
        panel: whether it was stored which answers the finding is on; else ``judged`` is what the stage tells.
        people: how many spoke, ``agreed`` how many of them say this; 0 where they were not asked for, or were silent.
    """

    row: Row
    turns: list[Row]
    answers: tuple[Answer, ...]
    figures: Mapping[str, Figures]
    kind: str
    source: str
    judge: str | None
    judged_by: str | None
    verdict: str | None
    confidence: float | None
    complete: bool
    usable: bool
    best: tuple[str, ...]
    panel: bool
    people: int = 0
    agreed: int = 0
    propensities: Mapping[str, float] = field(default_factory=dict)
    seen: tuple[Seen, ...] = ()

    @property
    def judged(self) -> list[Answer]:
        """The answers that the finding is on, or that lost before it."""
        return [answer for answer in self.answers if answer.judged]


def case(db: Database, id_: str, filters: Filters, leaving: Leaving) -> Case:
    """Read one request that was picked."""
    parameters = filters.parameters() | {"id": id_}
    row: dict[str, Any] = next(iter(db.query(_REQUEST, parameters)))
    human = heard(db, id_) if filters.people == "first" else None
    answers = _answers(db, row, human, leaving)
    calls = db.execute(_CALLS, [row["verdict_id"], id_]).fetchall()
    kind, usable = _kind(row), bool(row["v_usable"]) and not row["undecided"]
    if human is not None:
        kind, usable = human.kind, human.usable
    dataset = db.execute(_DATASET, parameters).fetchone() or (None, None)
    turns = leaving.turns(db, row["conversation"], turns_of(row["messages"]))
    return Case(
        row=_row(row, dataset, turns, leaving),
        turns=turns,
        answers=answers,
        figures=_figures(answers, calls),
        kind=kind,
        source="judge" if human is None else "human",
        judge=None if human else _text(row["judge"]),
        judged_by=leaving.text(", ".join(human.opinion.by)) if human else row["judge_digest"],
        verdict=None if human else row["verdict_id"],
        confidence=None if human else row["confidence"],
        complete=human.whole if human else bool(row["complete"]),
        usable=usable,
        best=tuple(sorted({answer.member for answer in answers if answer.best})) if usable else (),
        panel=human is not None or row["panel"] is not None,
        people=human.opinion.people if human else 0,
        agreed=len(human.opinion.by) if human else 0,
        propensities=cast("dict[str, float]", loads(row["propensities"] or "{}")),
        seen=tuple(Seen(member=call[0], model=_text(call[5]), started_at=call[6]) for call in calls),
    )


def _kind(row: Mapping[str, Any]) -> str:
    # As the view `labels` says it.
    if row["undecided"]:
        return "fallback"
    if row["all_bad"]:
        return "all_bad"
    return "own_family" if row["own_family"] else "full" if row["complete"] else "early"


def _answers(db: Database, row: Mapping[str, Any], human: Heard | None, leaving: Leaving) -> tuple[Answer, ...]:
    found = db.execute(_ANSWERS, [row["finding"], row["verdict_id"], row["id"]]).fetchall()
    panel = frozenset(cast("list[str]", loads(row["panel"]))) if row["panel"] else None
    out = []
    for id_, _, member, stage, _, late, text, calls, score, best, aside in found:
        if human is not None:
            judged, score, best = True, human.ratings.get(id_), id_ in human.opinion.best
        elif row["verdict_id"] is None:
            judged = False
        elif panel is not None:
            judged = id_ in panel
        else:
            judged = stage == row["verdict_stage"] and (row["phase"] == "full" or not late)
        out.append(
            Answer(
                id=id_,
                member=unbind(member),
                turn=leaving.answer(unbind(member), said(unbind(text), loads(calls) if calls else None)),
                judged=judged,
                score=score,
                best=bool(best),
                set_aside=None if aside is None or human else leaving.text(unbind(aside)),
            )
        )
    return tuple(out)


def _figures(answers: Collection[Answer], calls: Collection[tuple[Any, ...]]) -> dict[str, Figures]:
    # As the view `labels` counts them: money of every attempt, time of the slowest sample with its retries, by the
    # settings that were judged.
    former = {call[1] for call in calls if not call[7]}
    calls = [call for call in calls if call[7]]
    answers = [answer for answer in answers if answer.id not in former]
    members = sorted({*(unbind(call[0]) for call in calls), *(answer.member for answer in answers)})
    out = {}
    for member in members:
        own = [answer for answer in answers if answer.member == member]
        scores = [answer.score for answer in own if answer.score is not None]
        costs = [call[3] for call in calls if unbind(call[0]) == member]
        times = [spent for one in own if (spent := _spent(one, calls)) is not None]
        mean = math.fsum(scores) / len(scores) if scores else None
        out[member] = Figures(
            score=mean,
            spread=_spread(scores, mean) if mean is not None and len(scores) > 1 else None,
            samples=len(own),
            nano_usd=sum(costs) if costs and None not in costs else None,
            total_s=max(times, default=None),
        )
    return out


def _spent(answer: Answer, calls: Collection[tuple[Any, ...]]) -> float | None:
    known = [call[4] for call in calls if call[1] == answer.id and not call[2] and call[4] is not None]
    return sum(known) if known else None


def _spread(scores: Collection[float], mean: float) -> float:
    return math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / len(scores))


def _row(row: Mapping[str, Any], dataset: tuple[Any, Any], turns: list[Row], leaving: Leaving) -> Row:
    options = cast("dict[str, Any]", loads(row["options"]))
    told = leaving.text
    tools = options.get("tools")
    return {
        "id": row["id"],
        "arrived_at": row["arrived_at"],
        # Whoever knows the hash of a text can try what was redacted, so it is that of the text as it goes out.
        "prompt_hash": row["prompt_hash"] if leaving.redactor is None else _hash(turns),
        "router": _text(row["model"]),
        "origin": row["source"],
        "conversation": told(_text(row["conversation"])),
        "dataset": _text(dataset[0]),
        "row_id": told(_text(dataset[1])),
        "domain": told(_text(row["domain"])),
        "domain_by": row["domain_by"],
        "reference": told(_text(row["reference"])),
        "tools": told(dumps(tools).decode()) if tools else None,
    }


def _hash(turns: list[Row]) -> str:
    return hashlib.sha256(dumps(turns)).hexdigest()


def _text(value: str | None) -> str | None:
    return None if value is None else unbind(value)
