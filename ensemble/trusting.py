"""What becomes of an answer that is not good enough to be trusted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from ensemble.errors import EnsembleError, NoCandidate, NotConfident
from ensemble.router import Router
from ensemble.run import Choice, Run
from ensemble.trust import Minimum, Trust
from ensemble.types import Plan
from judges.forms import Form
from judges.types import Completion

log = logging.getLogger(__name__)

Escalate = Callable[[Run, str], Awaitable[Choice]]
"""Asks the named router in addition, and raises EnsembleError where it brings nothing."""


async def below(trust: Trust, run: Run, choice: Choice) -> dict[Minimum, str]:
    """The minima that the chosen answer does not reach, each with a sentence; what is unknown is below any minimum."""
    low = dict[Minimum, str]()
    stage = next(call.stage for call in run.calls if call.candidate == choice.candidate.id)
    ruling = next((one for one in reversed(run.rulings) if one.stage == stage), None)
    verdict = ruling.verdict if ruling is not None and choice.fallback is None else None
    if trust.min_panel is not None:
        good = await _good(run, stage)
        if good < trust.min_panel:
            low["min_panel"] = f"min_panel {trust.min_panel}: good candidates are {good}"
    if trust.min_confidence is not None:
        confidence = None if verdict is None else verdict.confidence
        if confidence is None or confidence < trust.min_confidence:
            told = "no judge decided" if verdict is None else "the confidence of the verdict is "
            known = "" if verdict is None else "unknown" if confidence is None else f"{confidence:.3g}"
            low["min_confidence"] = f"min_confidence {trust.min_confidence:g}: {told}{known}"
    if trust.min_score is not None:
        score = None if verdict is None else verdict.scores.get(choice.candidate.id)
        if score is None or score < trust.min_score:
            told = "unknown" if score is None else f"{score:.3g}"
            low["min_score"] = f"min_score {trust.min_score:g}: the score of the answer is {told}"
    return low


async def _good(run: Run, stage: int) -> int:
    """How many candidates of ``stage`` are complete and of the demanded form."""
    calls = [call for call in run.calls if call.good and call.stage == stage]
    good = {call.candidate: call.completion for call in calls if call.candidate and call.completion}
    form = Form(run.request.prompt)
    if not any(map(form.concerns, good.values())):
        return len(good)
    # A large schema takes tens of milliseconds.
    return await asyncio.to_thread(lambda: sum(map(form.holds, good.values())))


async def _misshapen(run: Run, said: Completion) -> bool:
    """Whether ``said`` lacks the form that the request demands: whatever has it goes before, so nobody's answer has."""
    prompt = run.request.prompt
    if prompt.response_format is None and not prompt.tools and not said.tool_calls:
        return False
    form = Form(prompt)
    # A large schema takes tens of milliseconds.
    return form.concerns(said) and not await asyncio.to_thread(form.holds, said)


async def trusted(run: Run, first: Awaitable[Choice], routers: Mapping[str, Router], escalate: Escalate) -> Choice:
    """The ``first`` choice, or what the ways out lead to; ``run`` is told what to warn of and what to review.

    Whatever the router's table says, the client is warned of an answer that has not the form which it demanded.

    Raises:
        NotConfident: the way out is to refuse.
        EnsembleError: there is no first choice, and the stronger panel brings nothing either.
    """
    trust = routers[run.request.model].trust
    try:
        choice = await first
    except NoCandidate:
        if trust is None or trust.escalate_to is None or trust.way(trust.stated) != "escalate":
            raise
        choice = await escalate(run, trust.escalate_to)
        trust = _next(trust, routers)
    low: dict[Minimum, str] = {}
    while trust is not None and (low := await below(trust, run, choice)):
        way, told = trust.way(low), "; ".join(low.values())
        if way == "refuse":
            raise NotConfident(f"no answer is good enough to be served: {told}")
        if way != "escalate" or trust.escalate_to is None:
            if way == "review":
                run.review = told
            warn(run, f"the answer {'waits for review' if way == 'review' else 'is in doubt'}: {told}")
            break
        name = trust.escalate_to
        trust = _next(trust, routers)
        try:
            choice = await escalate(run, name)
        except EnsembleError as error:
            log.warning("request %s: escalation to %s brought nothing: %s", run.request.id, name, error.code)
            warn(run, f"{told}; the stronger panel of {name} brought nothing ({error.code})")
    if "min_panel" not in low and await _misshapen(run, choice.candidate.completion):
        warn(run, "no answer has the form that the request demands")
    return choice


def _next(trust: Trust, routers: Mapping[str, Router]) -> Trust:
    """What holds after the escalation: the other router's table, or the same minima with a warning as the way out."""
    other = routers[trust.escalate_to].trust if trust.escalate_to else None
    return other or trust.model_copy(update={"on_low": {}, "escalate_to": None})


def escalated(before: Plan, more: Plan, name: str) -> Plan:
    """The plan ``before`` with the stages of the router ``name`` behind its own.

    Its propensities say nothing of who is served now, so off-policy evaluation gets none and refuses such rows.
    """
    return replace(
        before,
        stages=(*before.stages, *more.stages),
        fallback=(*before.fallback, *more.fallback),
        propensities={},
        reason=f"{before.reason}; escalated to {name}: {more.reason}",
        warnings=(*before.warnings, *more.warnings),
    )


def warn(run: Run, sentence: str) -> None:
    """Have the client told, and the log."""
    if run.plan is not None:
        reason = f"{run.plan.reason}; {sentence}" if run.plan.reason else sentence
        run.plan = replace(run.plan, reason=reason, warnings=(*run.plan.warnings, sentence))
