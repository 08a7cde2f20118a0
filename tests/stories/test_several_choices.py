"""OpenAI's ``n``: the n best candidates in the judge's order, as the official client reads them."""

from typing import Any

import openai
import pytest

from ensemble.simulator import reply, status
from tests.served import Served
from tests.stories.conftest import Serve

ASKED: Any = {"model": "panel", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
LENGTHS = {"alpha": "No idea.", "beta": "Because air scatters short waves more.", "gamma": "By scattering of light."}


def say(served: Served, times: int = 1) -> None:
    for name, text in LENGTHS.items():
        served.simulator.script(name, [reply(text + "!" * n) for n in range(times)])


async def ask(served: Served, n: int, **more: Any) -> tuple[list[Any], Any]:
    """The texts of the choices, and the reply."""
    async with served.client() as client:
        said = await client.chat.completions.create(**{**ASKED, **more}, n=n)
    assert [choice.index for choice in said.choices] == list(range(len(said.choices)))
    return [choice.message.content for choice in said.choices], said


async def test_the_best_come_in_the_judges_order(serve: Serve) -> None:
    """Two agree, so they are better than alpha, who is trusted most."""
    served = await serve(
        '[judges.same]\nuse = "agreement"\n'
        '[routers.panel]\nuse = "parallel"\nmembers = ["alpha", "beta", "gamma"]\njudge = "same"\n'
    )
    for wanted in (2, 3):
        for name, text in {"alpha": "43", "beta": "42", "gamma": "The answer is 42."}.items():
            served.simulator.script(name, [reply(text)])
        texts, said = await ask(served, wanted)
        assert texts == ["42", "The answer is 42.", "43"][:wanted]
        assert said.usage.total_tokens > wanted
    assert len(served.simulator.served) == 6


async def test_a_panel_that_is_too_small_gives_further_samples(served: Served) -> None:
    say(served, times=2)
    texts, said = await ask(served, 5)
    assert texts[0] == LENGTHS["beta"] + "!"
    assert sorted(texts) == sorted(
        [LENGTHS["gamma"], *(LENGTHS[one] + end for one in ("alpha", "beta") for end in ("", "!"))]
    )
    record = await served.record(said.id)
    assert "5 answers are wanted" in record["plan"]["reason"]
    assert len(record["calls"]) == 5


async def test_one_member_alone_answers_as_often_as_is_wanted(served: Served) -> None:
    say(served, times=3)
    texts, said = await ask(served, 3, model="alpha")
    assert (said.model, sorted(texts)) == ("alpha", [LENGTHS["alpha"] + "!" * n for n in range(3)])


async def test_where_a_member_fails_the_others_make_up_for_it(served: Served) -> None:
    served.simulator.script("gamma", [status(400)])
    say(served, times=2)
    texts, _ = await ask(served, 3)
    assert texts == [LENGTHS["beta"], LENGTHS["alpha"], LENGTHS["alpha"] + "!"]


async def test_what_cannot_be_had_is_told(served: Served) -> None:
    for name in ("alpha", "gamma"):
        served.simulator.script(name, [status(400)])
    served.simulator.script("beta", [reply("The only one."), status(400), status(400)])
    texts, said = await ask(served, 3)
    assert texts == ["The only one."]
    assert said.ensemble["warnings"] == ["3 answers were wanted, 1 came"]


async def test_a_quorum_waits_for_all_that_are_wanted(serve: Serve) -> None:
    served = await serve(
        '[routers.panel]\nuse = "parallel"\nmembers = ["alpha", "beta", "gamma"]\njudge = "longest"\nquorum = 1\n'
    )
    say(served)
    assert len((await ask(served, 3))[0]) == 3


async def test_limits_that_leave_no_room_are_refused_by_name(served: Served) -> None:
    async with served.client() as client:
        with pytest.raises(openai.BadRequestError, match="leave room for 1 of 2") as refused:
            await client.chat.completions.create(**ASKED, n=2, metadata={"max_cost_usd": "0.000000001"})
    assert refused.value.param == "n"
    assert not served.simulator.served


async def test_choices_are_streamed_under_their_numbers(served: Served) -> None:
    say(served)
    async with served.client() as client:
        streamed = await client.chat.completions.create(**ASKED, n=3, stream=True)
        told = [choice async for chunk in streamed for choice in chunk.choices]
    texts = ["".join(one.delta.content or "" for one in told if one.index == index) for index in range(3)]
    assert texts == [LENGTHS["beta"], LENGTHS["alpha"], LENGTHS["gamma"]], "no scores, so the rest is in order of trust"


async def test_what_is_not_of_the_demanded_form_comes_last(served: Served) -> None:
    for name, text in {"alpha": "A long text that is no JSON at all.", "beta": "{}", "gamma": '{"a": 1}'}.items():
        served.simulator.script(name, [reply(text)])
    texts, _ = await ask(served, 3, response_format={"type": "json_object"})
    assert texts == ['{"a": 1}', "{}", "A long text that is no JSON at all."]
