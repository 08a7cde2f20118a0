"""Which candidates are worth judging at all: the incomplete ones lose to the complete ones before any judge runs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from judges.forms import Form
from judges.quick import maker, quick, replace
from judges.types import Candidate, CandidateId, Case

State = Literal["complete", "malformed", "truncated", "refused", "other", "empty"]
BEST_FIRST: tuple[State, ...] = ("complete", "malformed", "truncated", "refused", "other", "empty")
"""How near to a complete answer a candidate ended."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """A case cut down to its contenders, and why each of the others was set aside.

    ``contenders`` holds only candidates of one state, ``best``: the best that occurs in the case.
    """

    contenders: Case
    best: State
    set_aside: Mapping[CandidateId, State]

    @property
    def good(self) -> int:
        """How many candidates are complete and of the demanded form."""
        return len(self.contenders.candidates) if self.best == "complete" else 0


_set_apart = maker(Screened)


def state(candidate: Candidate) -> State:
    """How a candidate ended.

    Its form is not looked at. A refusal is one by its finish reason, not by its words; text that merely stopped early
    is ``truncated``, whether a token limit or a broken connection cut it.
    """
    said = candidate.completion
    if said.finish_reason == "refusal":
        return "refused"
    if not said.text.strip() and not said.tool_calls:
        return "empty"
    if said.finish_reason == "length" or said.partial:
        return "truncated"
    return "complete" if said.finish_reason in ("stop", "tool_calls") else "other"


def screen(case: Case) -> Screened:
    """Keep the complete candidates, else those that come nearest: of another form, cut off, refused, other, empty.

    Of another form, ``malformed``, is a complete candidate that is not the JSON which the case demands, calls no
    tool where it has to, or one that is not among its tools, or with arguments that do not fit. Checking a large
    schema takes tens of milliseconds.
    """
    return _screened(case, Form(case))


def _screened(case: Case, form: Form) -> Screened:
    states = {candidate.id: _state(candidate, form) for candidate in case.candidates}
    occurring = set(states.values())
    best: State = min(occurring, key=BEST_FIRST.index, default="complete")
    if len(occurring) <= 1:  # as nearly always
        return _set_apart(contenders=only(case, list(states)), best=best, set_aside={})
    kept = [one for one, how in states.items() if how == best]
    return Screened(
        contenders=only(case, kept),
        best=best,
        set_aside={one: how for one, how in states.items() if how != best},
    )


async def screened(case: Case) -> Screened:
    """``screen`` for an event loop, which does not feel it."""
    form = Form(case)
    return (
        await asyncio.to_thread(_screened, case, form)
        if any([form.concerns(one.completion) for one in case.candidates])
        else _screened(case, form)
    )


def _state(candidate: Candidate, form: Form) -> State:
    how = state(candidate)
    return "malformed" if how == "complete" and not form.holds(candidate.completion) else how


def only(case: Case, ids: list[CandidateId]) -> Case:
    """``case`` with the candidates ``ids`` alone, in the order of the case."""
    kept = frozenset(ids)
    if len(kept) == len(case.candidates) and all(map(kept.issuperset, (case.groups, case.priors, case.comparable))):
        return case
    return replace(
        case,
        candidates=tuple(candidate for candidate in case.candidates if candidate.id in kept),
        groups={one: group for one, group in case.groups.items() if one in kept},
        priors={one: prior for one, prior in case.priors.items() if one in kept},
        comparable=case.comparable & kept,
    )
