import json
import math
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import JUDGES, CandidateId, Completion, ModelError, Prompt, TokenLogprob, Usage
from judges.llm._render import read
from judges.llm._rubric import read_scores
from judges.llm.pointwise import Pointwise
from judges.registry import ModelName
from judges.testing import ScriptedModel, a_case, check_judge

NAMES = ("correctness", "instructions followed", "helpfulness", "clarity")


def a_reply(*scores: int, names: tuple[str, ...] = NAMES) -> str:
    return json.dumps({"reason": "Because.", "scores": dict(zip(names, scores, strict=True))})


def a_pointwise(**options: object) -> Pointwise:
    return Pointwise.model_validate({"model": "small", **options})


@dataclass
class Rater:
    """Rates a text by its length, 1 to 9, on every criterion."""

    context_tokens: int | None = None
    asked: int = 0

    async def complete(self, prompt: Prompt) -> Completion:
        self.asked += 1
        (text,) = read(prompt.messages[-1].text).candidates
        score = min(9, max(1, len(text)))
        return Completion(text=a_reply(*[score] * 4), finish_reason="stop", usage=Usage(nano_usd=3))


async def test_the_best_rated_wins_and_all_are_scored() -> None:
    model = Rater()
    verdict = await a_pointwise().judge(a_case("four", "fiiive", "1", "four"), {"small": model})
    assert (verdict.outcome, verdict.winners) == ("decided", ("c1",))
    assert verdict.scores == {"c0": 3 / 8, "c1": 5 / 8, "c2": 0.0, "c3": 3 / 8}
    assert model.asked == 3, "the same text is rated once"
    assert verdict.usage.nano_usd == 9
    assert {exchange.parsed for exchange in verdict.exchanges} == {"rubric:json"}
    assert a_pointwise().scores_candidates


@given(st.lists(st.text(max_size=10), min_size=1, max_size=5), st.randoms(use_true_random=False))
async def test_permuting_candidates_permutes_scores(texts: list[str], draw: Random) -> None:
    order = draw.sample(range(len(texts)), len(texts))
    scores = (await a_pointwise().judge(a_case(*texts), {"small": Rater()})).scores
    moved = await a_pointwise().judge(a_case(*[texts[place] for place in order]), {"small": Rater()})
    assert dict(moved.scores) == {f"c{now}": scores[CandidateId(f"c{was}")] for now, was in enumerate(order)}
    assert len(scores) == len(texts)


async def test_the_weights_of_the_criteria_count() -> None:
    judge = a_pointwise(criteria={"truth": 3.0, "style": 1.0})
    model = ScriptedModel([a_reply(9, 1, names=("truth", "style"))])
    verdict = await judge.judge(a_case("x"), {"small": model})
    assert verdict.scores == {"c0": 0.75}
    assert "truth\nstyle" in model.asked[0].messages[-1].text


async def test_samples_are_averaged() -> None:
    model = ScriptedModel([a_reply(9, 9, 9, 9), a_reply(1, 1, 1, 1), "unreadable"])
    verdict = await a_pointwise(samples=3).judge(a_case("x"), {"small": model})
    assert verdict.scores == {"c0": 0.5}
    assert len(verdict.exchanges) == 3


async def test_scores_within_the_margin_tie() -> None:
    verdict = await a_pointwise(margin=0.2).judge(a_case("four", "fiive", "1"), {"small": Rater()})
    assert (verdict.outcome, verdict.winners) == ("tie", ("c0", "c1"))


async def test_below_the_floor_all_are_bad_and_the_least_bad_is_named() -> None:
    verdict = await a_pointwise(floor=0.5).judge(a_case("ab", "a"), {"small": Rater()})
    assert (verdict.all_bad, verdict.winners) == (True, ("c0",))
    assert not (await a_pointwise(floor=0.5).judge(a_case("abcdefg", "a"), {"small": Rater()})).all_bad


@pytest.mark.parametrize(
    "reply", ["", "9", a_reply(10, 1, 1, 1), '{"scores": {"correctness": 5}}', a_reply(0, 1, 1, 1)]
)
async def test_what_cannot_be_scored_does_not_lose(reply: str) -> None:
    model = ScriptedModel([a_reply(2, 2, 2, 2), reply])
    verdict = await a_pointwise().judge(a_case("one", "other"), {"small": model})
    assert (verdict.outcome, verdict.winners, len(verdict.scores)) == ("abstained", (), 1)
    assert verdict.flags[0].startswith("unscored:")


async def test_a_model_that_fails_is_a_failed_verdict() -> None:
    verdict = await a_pointwise().judge(a_case("one", "other"), {"small": ScriptedModel([ModelError("gone")])})
    assert (verdict.outcome, "gone" in verdict.reason, verdict.usage.nano_usd) == ("failed", True, None)
    assert (await a_pointwise().judge(a_case("one"), {})).outcome == "failed"
    assert (await a_pointwise().judge(a_case(), {})).outcome == "abstained"


@pytest.mark.parametrize("times", [1, 2, 20])
async def test_a_candidate_beyond_the_context_is_never_cut(times: int) -> None:
    model = Rater(context_tokens=1000)
    verdict = await a_pointwise().judge(a_case("x y z " * 600 * times, "short"), {"small": model})
    assert verdict.outcome == "abstained"
    assert "too_long" in verdict.flags
    assert model.asked == 1


def test_probabilities_of_the_token_weigh_the_score() -> None:
    text = a_reply(8, names=("x",))
    top = {"8": math.log(0.6), " 4": math.log(0.2), "no": math.log(0.2)}
    logprobs = tuple(
        TokenLogprob(
            token=one, logprob=math.log(0.6) if one == "8" else 0.0, top=tuple(top.items()) if one == "8" else ()
        )
        for one in text
    )
    read_as = read_scores(Completion(text=text, finish_reason="stop", logprobs=logprobs), ["x"])
    assert read_as is not None
    assert read_as[0]["x"] == pytest.approx((0.6 * 8 + 0.2 * 4) / 0.8)
    assert read_as[1] == "rubric:logprobs"


def test_without_a_label_token_there_is_no_score() -> None:
    text = a_reply(8, names=("x",))
    whole = (TokenLogprob(token=text, logprob=-0.1),)
    assert read_scores(Completion(text=text, finish_reason="stop", logprobs=whole), ["x"]) is None
    assert read_scores(Completion(text=text, finish_reason="stop", logprobs=()), ["x"]) is None


@given(st.text(), st.lists(st.floats(allow_nan=True)))
def test_no_reply_raises(text: str, values: list[float]) -> None:
    for said in (text, '{"scores": ' + text, a_reply(1, names=("x",)) + text):
        logprobs = tuple(TokenLogprob(token=one, logprob=value) for one, value in zip(said, values, strict=False))
        for probs in (None, logprobs):
            found = read_scores(Completion(text=said, finish_reason="stop", logprobs=probs), ["x"])
            assert found is None or 1 <= found[0]["x"] <= 9


def test_two_verdicts_in_one_reply_are_none() -> None:
    for twice in ('{"scores": {"x": 1, "x": 9}}', '{"scores": {"x": 1}, "scores": {"x": 9}}'):
        assert read_scores(Completion(text=twice, finish_reason="stop"), ["x"]) is None
    text = a_reply(1, names=("x",)) + a_reply(9, names=("x",))
    assert read_scores(Completion(text=text, finish_reason="stop"), ["x"]) is None
    fenced = f"Here:\n```json\n{a_reply(7, names=('x',))}\n```"
    assert read_scores(Completion(text=fenced, finish_reason="stop"), ["x"]) == ({"x": 7.0}, "rubric:json")


async def test_the_question_is_structured_and_asks_for_logprobs() -> None:
    model = ScriptedModel([a_reply(5, 5, 5, 5)])
    await a_pointwise().judge(a_case("x"), {"small": model})
    form = model.asked[0].response_format
    assert form is not None
    assert form.schema is not None
    assert model.asked[0].top_logprobs == 20


async def test_the_laws_hold() -> None:
    cases = [a_case("a", "bb", "ccc"), a_case("a", "a"), a_case("x")]
    await check_judge(JUDGES.build({"use": "pointwise", "model": "small"}), cases, {"small": Rater()})
    assert list(Pointwise(model=ModelName("m")).references()) == [("model", "m")]


async def test_its_own_reference_is_written_once_for_all_candidates() -> None:
    model = ScriptedModel(["my own answer", a_reply(5, 5, 5, 5)])
    verdict = await a_pointwise(reference="own").judge(a_case("x", "y"), {"small": model})
    pages = [read(prompt.messages[-1].text) for prompt in model.asked]
    assert [page.reference for page in pages] == [None, "my own answer", "my own answer"]
    assert verdict.exchanges[0].text == "my own answer"
    assert verdict.exchanges[1].prompt.startswith("pointwise+own_reference@")
    assert verdict.usage.nano_usd == 3000
