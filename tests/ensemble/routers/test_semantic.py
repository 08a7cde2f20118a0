"""Semantic routing over real HTTP: by words, by a local model, by an embeddings endpoint."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ensemble.errors import ConfigError, RouterError
from ensemble.router import ROUTERS, Context, Router
from ensemble.simulator.script import status
from judges.registry import ModelName
from tests.ensemble.doubles import a_fleet, a_member, a_request
from tests.ensemble.routers.static import a_static_model
from tests.served import PARTS, SERVER, Served, serving

DOMAINS = """
default = "gamma"

[routers.topics.domains.billing]
members = "alpha"
examples = ["Where is my invoice?", "I was charged twice this month", "Please refund my last payment"]

[routers.topics.domains.code]
members = ["beta", "alpha"]
examples = ["Why does this Python function raise a TypeError?", "Write a SQL query that joins two tables"]
"""
EMBEDDER = """
[members.embed]
provider = "sim"
model = "embed"
max_attempts = 1
price = { input = 0.02 }
"""
REFUND, QUERY, FAR = "I was charged twice, refund my payment", "Write a SQL query", "Qui a peint la Joconde ?"


def topics(options: str = "") -> str:
    return f'[routers.topics]\nuse = "semantic"\n{options}{DOMAINS}{SERVER}'


async def answered(served: Served, *texts: str, router: str = "topics") -> list[dict[str, Any]]:
    """The records of requests whose last turn is one of ``texts``."""
    records = []
    async with served.client() as client:
        for text in texts:
            turns: Any = [{"role": "user", "content": "Python TypeError"}, {"role": "assistant", "content": "ok"}]
            raw = await client.chat.completions.with_raw_response.create(
                model=router, messages=[*turns, {"role": "user", "content": text}]
            )
            records.append(await served.record(raw.headers["x-ensemble-request-id"]))
    return records


def members(record: dict[str, Any]) -> list[str]:
    return [call["member"] for call in record["calls"] if call["purpose"] == "candidate"]


async def test_without_an_embedder_words_are_compared(tmp_path: Path) -> None:
    async with serving(tmp_path, topics()) as served:
        refund, query, far = await answered(served, REFUND, QUERY, FAR)
    assert [members(one) for one in (refund, query, far)] == [["alpha"], ["beta"], ["gamma"]]
    assert refund["plan"]["reason"].startswith("domain billing: similarity 0.")
    assert "threshold 0.200" in query["plan"]["reason"]
    assert far["plan"]["reason"].startswith("nothing near; closest domain ")
    assert far["plan"]["reason"].endswith("; default")


async def test_unknown_words_keep_a_text_away(tmp_path: Path) -> None:
    async with serving(tmp_path, topics()) as served:
        (record,) = await answered(served, "Is this zebra my favourite vegetarian animal?")
    assert members(record) == ["gamma"]  # although "is", "this" and "my" are in the examples of billing


async def test_the_next_member_of_a_domain_answers_where_the_first_fails(tmp_path: Path) -> None:
    async with serving(tmp_path, topics()) as served:
        served.simulator.script("beta", [status(500)])
        (record,) = await answered(served, QUERY)
    assert members(record) == ["beta", "alpha"]


async def test_an_endpoint_embeds_examples_once_and_every_call_is_paid(tmp_path: Path) -> None:
    tables = topics('embedder = "embed"\nthreshold = 0.3\n')
    async with serving(tmp_path, tables, parts=PARTS + EMBEDDER.replace("{", "{{").replace("}", "}}")) as served:
        first, second = await answered(served, REFUND, FAR)
        sent = [one for one in served.simulator.served if one.model == "embed"]
    assert [members(one) for one in (first, second)] == [["alpha"], ["gamma"]]
    asked = [[call for call in one["calls"] if call["purpose"] == "router"] for one in (first, second)]
    assert [len(calls) for calls in asked] == [2, 1]  # the examples, once, and each request
    for call, seen in zip([*asked[0], *asked[1]], sent, strict=True):
        assert (call["member"], call["seat"], call["failure"]) == ("embed", "topics", None)
        assert call["input_tokens"] == seen.prompt_tokens
        assert call["nano_usd"] == seen.prompt_tokens * 20  # 0.02 USD per million tokens


@pytest.mark.parametrize("hangs", [False, True])
async def test_an_endpoint_that_is_down_or_slow_leads_to_the_default(tmp_path: Path, hangs: bool) -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(20)
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/embeddings", silent)
    async with TestServer(app) as server:
        url = str(server.make_url("/v1")) if hangs else "http://127.0.0.1:1/v1"
        provider = f'[providers.elsewhere]\nuse = "openai"\nbase_url = "{url}"\n'
        tables = provider + EMBEDDER.replace('"sim"', '"elsewhere"') + topics('embedder = "embed"\ntimeout_s = 0.2\n')
        async with serving(tmp_path, tables) as served:
            (record,) = await answered(served, REFUND)
    assert members(record) == ["gamma"]
    told = "no embedding within 0.2 s" if hangs else "no embedding: unreachable"
    assert record["plan"]["reason"].startswith(told)
    (call,) = [call for call in record["calls"] if call["purpose"] == "router"]
    assert call["failure"] == ("cancelled" if hangs else "unreachable")
    assert call["nano_usd"] == (None if hangs else 0)


async def test_a_local_model_knows_words_that_no_example_holds(tmp_path: Path) -> None:
    path = a_static_model(tmp_path)
    async with serving(tmp_path, topics(f'model2vec = "{path}"\n')) as served:
        money, code, far = await answered(served, "refund", "python", FAR)
    assert [members(one) for one in (money, code, far)] == [["alpha"], ["beta"], ["gamma"]]


async def test_what_may_not_go_to_the_embedder_is_never_sent_there(tmp_path: Path) -> None:
    near = '[providers.near]\nuse = "openai"\nbase_url = "{base_url}"\ndata = ["patients"]\n'
    parts = (
        near + PARTS.replace('provider = "sim"', 'provider = "near"') + EMBEDDER.replace("{", "{{").replace("}", "}}")
    )
    async with serving(tmp_path, topics('embedder = "embed"\n'), parts=parts) as served:
        asked = {"model": "topics", "messages": [{"role": "user", "content": REFUND}]}
        code, _, headers = await served.post({**asked, "metadata": {"data_class": "patients"}})
        record = await served.record(headers["x-ensemble-request-id"])
        sent = [one for one in served.simulator.served if one.model == "embed"]
    assert (code, sent, members(record)) == (200, [], ["gamma"])
    assert record["plan"]["reason"] == "no embedding: embed may not be asked of this request; default"


async def test_a_turn_without_text_goes_to_the_default(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    async with serving(tmp_path, topics()) as served:
        code, _, headers = await served.post({"model": "topics", "messages": [{"role": "user", "content": [image]}]})
        record = await served.record(headers["x-ensemble-request-id"])
    assert code == 200
    assert record["plan"]["reason"] == "the last turn of the user has no text; default"


OPTIONS: dict[str, Any] = {
    "use": "semantic",
    "default": "gamma",
    "domains": {"billing": {"members": ["gone", "alpha"], "examples": ["Please refund my last payment"]}},
}


def test_an_embedder_is_a_model_that_is_asked() -> None:
    """By this, `ensemble evaluate` refuses to measure the router without --call."""
    router = ROUTERS.build({**OPTIONS, "embedder": "embed"})
    assert ("embedder", "embed") in [(key, str(one)) for key, one in router.references() if isinstance(one, ModelName)]


def loaded(**changes: Any) -> Router:
    router = ROUTERS.build({**OPTIONS, **changes})
    router.load()
    return router


async def test_a_member_that_left_the_fleet_is_not_planned() -> None:
    fleet, _ = a_fleet(alpha=a_member("alpha"))
    plan = await loaded().plan(a_request("refund my last payment"), Context(fleet=fleet, models={}))
    assert [stage.members for stage in plan.stages] == [("alpha",)]
    with pytest.raises(RouterError, match="the fleet as it is now holds no member"):
        await loaded().plan(a_request("zzz"), Context(fleet=fleet, models={}))


async def test_the_same_request_has_the_same_plan_and_digest() -> None:
    fleet, _ = a_fleet(alpha=a_member("alpha"), gamma=a_member("gamma"))
    context, request = Context(fleet=fleet, models={}), a_request("refund it")
    plans = [await router.plan(request, context) for router in (loaded(), loaded())]
    assert plans[0] == plans[1]
    assert loaded(threshold=0.3).digest != loaded().digest


async def test_a_plan_takes_little_of_what_learning_the_examples_takes() -> None:
    """Some 3 ms on a machine that learns them in 30: they are learned once, not for each request."""
    fleet, _ = a_fleet(alpha=a_member("alpha"), gamma=a_member("gamma"))
    words = ["order", "invoice", "refund", "charge", "card", "plan", "price", "address", "tax", "receipt"]
    examples = [f"What about the {one} and the {two} of my account?" for one in words for two in words]
    domains = {"billing": {"members": "alpha", "examples": examples}}
    router = loaded(domains=domains)
    begin = time.perf_counter()
    loaded(domains=domains)  # a second one, since the first imports what it is learned with
    learning = time.perf_counter() - begin
    context, taken = Context(fleet=fleet, models={}), []
    for number in range(30):
        begin = time.perf_counter()
        await router.plan(a_request(f"Number {number}: " + "where is the receipt of my last order " * 5), context)
        taken.append(time.perf_counter() - begin)
    assert sorted(taken)[3] * 4 < learning


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ('embedder = "alpha"\nmodel2vec = "x"\n', "one of them makes the vectors"),
        ('embedder = "voyage"\n', "there is no member that makes embeddings, 'voyage'"),
        ('embedder = "claude"\n', "there is no member that makes embeddings, 'claude'"),
        ('model2vec = "minishlab/potion-base-8M"\n', "is no folder with a model.safetensors"),
        ("threshold = 2\n", "threshold"),
    ],
)
async def test_what_does_not_fit_is_told_at_start(tmp_path: Path, options: str, told: str) -> None:
    claude = (
        '[providers.claude]\nuse = "anthropic"\nbase_url = "{anthropic_url}"\n'
        '[members.claude]\nprovider = "claude"\nmodel = "c"\nmax_output_tokens = 9\n'
    )
    with pytest.raises(ConfigError, match=told):
        async with serving(tmp_path, topics(options), parts=PARTS + claude):
            pass
