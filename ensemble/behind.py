"""The path of a request with a leader: it speaks, and the panel and its judge work behind it."""

import asyncio
from collections.abc import Sequence
from typing import Literal, Protocol

from ensemble.events import Began, Grew
from ensemble.fanout import FanOut, cancel
from ensemble.leading import Lead, trusted
from ensemble.ruling import overturning
from ensemble.run import Choice, Run
from ensemble.shortfall import nobody_answered
from ensemble.types import Call, Plan, Ruling, Stage, answers_of

VERDICT_S = 60.0
"""Most seconds that the verdict may take after the last of the panel."""


class Engine(Protocol):
    """What carries out the parts of a request."""

    async def begin(self, run: Run) -> None:
        """Commit that a leader begins to speak. Raises StoreUnavailable."""
        ...

    async def ask(self, run: Run, stage: Stage, index: int, places: Sequence[tuple[str, int]], until: float) -> FanOut:
        """Ask the members of ``places``, each with the number of its sample, until ``until``."""
        ...

    async def judged(
        self, run: Run, plan: Plan, index: int, panel: Sequence[Call], until: float, phase: Literal["served", "full"]
    ) -> Ruling:
        """What the judge of that stage finds on ``panel`` until ``until``."""
        ...


async def led(engine: Engine, run: Run, plan: Plan, leader: str | None) -> Choice:
    """Let the leader of ``plan`` speak; ``run.behind`` is left to whoever records what is still under way then.

    Raises:
        StreamBroken: the leader broke off when a part of its answer had gone out.
        EnsembleError: nobody answered, or the request could not be committed.
    """
    run.lead = lead = Lead(trusted(plan, leader))
    run.behind = behind = asyncio.get_running_loop().create_task(_panel(engine, run, plan))
    behind.add_done_callback(lambda _: lead.over())
    try:
        while (candidate := await lead.speaks(run.begin, run.request.deadline)) and not lead.ended:
            if not run.begun:
                await engine.begin(run)
            if lead.leader == candidate:  # it may have failed meanwhile
                run.tell(Began, member=run.authors[candidate], thought=lead.thought)
                lead.let_out(lambda text: run.tell(Grew, text=text))
                break
        if candidate is None:
            behind.result()  # it has ended; what it raised, if anything, is the cause
            raise nobody_answered(run)
        spoken = await lead.spoken()
        # What it said stands by now. The verdict, which cannot change that, is waited for only by request.
        await asyncio.wait({behind}, timeout=plan.stages[0].grace_s)
    except BaseException:
        await cancel({behind})
        raise
    if behind.done():
        run.behind = None
        if (ruling := behind.result()) is not None:
            run.rulings.append(overturning(ruling, candidate))
    return Choice(spoken, run.authors[candidate], None, (candidate,))


async def _panel(engine: Engine, run: Run, plan: Plan) -> Ruling | None:
    (stage,) = plan.stages
    fanned = await engine.ask(run, stage, 0, stage.seats(), run.request.deadline)
    await cancel(set(fanned.late))
    run.panel = fanned.done
    if stage.judge is None or not answers_of(fanned.done):
        return None
    until = asyncio.get_running_loop().time() + VERDICT_S
    return await engine.judged(run, plan, 0, fanned.done, until, "full")
