"""A log with all that the figures are about: panels, a routed share with shadows, ties, late answers, failures."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ensemble.store import Store, open_store
from ensemble.types import Call, Late, Record, Request
from ensemble.upkeep import derive
from judges.types import Usage, Verdict
from tests.ensemble.store.builders import (
    MEMBERS,
    NOON,
    a_call,
    a_plan,
    a_request,
    a_ruling,
    a_verdict,
    judge_calls,
    said,
)

PRICES = {"small": 1_000, "medium": 10_000, "large": 100_000}
SKILL = {"small": 0.4, "medium": 0.6, "large": 0.9}


def an_answer(request: Request, member: str, **changes: Any) -> Call:
    """A good call of ``member`` at its price."""
    usage = Usage(input_tokens=10, output_tokens=5, nano_usd=PRICES[member])
    told = said(f"answer of {member}", usage=usage)
    return a_call(request.id, member, completion=told, started_at=request.arrived_at, **changes)


def scores_of(rng: random.Random) -> list[float]:
    """How good the members are on one request, in their order; ties happen."""
    return [0.75 * (rng.random() < SKILL[name]) + 0.25 * (rng.random() < 0.5) for name in MEMBERS]


def found(calls: Sequence[Call], scores: Sequence[float]) -> Verdict:
    """A verdict with these scores of the candidates of ``calls``."""
    ids = [call.candidate for call in calls if call.candidate is not None]
    best = [one for one, score in zip(ids, scores, strict=True) if score == max(scores)]
    others = [one for one in ids if one not in best]
    return a_verdict(best, others, scores=dict(zip(ids, scores, strict=True)))


def a_panel(request: Request, scores: Sequence[float]) -> Record:
    """All members at once, judged, the first of the best served."""
    calls = [an_answer(request, name) for name in MEMBERS]
    verdict = found(calls, scores)
    authors = {call.candidate: call.member for call in calls if call.candidate is not None}
    return Record(
        request=request,
        status="answered",
        plan=a_plan(),
        calls=(*calls, *judge_calls(request.id, verdict)),
        authors=authors,
        rulings=(a_ruling(verdict),),
        chosen=verdict.winners[0],
        fallback=None,
        answered_s=1.5,
        config="c" * 64,
    )


def routed(request: Request, scores: Sequence[float]) -> tuple[Record, Late]:
    """Small served alone, the others asked as shadows and all of them judged after the answer."""
    alone = an_answer(request, "small")
    assert alone.candidate is not None
    shadows = [an_answer(request, name, purpose="shadow", after_answer=True) for name in MEMBERS[1:]]
    verdict = found([alone, *shadows], scores)
    plan = a_plan(["small"], shadow=MEMBERS[1:])
    record = Record(
        request=request,
        status="answered",
        plan=plan,
        calls=(alone,),
        authors={alone.candidate: "small"},
        rulings=(),
        chosen=alone.candidate,
        fallback=None,
        answered_s=0.5,
        config="c" * 64,
    )
    judging = (replace(call, after_answer=True) for call in judge_calls(request.id, verdict))
    ruling = a_ruling(verdict, phase="full", chosen=None, overturned=alone.candidate not in verdict.winners)
    authors = {call.candidate: call.member for call in shadows if call.candidate is not None}
    return record, Late(request=request.id, calls=(*shadows, *judging), authors=authors, ruling=ruling)


def a_failure(request: Request) -> Record:
    """Nobody answered, and what the attempt cost is unknown."""
    down = a_call(request.id, "small", failure="unreachable", usage=Usage())
    return Record(
        request=request,
        status="failed",
        plan=a_plan(["small"]),
        calls=(down,),
        authors={},
        rulings=(),
        chosen=None,
        fallback=None,
        answered_s=0.25,
        config="c" * 64,
        error="all_failed",
    )


def asked(rows: int = 60, *, seed: int = 1) -> Iterator[tuple[Record, Late | None]]:
    """Half of them to a panel, half routed, over four days, in conversations of two; and one that failed."""
    rng = random.Random(seed)
    for row in range(rows):
        request = a_request(
            f"question {row}",
            model=("panel", "routed")[row // 2 % 2],
            arrived_at=NOON + timedelta(days=row % 4, minutes=row),
            conversation=f"talk {row // 2}",
            tags={"domain": ("maths", "prose")[row % 2]} if row % 5 else {},
        )
        if request.model == "panel":
            yield a_panel(request, scores_of(rng)), None
        else:
            yield routed(request, scores_of(rng))
    yield a_failure(a_request("failed", model="other", arrived_at=NOON)), None


async def fill(store: Store, rows: int = 60, *, seed: int = 1) -> None:
    """Store what was ``asked``."""
    await put(store, asked(rows, seed=seed))


async def put(store: Store, told: Iterable[tuple[Record, Late | None]]) -> None:
    """Store records, and what came late to them."""
    for record, late in told:
        await store.record(record)
        if late is not None:
            await store.record_late(late)


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    """Sixty judged requests of two routers, and one that failed."""
    path = tmp_path / "log.db"
    store = await open_store(path)
    await fill(store)
    await derive(store)
    await store.close()
    return path
