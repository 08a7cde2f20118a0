"""What a request fell short of: an answer that came too late for its stage, why there is none, who cost too much."""

import asyncio

from ensemble.errors import (
    DeadlineExceeded,
    EnsembleError,
    InvalidRequest,
    NoCandidate,
    NotPermitted,
    TooLong,
    Unbounded,
    Unsupported,
)
from ensemble.fitness import CONVERSATION
from ensemble.ruling import candidates_of
from ensemble.run import Choice, Run
from ensemble.types import Plan


def spare(run: Run, plan: Plan, start: int = 0) -> Choice | None:
    """The best trusted of what came after its own stage was over: better unjudged than nothing at all.

    Stages before ``start`` are another plan's, and have had their choice.
    """
    calls = [call for call in run.calls if call.purpose == "candidate" and call.stage >= start]
    good = {call.candidate for call in calls if call.good}
    order = [*plan.fallback, *(member for stage in plan.stages for member in stage.members)]
    came = sorted(candidates_of(calls), key=lambda one: (one.id not in good, order.index(run.authors[one.id])))
    if not came:
        return None
    return Choice(came[0], run.authors[came[0].id], "member_order", tuple(one.id for one in came))


def nobody_answered(run: Run) -> EnsembleError:
    """The error of ``run``, none of whose calls brought an answer: what all share, else ``NoCandidate``."""
    last = {(call.member, call.sample): call for call in run.calls if call.purpose == "candidate"}
    told = "; ".join(f"{call.member}: {call.failure} ({call.detail})" for call in last.values())
    calls, why = tuple(run.calls), {call.failure for call in last.values()}
    if asyncio.get_running_loop().time() >= run.request.deadline:
        return DeadlineExceeded(
            f"the deadline came before a first candidate; {told or 'no call had ended'}", calls=calls
        )
    if why == {"too_long"}:
        return TooLong(f"no member has room for the request: {told}", calls=calls)
    if why == {"not_permitted"}:
        return NotPermitted(f"no member may see the request: {told}", calls=calls)
    if why == {"unbounded"}:
        return Unbounded(f"the budget of the key cannot cover any member: {told}", calls=calls)
    allowance = run.request.allowance
    if "over_budget" in why and allowance is not None and allowance.refused is not None:
        return allowance.refused
    names = tuple(dict.fromkeys(name for call in last.values() for name in call.unsupported))
    if last and all(CONVERSATION in call.unsupported for call in last.values()):
        return InvalidRequest(f"{CONVERSATION}: no member can answer this: {told}", param=CONVERSATION)
    if names and not any(call.attempt for call in last.values()):
        return Unsupported(f"no member takes {', '.join(names)}: {told}", names, calls=calls)
    return NoCandidate(f"no member brought an answer: {told}", calls=calls)


def beyond_budget(run: Run) -> str | None:
    """A sentence on who was not asked since the budget of the key does not cover it; None where everybody was."""
    gone = [call for call in run.calls if call.failure in ("over_budget", "unbounded")]
    if not gone:
        return None
    who = sorted({f"{call.member} as a judge" if call.purpose == "judge" else call.member for call in gone})
    return f"the budget of the key did not cover {', '.join(who)}, so fewer were asked"
