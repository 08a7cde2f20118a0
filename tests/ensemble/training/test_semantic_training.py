"""From labels to a served semantic router: domains, thresholds, members, and what its folder keeps to itself."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ensemble.errors import ConfigError, InvalidRequest
from ensemble.retraining import Target, Task, retrain
from ensemble.router import ROUTERS, Context
from ensemble.routers.semantic import Semantic
from ensemble.training.semantic import NEVER, Scheme, fit_domains, scheme_of, sorted_
from ensemble.training.table import Table
from ensemble.training.train import CannotLearn, Order, train
from judges.errors import InvalidOptions
from judges.learning.folder import read_state
from tests.ensemble.doubles import a_fleet, a_member, a_request
from tests.ensemble.routers.static import a_static_model
from tests.ensemble.training.lessons import RARE, a_lesson
from tests.served import SERVER, serving

HARD, EASY, FAR = "Prove that 541 is prime and compute 123 * 456 = ?", "Hello there, please say hi to Ann", "Quid novi?"
EXAMPLES = {"greetings": ["Hello there, say hi to everybody"], "sums": ["Prove that 7 is prime", "Compute 12 * 13"]}


def named(rows: int = 240) -> Table:
    """A lesson whose labels name the domain."""
    table = a_lesson(rows)
    return replace(table, domains=tuple("sums" if "Prove" in text else "greetings" for text in table.texts))


def a_folder(folder: Path, table: Table | None = None, **order: Any) -> Path:
    """A trained router of the served members ``alpha`` (cheap) and ``beta``."""
    table = replace(named() if table is None else table, members=("alpha", "beta"))
    return train(table, Order(out=folder / "router", kind="semantic", **order)).path


def lines(path: Path, *options: str) -> str:
    return "\n".join(['[routers.topics]\nuse = "semantic"', f'path = "{path}"', *options, SERVER])


@pytest.mark.parametrize("examples", [{}, EXAMPLES])
async def test_each_domain_is_served_by_the_member_that_is_worth_it_there(
    tmp_path: Path, examples: dict[str, list[str]]
) -> None:
    path = a_folder(tmp_path, scheme=Scheme(examples=examples))
    told, members = {}, {}
    async with (
        serving(tmp_path, lines(path, "target_quality = 0.9", 'default = "beta"')) as served,
        served.client() as client,
    ):
        for text in (HARD, EASY, FAR):
            reply = await client.chat.completions.with_raw_response.create(
                model="topics", messages=[{"role": "user", "content": text}]
            )
            record = await served.record(reply.headers["x-ensemble-request-id"])
            told[text], members[text] = record["plan"], [call["member"] for call in record["calls"]]
    assert members == {HARD: ["beta"], EASY: ["alpha"], FAR: ["beta"]}
    assert told[HARD]["reason"].startswith("domain sums: similarity 0.")
    assert float(told[HARD]["reason"].split()[3].rstrip(",")) > 0.3  # its numbers are unknown, the rest is not
    assert told[HARD]["predicted"]["beta"] > 0.8 > 0.3 > told[HARD]["predicted"]["alpha"]
    assert told[FAR]["reason"].startswith("nothing near; closest domain ")
    assert "lambda " in told[EASY]["reason"]
    assert "lambda " not in told[FAR]["reason"]  # the default is the operator's


async def test_a_member_that_left_or_changed_is_never_planned(tmp_path: Path) -> None:
    path = a_folder(tmp_path, digests={"beta": "0" * 64})
    router = ROUTERS.build({"use": "semantic", "path": str(path)})
    router.load()
    fleet, _ = a_fleet(beta=a_member("beta"), alpha=a_member("alpha"))
    for text in (HARD, EASY, FAR):
        plan = await router.plan(a_request(text), Context(fleet=fleet, models={}))
        assert [stage.members for stage in plan.stages] == [("alpha",)]
        assert set(plan.predicted) == {"alpha"}


def test_the_manifest_tells_domains_and_figures(tmp_path: Path) -> None:
    state, manifest = read_state(a_folder(tmp_path))
    assert (manifest["what"], manifest["use"], manifest["embedding"]) == ("router", "semantic", {"by": "words"})
    assert set(manifest["domains"]) == {"sums", "greetings"}
    assert sum(one["requests"] for one in manifest["domains"].values()) <= manifest["data"]["learned"]
    assert manifest["metrics"]["quality_ratio_at_0.95"]["point"] > 0.9
    assert manifest["metrics"]["saved_at_0.95"]["point"] > 0.3
    assert state["quality"].shape == (3, 2)


def test_no_rare_term_and_no_text_is_in_the_folder(tmp_path: Path) -> None:
    state, _ = read_state(a_folder(tmp_path))
    content = pickle.dumps(dict(state)).lower()
    assert "hello" in state["words"].vocabulary_
    assert b"please say hi to ann" not in content
    for part in RARE.lower().split():
        assert part.encode() not in content


def test_the_same_labels_in_any_order_give_the_same_router(tmp_path: Path) -> None:
    table = named(120)
    turned = table.take(np.random.default_rng(5).permutation(len(table)))
    one, other = (fit_domains(sorted_(each), Scheme(), seed=3).state for each in (table, turned))
    assert all(np.array_equal(one[name], other[name]) for name in ("prototypes", "thresholds", "quality", "nano_usd"))


def test_a_domain_that_tells_nothing_of_quality_is_near_to_nobody() -> None:
    table = named()
    # Sums are harder for either member, by the same.
    hard = np.array([name == "sums" for name in table.domains])
    quality = np.where(hard[:, None], [0.2, 0.5], [0.6, 0.9])
    fitted = fit_domains(sorted_(replace(table, quality=quality)), Scheme(), seed=0)
    assert (fitted.state["thresholds"] == NEVER).all()
    taught = fit_domains(sorted_(table), Scheme(), seed=0)
    assert (taught.state["thresholds"] < NEVER).all()
    assert taught.unseen[:, 0].std() > 0.3


def test_thresholds_leave_out_what_was_never_so_far_away() -> None:
    fitted = fit_domains(sorted_(named()), Scheme(), seed=0)
    assert (fitted.state["thresholds"] > 0.05).all()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (a_lesson(), "the labels name 0 domains with 5 conversations or more, 2 would do"),
        (named(40), "100 would do for a first one, 60 more"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_a_sentence(table: Table, told: str, tmp_path: Path) -> None:
    with pytest.raises(CannotLearn, match=told):
        a_folder(tmp_path, table)


def test_a_local_model_is_used_in_training_and_demanded_in_serving(tmp_path: Path) -> None:
    model = a_static_model(tmp_path)
    router = Semantic.model_validate(
        {"default": "beta", "model2vec": model, "domains": {"sums": {"examples": ["prime"], "members": "beta"}}}
    )
    path = a_folder(tmp_path, a_lesson(), scheme=scheme_of(router))
    with_model = Semantic(path=path, model2vec=model)
    with_model.load()
    with pytest.raises(InvalidOptions, match="it was trained with model2vec"):
        Semantic(path=path).load()
    with pytest.raises(InvalidOptions, match="another model than in training"):
        Semantic(path=path, model2vec=a_static_model(tmp_path, "other", skew=0.2)).load()
    (model / "model.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(InvalidOptions, match="cannot be read"):
        Semantic(path=path, model2vec=model).load()


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ('use = "learned"\npath = "{path}"', "train it again"),
        ('use = "semantic"\npath = "{path}"\nmodel2vec = "{path}"', "no folder with a model.safetensors"),
        ('use = "semantic"\ndefault = "alpha"', "describe at least one, or name the folder"),
        ('use = "semantic"\npath = "{path}"\n[routers.topics.domains.x]\nexamples=["a"]\nmembers="beta"', "not both"),
    ],
)
async def test_a_folder_for_another_purpose_is_refused_at_start(tmp_path: Path, tables: str, told: str) -> None:
    path = a_folder(tmp_path)
    with pytest.raises(ConfigError, match=told):
        async with serving(tmp_path, f"[routers.topics]\n{tables.format(path=path)}\n{SERVER}"):
            pass


async def test_retrain_leaves_the_folder_to_its_own_command(tmp_path: Path) -> None:
    path = a_folder(tmp_path, command="ensemble train --kind semantic --router topics")
    target = Target(name="topics", router=Semantic(path=path), folder=path)
    async with serving(tmp_path, lines(path)) as served:
        task = Task(settings=served.service.settings, target=target, data=tmp_path / "log.db")
        with pytest.raises(InvalidRequest, match="ensemble train --kind semantic --router topics"):
            await retrain(task)


def test_a_changed_state_is_refused(tmp_path: Path) -> None:
    from ensemble.routers._taught import Taught

    state, _ = read_state(a_folder(tmp_path))
    for change in ({"quality": state["quality"][:1]}, {"owners": state["owners"][:1]}, {"names": None}):
        with pytest.raises(InvalidOptions, match="train it again"):
            Taught({**state, **change})


def test_the_manifest_is_json_without_texts(tmp_path: Path) -> None:
    text = (a_folder(tmp_path, scheme=Scheme(examples=EXAMPLES)) / "manifest.json").read_text()
    assert json.loads(text)["domains"]
    assert "say hi" not in text
