"""Counting a request's tokens: who is asked, and what is told where nobody can."""

import asyncio
from dataclasses import dataclass

import pytest

from ensemble.counting import count_tokens
from ensemble.errors import CallFailed, DeadlineExceeded, InvalidRequest, NoCandidate, RouterError
from ensemble.fleet import Fleet
from ensemble.router import Context, Router
from ensemble.types import Plan, Request, Stage
from judges.types import Prompt
from tests.ensemble.doubles import Scripted, a_fleet, a_member, a_request, failed
from tests.ensemble.engine import panel


@dataclass
class Counter(Scripted):
    """A connection that counts, after ``delay_s``, or fails with ``error``."""

    counted: int = 7
    error: CallFailed | None = None

    async def count_tokens(self, model: str, prompt: Prompt) -> int:
        self.prompts.append(prompt)
        await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return self.counted


def fleet_of(**counters: Counter | None) -> Fleet:
    fleet, _ = a_fleet(**{name: a_member(name, system="Be kind.") for name in counters})
    for name, counter in counters.items():
        if counter is not None:
            fleet[name].connection = counter
    return fleet


class Asking(Router):
    """Cannot plan without a model."""

    async def plan(self, request: Request, context: Context) -> Plan:
        try:
            await context.models["a"].complete(request.prompt)
        except Exception as error:
            raise RouterError(str(error)) from error
        return Plan(router=self.digest, stages=(Stage(members=("a",)),))


async def test_the_first_member_that_can_counts_what_it_would_get() -> None:
    counter = Counter([])
    fleet = fleet_of(a=None, b=counter, c=Counter([], counted=9))
    assert await count_tokens(a_request(), panel("a", "b", "c"), fleet) == 7
    assert [message.role for message in counter.prompts[0].messages] == ["system", "user"]


async def test_the_next_one_counts_where_one_fails() -> None:
    fleet = fleet_of(a=Counter([], error=failed()), b=Counter([], counted=9))
    assert await count_tokens(a_request(), panel("a", "b"), fleet) == 9
    with pytest.raises(NoCandidate, match="a: overloaded"):
        await count_tokens(a_request(), panel("a"), fleet)


async def test_where_nobody_counts_the_members_are_named() -> None:
    with pytest.raises(InvalidRequest, match="no provider of a, b counts") as refused:
        await count_tokens(a_request(), panel("a", "b"), fleet_of(a=None, b=None))
    assert refused.value.param == "model"


async def test_who_may_not_see_a_request_counts_nothing_of_it() -> None:
    """Although it is the only one of the plan that could."""
    abroad = Counter([])
    fleet = fleet_of(a=abroad, b=None)
    fleet["a"].data, fleet["b"].data = frozenset({"public"}), frozenset({"patients"})
    with pytest.raises(InvalidRequest, match="no provider of a, b counts"):
        await count_tokens(a_request(data_class="patients"), panel("a", "b"), fleet)
    assert not abroad.prompts
    assert await count_tokens(a_request(data_class="public"), panel("a", "b"), fleet) == 7


async def test_the_deadline_holds() -> None:
    with pytest.raises(DeadlineExceeded):
        await count_tokens(a_request(seconds=0.01), panel("a"), fleet_of(a=Counter([], delay_s=30)))


async def test_no_model_is_asked_and_so_paid_for_a_count() -> None:
    fleet = fleet_of(a=None, b=Counter([]))
    assert await count_tokens(a_request(), Asking.model_validate({"fallback": ["b"]}), fleet) == 7
    with pytest.raises(NoCandidate, match="without asking a model"):
        await count_tokens(a_request(), Asking(), fleet)
