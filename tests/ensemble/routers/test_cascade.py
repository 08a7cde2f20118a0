import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ensemble.router import ROUTERS
from ensemble.routers.cascade import Cascade
from ensemble.simulator import reply
from ensemble.store.examples import Stored
from ensemble.training.held import hold
from ensemble.training.table import winners
from ensemble.training.train import CannotLearn, Order, train
from judges.errors import InvalidOptions
from judges.heuristics.agreement import agreed
from judges.learning.folder import read
from judges.learning.model import sample
from tests.ensemble.training.examples import an_example
from tests.ensemble.training.lessons import a_lesson
from tests.served import SERVER, a_question, serving

AGREEING = f"""
[judges.same]
use = "agreement"
[routers.panel]
use = "cascade"
judge = "same"
tiers = [{{ members = ["alpha", "beta"], accept_score = 1.0 }}, {{ members = ["gamma"] }}]
{SERVER}"""

MARKS = """
from judges import JUDGES, Judge, Verdict


@JUDGES.register("marks")
class Marks(Judge):
    \"\"\"Score good answers 0.9 and others 0.1.\"\"\"

    @property
    def scores_candidates(self):
        return True

    async def judge(self, case, models):
        scores = {one.id: 0.9 if one.completion.text == "good" else 0.1 for one in case.candidates}
        best = max(scores, key=scores.get)
        return Verdict(judge=self.digest, outcome="decided", winners=(best,), scores=scores)
"""
KNOWN = f"""
[judging]
shrink_labels = 2
[judges.marks]
use = "./marks.py"
[routers.panel]
use = "cascade"
judge = "marks"
tiers = [{{ members = ["alpha", "beta"], accept_score = 0.9 }}, {{ members = ["gamma"] }}]
{SERVER}"""
LOGPROBS = f"""
[routers.panel]
use = "parallel"
members = ["alpha", "gamma"]
logprobs = true
{SERVER}"""
SURE = "It is so, and so it is, as anybody can see."


@pytest.fixture(scope="module")
def a_scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reads")
    table = a_lesson()
    outputs = tuple(
        ("Sure, done." if good else "However, I assume 3 * 4 = 13.", "Done.") for good in table.quality[:, 0] > 0.5
    )
    order = Order(out=folder / "scorer", kind="scorer", members=("small", "large"))
    train(replace(table, outputs=outputs), order)
    return folder / "scorer"


@pytest.fixture(scope="module")
def a_sure_scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whether an answer is good shows in nothing but how sure the model was of it."""
    folder = tmp_path_factory.mktemp("sure")
    rows = np.random.default_rng(0).random(240) < 0.5
    examples = [
        replace(
            an_example(f"r{row}", {"small": float(good), "large": 1.0}, f"Question {row}"),
            answers={"small": SURE, "large": SURE},
            stored={
                "small": Stored(
                    finish_reason="stop", tool_calls=None, logprobs=json.dumps([[SURE, -0.05 if good else -0.4, []]])
                )
            },
        )
        for row, good in enumerate(rows)
    ]
    held = hold(examples, members=("small", "large")).seen_by("scorer")
    train(held.table, Order(out=folder / "scorer", kind="scorer", members=("small", "large")))
    return folder / "scorer"


@pytest.mark.parametrize(("said", "asked"), [("42", 2), ("43", 3)])
async def test_cheap_members_that_agree_end_it_and_every_call_is_in_the_ledger(
    said: str, asked: int, tmp_path: Path
) -> None:
    async with serving(tmp_path, AGREEING) as served:
        for name, text in (("alpha", "42"), ("beta", said), ("gamma", "44")):
            served.simulator.script(name, [reply(text)])
        status, answer, headers = await served.post(a_question("What is 6 x 7?"))
        record = await served.record(headers["x-ensemble-request-id"])
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == ("42" if asked == 2 else "44")
    assert len(record["calls"]) == asked


async def test_an_answer_goes_on_to_stand_once_means_of_members_are_known(tmp_path: Path) -> None:
    (tmp_path / "marks.py").write_text(MARKS)
    async with serving(tmp_path, KNOWN) as served:
        records = []
        for _ in range(5):
            for name, text in (("alpha", "good"), ("beta", "bad"), ("gamma", "good")):
                served.simulator.script(name, [reply(text)])
            _, _, headers = await served.post(a_question("What is 6 x 7?"))
            records.append(await served.record(headers["x-ensemble-request-id"]))
    assert records[-1]["verdicts"][0]["flags"] == ["shrunk"]
    assert [len(record["calls"]) for record in records] == [2] * 5, "the score that is asked for is the judge's own"


def frugal(path: Path, target: float = 0.9) -> str:
    return f"""
[judges.reader]
use = "learned"
path = "{path}"
[routers.panel]
use = "cascade"
judge = "reader"
path = "{path}"
target_quality = {target}
tiers = [{{ members = ["alpha"] }}, {{ members = ["gamma"] }}]
{SERVER}"""


@pytest.mark.parametrize("body", [{}, {"logprobs": True}], ids=["not asked for", "asked for"])
async def test_a_panel_asks_for_logprobs_and_clients_see_what_they_asked_for(
    body: dict[str, Any], tmp_path: Path
) -> None:
    async with serving(tmp_path, LOGPROBS) as served:
        _, answer, headers = await served.post(a_question(**body))
        record = await served.record(headers["x-ensemble-request-id"])
    assert len(record["candidates"]) == 2
    assert all(one["logprobs"] for one in record["candidates"])
    assert (answer["choices"][0]["logprobs"] is not None) == bool(body)


@pytest.mark.parametrize(("sure", "asked"), [(0.99, 1), (0.01, 2)])
async def test_a_scorer_that_learned_from_logprobs_is_given_those_of_the_cheap_tier(
    sure: float, asked: int, a_sure_scorer: Path, tmp_path: Path
) -> None:
    assert read(a_sure_scorer)[0].reads_evidence
    async with serving(tmp_path, frugal(a_sure_scorer, 1.0)) as served:
        served.simulator.script("alpha", [reply(SURE, sure=sure)])
        served.simulator.script("gamma", [reply("Done.")])
        _, answer, headers = await served.post(a_question("Question 7"))
        record = await served.record(headers["x-ensemble-request-id"])
    assert len(record["calls"]) == asked
    given = {one["member"]: one["logprobs"] for one in record["candidates"]}
    assert given.pop("alpha")
    assert not any(given.values())
    assert answer["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(("text", "asked"), [("Sure, done.", 1), ("However, I assume 3 * 4 = 13.", 2)])
async def test_the_scorer_reads_the_cheap_answer(text: str, asked: int, a_scorer: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, frugal(a_scorer)) as served:
        served.simulator.script("alpha", [reply(text)])
        served.simulator.script("gamma", [reply("Done.")])
        _, _, headers = await served.post(a_question("Hello there, please say hi to Ann"))
        record = await served.record(headers["x-ensemble-request-id"])
    assert len(record["calls"]) == asked
    assert record["verdicts"][0]["nano_usd"] == 0


def test_a_tier_without_a_score_to_reach_is_refused() -> None:
    with pytest.raises(InvalidOptions, match=r"tiers\.0\.accept_score: state it, or name the scorer folder as path"):
        ROUTERS.build({"use": "cascade", "judge": "x", "tiers": [{"members": ["a"]}, {"members": ["b"]}]})


def test_a_name_alone_is_a_tier() -> None:
    long, short = (
        ROUTERS.build({"use": "cascade", "judge": "x", "tiers": [{"members": ["a"], "accept_score": 0.5}, last]})
        for last in ({"members": ["b"]}, "b")
    )
    assert short.digest == long.digest


def test_a_router_folder_holds_no_thresholds_of_a_cascade(tmp_path: Path) -> None:
    tiers = ({"members": ["a"]}, {"members": ["b"]})
    router = ROUTERS.build({"use": "cascade", "judge": "x", "path": str(tmp_path), "tiers": tiers})
    assert isinstance(router, Cascade)
    with pytest.raises(InvalidOptions, match="no readable manifest"):
        router.load()


def test_a_scorer_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotLearn, match="hold no answers of small"):
        train(a_lesson(), Order(out=tmp_path / "scorer", kind="scorer", members=("small", "large")))


def test_a_scorer_of_several_cheap_members_sees_whether_they_agree(tmp_path: Path) -> None:
    table = a_lesson()
    # The texts tell nothing: the cheap answers are right where they are the same.
    outputs = tuple(("It is 7.", "It is 7." if good else "It is 8.", "It is 9.") for good in table.quality[:, 0] > 0.5)
    quality = np.column_stack([table.quality[:, 0], table.quality[:, 0], np.ones(len(table))])
    wide = replace(
        table,
        members=("small", "other", "large"),
        outputs=outputs,
        quality=quality,
        best=winners(quality),
        nano_usd=np.ones((len(table), 3)),
        seconds=np.ones((len(table), 3)),
        texts=tuple(f"Question {number}" for number in range(len(table))),
    )
    done = train(wide, Order(out=tmp_path / "scorer", kind="scorer", members=("small", "other", "large")))
    model, manifest = read(done.path)
    assert manifest["members"] == ["small", "other", "large"]
    assert model.reads_others
    same, apart = (
        model.predict(sample(["Question"] * 2, ["It is 7.", last], agreed(["It is 7.", last])))[:, 0]
        for last in ("It is 7.", "It is 8.")
    )
    assert same.min() > apart.max() + 0.3
