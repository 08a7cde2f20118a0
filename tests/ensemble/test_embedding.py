"""A semantic router trained and served over real HTTP with the vectors of an endpoint."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensemble.config import Settings, load
from ensemble.embedding import embedded
from ensemble.errors import InvalidRequest
from ensemble.routers.semantic import Semantic
from ensemble.simulator import Simulator
from ensemble.training.held import Held, hold
from ensemble.training.reading import examples_of
from ensemble.training.train import Order, train
from tests.ensemble.training.lessons import a_lesson
from tests.served import PARTS, SERVER, serving

EMBEDDER = '[members.embed]\nprovider = "sim"\nmodel = "embed"\nmax_attempts = 1\nprice = {{ input = 0.02 }}\n'
TOPICS = """
[routers.topics]
use = "semantic"
embedder = "embed"
default = "beta"

[routers.topics.domains.greetings]
examples = ["Hello there, please say hi to everybody"]
members = "alpha"

[routers.topics.domains.sums]
examples = ["Prove that a number is prime and compute a product"]
members = "beta"
"""


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


def settings_of(folder: Path, simulator: Simulator) -> Settings:
    (folder / "train.toml").write_text(PARTS.format(base_url=simulator.base_url) + EMBEDDER.format() + TOPICS)
    return load(folder / "train.toml")


def a_held(folder: Path) -> Held:
    table = a_lesson(160)
    rows: list[dict[str, Any]] = [
        {
            "messages": [{"role": "user", "content": text}],
            "models": {"alpha": {"score": a, "nano_usd": 1000}, "beta": {"score": b, "nano_usd": 20000}},
            "conversation": f"c{row}",
        }
        for row, (text, (a, b)) in enumerate(zip(table.texts, table.quality.tolist(), strict=True))
    ]
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return hold(examples_of(folder / "labels.jsonl")).spoken()


def router_of(settings: Settings) -> Semantic:
    router = settings.routers["topics"]
    assert isinstance(router, Semantic)
    return router


async def test_from_labels_to_a_served_router(tmp_path: Path, simulator: Simulator) -> None:
    settings = settings_of(tmp_path, simulator)
    scheme, held, cost = await embedded(settings, router_of(settings), a_held(tmp_path))
    asked = [one for one in simulator.served if one.model == "embed"]
    assert cost.exact == 20 * sum(one.prompt_tokens for one in asked)
    assert len(asked) == -(-(2 + len(set(held.table.texts))) // 32)  # every text once, and two examples
    digests = {"alpha": None}
    done = train(held.table, Order(out=tmp_path / "router", kind="semantic", scheme=scheme, digests=digests))
    assert done.metrics["saved_at_0.95"].point > 0.3
    tables = f'[routers.topics]\nuse = "semantic"\npath = "{done.path}"\nembedder = "embed"\ntarget_quality = 0.95\n'
    members = {}
    async with serving(tmp_path, tables + SERVER, parts=PARTS + EMBEDDER) as served, served.client() as client:
        for text in ("Hello there, say hi to Eve", "Prove that 7 is prime and compute 7 * 8"):
            reply = await client.chat.completions.with_raw_response.create(
                model="topics", messages=[{"role": "user", "content": text}]
            )
            record = await served.record(reply.headers["x-ensemble-request-id"])
            members[text[:5]] = [(call["purpose"], call["member"]) for call in record["calls"]]
    assert members == {
        "Hello": [("router", "embed"), ("candidate", "alpha")],
        "Prove": [("router", "embed"), ("candidate", "beta")],
    }


async def test_another_embedder_than_in_training_is_not_compared_with(tmp_path: Path, simulator: Simulator) -> None:
    settings = settings_of(tmp_path, simulator)
    scheme, held, _ = await embedded(settings, router_of(settings), a_held(tmp_path))
    path = train(held.table, Order(out=tmp_path / "router", kind="semantic", scheme=scheme)).path
    tables = f'[routers.topics]\nuse = "semantic"\npath = "{path}"\nembedder = "embed"\ndefault = "gamma"\n'
    parts = PARTS + EMBEDDER + "options = {{ dimensions = 64 }}\n"
    async with serving(tmp_path, tables + SERVER, parts=parts) as served:
        _, _, headers = await served.post({"model": "topics", "messages": [{"role": "user", "content": "Hello there"}]})
        record = await served.record(headers["x-ensemble-request-id"])
    assert [call["member"] for call in record["calls"]] == ["gamma"]
    assert "the embedder changed since training" in record["plan"]["reason"]


async def test_texts_whose_class_bars_them_are_never_sent(tmp_path: Path, simulator: Simulator) -> None:
    settings, held = settings_of(tmp_path, simulator), a_held(tmp_path)
    secret = replace(held.examples[0], data_class="patients")
    barred = replace(held, examples=(secret, *held.examples[1:]))
    _, kept, _ = await embedded(settings, router_of(settings), barred)
    assert len(kept) == len(held) - 1
    assert held.table.ids[0] not in kept.table.ids


async def test_an_embedder_that_fails_is_told(tmp_path: Path, simulator: Simulator) -> None:
    settings = settings_of(tmp_path, simulator)
    lost = settings.members["embed"].model_copy(update={"model": "no-such-model"})
    with pytest.raises(InvalidRequest, match="embed makes no embeddings: rejected"):
        await embedded(
            replace(settings, members={**settings.members, "embed": lost}), router_of(settings), a_held(tmp_path)
        )
