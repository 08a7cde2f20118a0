"""A pipeline over scripted members, with a judge and a store that do as they are told."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ensemble.errors import RouterError, StoreError
from ensemble.fanout import Stragglers
from ensemble.fleet import Fleet
from ensemble.pipeline import Pipeline
from ensemble.router import Context, Router
from ensemble.routers.parallel import Parallel
from ensemble.store import Store
from ensemble.types import Late, Plan, Record, Request
from judges.judge import Judge
from judges.types import Case, Message, Model, Prompt, Verdict
from tests.ensemble.doubles import a_fleet, a_member


@dataclass
class Kept:
    """A store that keeps what it is told, or refuses."""

    records: list[Record] = field(default_factory=list)
    lates: list[Late] = field(default_factory=list)
    broken: bool = False
    late_faults: list[StoreError] = field(default_factory=list)

    async def record(self, record: Record) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        self.records.append(record)

    async def record_late(self, late: Late) -> None:
        if self.late_faults:
            raise self.late_faults.pop(0)
        self.lates.append(late)


class Picky(Judge):
    """Prefers the candidate whose text has the most exclamation marks; what it does before that is set by fields."""

    use = "picky"
    fail: bool = False
    crash: bool = False
    slow_s: float = 0.0
    asks: str = ""

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        await asyncio.sleep(self.slow_s)
        if self.asks:
            await models[self.asks].complete(Prompt(messages=(Message(role="user", content="which?"),)))
        if self.crash:
            raise ZeroDivisionError
        if self.fail:
            return Verdict(judge=self.digest, outcome="failed", reason="no idea")
        marks = {c.id: c.completion.text.count("!") for c in case.candidates}
        best = tuple(i for i, n in marks.items() if n == max(marks.values()))
        scores = {i: min(1.0, n / 10) for i, n in marks.items()}
        return Verdict(judge=self.digest, outcome="decided" if len(best) == 1 else "tie", winners=best, scores=scores)


class Planned(Router):
    """A router that returns the plan it was given."""

    use = "planned"
    made: Any = None

    async def plan(self, request: Request, context: Context) -> Plan:
        if self.made is None:
            raise RouterError("cannot read the artifact")
        return cast("Plan", self.made)


def a_pipeline(
    fleet: Fleet, router: Router, judge: Judge | None = None, *, stragglers: Stragglers | None = None
) -> tuple[Pipeline, Kept]:
    kept = Kept()
    judges = {"picky": judge or Picky()}
    made = Pipeline(
        routers={"panel": router},
        fleet=fleet,
        judges=judges,
        store=cast("Store", kept),
        stragglers=stragglers or Stragglers(),
        config="c",
    )
    return made, kept


def panel(*members: str, **options: Any) -> Parallel:
    return Parallel.model_validate({"members": members, "judge": "picky", **options})


def trio(**replies: Any) -> Any:
    return a_fleet(**{name: a_member(name, *([reply] if reply else [])) for name, reply in replies.items()})[0]


async def settle(pipeline: Pipeline) -> None:
    await pipeline.stragglers.idle()
