"""What a member does not take is dropped, recorded and told; with ``strict_params`` the member is left out instead."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from ensemble.simulator import reply
from tests.served import PARTS, SERVER
from tests.stories.conftest import TRANSPORTS, Shared, sharing

pytestmark = pytest.mark.asyncio(loop_scope="module")
MEMBER = "max_attempts = 1\nmax_output_tokens = 100\nprice = {{ input = 1, output = 2 }}\n"
CLAUDE = f"""
[providers.claude]
use = "anthropic"
base_url = "{{anthropic_url}}"

[providers.claude-of-old]
use = "anthropic"
base_url = "{{anthropic_url}}"
api_version = "2023-06-01"

[members.claude]
provider = "claude"
model = "beta"
{MEMBER}
[members.careful]
provider = "claude"
model = "beta"
strict_params = true
{MEMBER}
[members.old]
provider = "claude-of-old"
model = "beta"
strict_params = true
{MEMBER}
[members.critical]
provider = "claude"
model = "critic"
strict_params = true
{MEMBER}
[members.inventive]
provider = "claude"
model = "beta"
options = {{{{ top_k = 3 }}}}
{MEMBER}"""
ROUTERS = """
[routers.lax]
use = "parallel"
members = ["alpha", "claude"]
judge = "longest"

[routers.strict]
use = "parallel"
members = ["alpha", "claude"]
judge = "longest"
strict_params = true

[routers.nobody]
use = "parallel"
members = ["claude", "careful"]
strict_params = true

[routers.judged]
use = "parallel"
members = ["alpha", "gamma"]
judge = "claude-judge"
strict_params = true

[judges.claude-judge]
use = "pairwise"
model = "critical"
order = "single"
options = { temperature = 0 }
"""
LONG = "a much longer answer"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def members(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    """They say the same in every test; the judge finds its first candidate better."""
    folder = tmp_path_factory.mktemp("strict")
    async with sharing(request.param, folder, ROUTERS + SERVER, parts=PARTS + CLAUDE) as opened:
        for model, text in {"alpha": "short", "beta": LONG, "gamma": "another", "critic": "[[A]]"}.items():
            opened.served.simulator.always(model, reply(text))
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def shared(members: Shared) -> Shared:
    """From a new beginning."""
    return await members.begin()


async def ask(shared: Shared, model: str, **options: Any) -> Any:
    """The official client's answer; the chunks, where it is asked to stream."""
    async with shared.served.client() as client:
        question: Any = [{"role": "user", "content": "Why?"}]
        said: Any = await client.chat.completions.create(model=model, messages=question, **options)
        return [chunk async for chunk in said] if options.get("stream") else said


async def dropped_by(shared: Shared, request_id: str) -> dict[str, tuple[Any, Any, Any]]:
    """Failure, what was dropped, and the cost of every call, by member."""
    record = await shared.served.record(request_id)
    return {call["member"]: (call["failure"], call["dropped"], call["nano_usd"]) for call in record["calls"]}


async def test_what_is_dropped_is_told_without_asking_and_recorded_per_call(shared: Shared) -> None:
    said = await ask(shared, "lax", temperature=0.3, top_p=0.9)
    assert said.choices[0].message.content == LONG
    assert sorted(said.model_extra["ensemble"]["dropped"]) == ["temperature", "top_p"]
    calls = await dropped_by(shared, said.id)
    assert (calls["alpha"][1], sorted(calls["claude"][1])) == ([], ["temperature", "top_p"])
    sent = {one.model: one.body for one in shared.calls}
    assert sent["alpha"]["temperature"] == 0.3
    assert {"temperature", "top_p"} & set(sent["beta"]) == set()


async def test_what_the_configuration_asks_for_is_told_as_well(shared: Shared) -> None:
    said = await ask(shared, "inventive")
    assert said.model_extra["ensemble"]["dropped"] == ["top_k"]
    assert "top_k" not in shared.calls[0].body


async def test_nothing_is_told_where_nothing_was_dropped(shared: Shared) -> None:
    said = await ask(shared, "lax")
    assert "ensemble" not in said.model_extra


async def test_candidates_tell_what_each_of_them_dropped(shared: Shared) -> None:
    said = await ask(shared, "lax", seed=3, extra_body={"ensemble": {"include": ["candidates"]}})
    told = {one["member"]: one["dropped"] for one in said.model_extra["ensemble"]["candidates"]}
    assert told == {"alpha": [], "claude": ["seed"]}


@pytest.mark.parametrize("usage", [False, True])
async def test_the_last_chunk_of_a_stream_tells_it(shared: Shared, usage: bool) -> None:
    chunks = await ask(shared, "lax", temperature=0.3, stream=True, stream_options={"include_usage": usage})
    assert chunks[-1].model_extra["ensemble"]["dropped"] == ["temperature"]
    assert all("ensemble" not in chunk.model_extra for chunk in chunks[:-1])


async def test_a_strict_router_leaves_the_member_out_and_pays_nothing(shared: Shared) -> None:
    said = await ask(shared, "strict", temperature=0.3, top_p=0.9)
    assert said.choices[0].message.content == "short"
    failure, dropped, cost = (await dropped_by(shared, said.id))["claude"]
    assert (failure, sorted(dropped), cost) == ("skipped", ["temperature", "top_p"], 0)
    record = await shared.served.record(said.id)
    (detail,) = (call["detail"] for call in record["calls"] if call["member"] == "claude")
    assert detail == "strict_params: claude does not take temperature, top_p, which the request states"
    assert [one.model for one in shared.calls] == ["alpha"]


async def test_a_strict_router_asks_everybody_who_takes_it_all(shared: Shared) -> None:
    assert (await ask(shared, "strict")).choices[0].message.content == LONG


async def test_nobody_left_is_a_400_that_names_the_parameters(shared: Shared) -> None:
    with pytest.raises(openai.BadRequestError, match="no member takes temperature, top_p") as caught:
        await ask(shared, "nobody", temperature=0.3, top_p=0.9)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", None)
    body: Any = caught.value.body
    assert [one["member"] for one in body["candidates"]] == ["claude", "careful"]
    assert [one["failure"] for one in body["candidates"]] == ["skipped", "skipped"]
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(shared, "nobody", seed=1)
    assert caught.value.param == "seed"
    with pytest.raises(openai.APIError, match="no member takes seed"):
        await ask(shared, "nobody", seed=1, stream=True)
    assert not shared.calls


async def test_a_strict_member_is_left_out_of_any_router(shared: Shared) -> None:
    with pytest.raises(openai.BadRequestError, match="careful does not take temperature"):
        await ask(shared, "careful", temperature=0.3)
    assert (await ask(shared, "claude", temperature=0.3)).choices[0].message.content == LONG


async def test_an_older_version_of_the_api_takes_what_the_current_one_does_not(shared: Shared) -> None:
    assert (await ask(shared, "old", temperature=0.3)).choices[0].message.content == LONG
    (sent,) = shared.calls
    assert (sent.body["temperature"], sent.headers["anthropic-version"]) == (0.3, "2023-06-01")


async def test_what_a_judge_asks_for_never_leaves_it_out(shared: Shared) -> None:
    said = await ask(shared, "judged", extra_body={"ensemble": {"include": ["verdict"]}})
    assert said.model_extra["ensemble"]["verdict"]["outcome"] == "decided"
    record = await shared.served.record(said.id)
    assert [(call["failure"], call["dropped"]) for call in record["calls"] if call["purpose"] == "judge"] == [
        (None, ["temperature"])
    ]
