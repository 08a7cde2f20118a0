"""Tool calls and JSON are judged as what they are: first whether they fit, then by value."""

import json
from typing import Any

import pytest

from ensemble.simulator import ToolUse, reply
from tests.served import PANEL, Served, a_question, a_tool
from tests.stories.conftest import Serve

JUDGED = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "llm"
"""
SCHEMA = {"type": "object", "properties": {"celsius": {"type": "integer"}}, "required": ["celsius"]}
FORM = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}


def call(arguments: str, name: str = "weather") -> Any:
    return reply(finish="tool_calls", tool_calls=(ToolUse(id="call_1", name=name, arguments=arguments),))


async def set_aside(served: Served, reply_id: str) -> dict[str, str]:
    """Why members were set aside."""
    record = await served.record(reply_id)
    (verdict,) = record["verdicts"]
    authors = {one["id"]: one["member"] for one in record["candidates"]}
    return {authors[one["candidate_id"]]: one["set_aside"] for one in verdict["scores"] if one["set_aside"]}


async def test_json_that_does_not_fit_loses_to_json_that_does(served: Served) -> None:
    """The judge prefers the longest, and never sees it."""
    served.simulator.script("alpha", [reply('{"celsius": -3}')])
    served.simulator.script("beta", [reply('{"celsius": "three degrees below zero, and windy"}')])
    served.simulator.script("gamma", [reply("It is three degrees below zero, and the wind makes it colder.")])
    _, said, _ = await served.post(a_question(response_format=FORM))
    assert (said["model"], json.loads(said["choices"][0]["message"]["content"])) == ("alpha", {"celsius": -3})
    assert await set_aside(served, said["id"]) == {"beta": "malformed", "gamma": "malformed"}


async def test_without_a_judge_the_first_that_fits_is_served(serve: Serve) -> None:
    served = await serve('[routers.panel]\nuse = "parallel"\nmembers = ["alpha", "beta", "gamma"]\n')
    served.simulator.script("alpha", [reply("Cold.")])
    served.simulator.script("beta", [reply('{"celsius": -3}')])
    served.simulator.script("gamma", [reply('{"celsius": -4}')])
    assert (await served.post(a_question(response_format=FORM)))[1]["model"] == "beta"


async def test_a_call_that_cannot_be_carried_out_loses(served: Served) -> None:
    served.simulator.script("alpha", [call('{"city": "Oslo"}')])
    served.simulator.script("beta", [call('{"city": ["Oslo", "Bergen", "Trondheim"]}')])
    served.simulator.script("gamma", [call('{"city": "Oslo"}', name="a_tool_that_nobody_offered")])
    _, said, _ = await served.post(a_question(tools=[a_tool()]))
    assert said["model"] == "alpha"
    assert await set_aside(served, said["id"]) == {"beta": "malformed", "gamma": "malformed"}


@pytest.mark.parametrize("judged", [True, False])
async def test_words_lose_where_a_call_is_demanded(serve: Serve, judged: bool) -> None:
    served = await serve(PANEL if judged else PANEL.replace('judge = "longest"', ""))
    served.simulator.script("alpha", [reply("In Oslo it is three degrees below zero, as far as I know.")])
    served.simulator.script("beta", [call('{"city": "Oslo"}')])
    served.simulator.script("gamma", [reply("Cold.")])
    _, said, _ = await served.post(a_question(tools=[a_tool()], tool_choice="required"))
    assert said["model"] == "beta"
    if judged:
        assert await set_aside(served, said["id"]) == {"alpha": "malformed", "gamma": "malformed"}


@pytest.mark.parametrize(
    ("texts", "good"),
    [(('{"celsius": -3}', '{"celsius": "cold"}', "Cold."), 1), (("Cold.", "Windy.", "Dark."), 0)],
    ids=["one fits", "none fits"],
)
async def test_what_does_not_fit_counts_for_no_panel(serve: Serve, texts: tuple[str, str, str], good: int) -> None:
    served = await serve(f"{PANEL}min_panel = 2\n[routers.panel.trust]\nmin_panel = 2\n")
    for name, text in zip(("alpha", "beta", "gamma"), texts, strict=True):
        served.simulator.script(name, [reply(text)])
    _, said, headers = await served.post(a_question(response_format=FORM))
    assert headers["x-ensemble-warning"] == f"the answer is in doubt: min_panel 2: good candidates are {good}"
    (verdict,) = (await served.record(said["id"]))["verdicts"]
    assert not verdict["usable"]


@pytest.mark.parametrize("stream", [False, True])
async def test_where_nothing_fits_the_client_is_told(served: Served, stream: bool) -> None:
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [reply("Cold.")])
    question = a_question(response_format=FORM, stream=stream)
    async with served.http.post(f"{served.url}/chat/completions", json=question) as answer:
        said = await answer.text()
        assert answer.status == 200
    assert "no answer has the form that the request demands" in said
    if not stream:
        assert answer.headers["x-ensemble-warning"] == "no answer has the form that the request demands"


async def test_equal_arguments_are_a_tie_that_no_judge_is_paid_for(serve: Serve) -> None:
    served = await serve(JUDGED)
    served.simulator.script("alpha", [call('{"city": "Oslo", "days": 1}')])
    served.simulator.script("beta", [call('{ "days": 1.0, "city": "Oslo" }')])
    served.simulator.script("gamma", [call('{"days":1,"city":"Oslo"}')])
    _, said, _ = await served.post(a_question(tools=[a_tool()], ensemble={"include": ["verdict"]}))
    verdict = said["ensemble"]["verdict"]
    assert (verdict["outcome"], len(verdict["winners"])) == ("tie", 3)
    assert not [one for one in served.simulator.served if one.model == "critic"]
