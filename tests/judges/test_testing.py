"""The laws catch judges that break them; a law that nothing can break would be worth nothing."""

from collections.abc import Mapping
from itertools import count

import pytest

from judges import JUDGES, Case, Judge, Model, Prompt, Verdict
from judges.testing import ScriptedModel, a_case, a_verdict, check_judge

CASES = [a_case("a", "bb", "ccc", seed=seed) for seed in range(3)]


def decided(judge: Judge, winner: str) -> Verdict:
    return Verdict(judge=judge.digest, outcome="decided", winners=a_verdict(winner).winners)


@JUDGES.register("_first_in_the_case")
class FirstInTheCase(Judge):
    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        return decided(self, case.candidates[0].id) if case.candidates else Verdict(judge=self.digest, outcome="failed")


@JUDGES.register("_smallest_id")
class SmallestId(Judge):
    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        names = sorted(one.id for one in case.candidates)
        return decided(self, names[0]) if names else Verdict(judge=self.digest, outcome="abstained")


@JUDGES.register("_outsider")
class Outsider(Judge):
    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        return decided(self, "someone else")


@JUDGES.register("_moody")
class Moody(Judge):
    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        longest = sorted(case.candidates, key=lambda one: len(one.completion.text))
        return decided(self, longest[next(MOOD) % len(longest)].id)


@JUDGES.register("_anonymous")
class Anonymous(Judge):
    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        return Verdict(judge="somebody", outcome="abstained")


@JUDGES.register("_brittle")
class Brittle(Judge):
    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        longest = max(case.candidates, key=lambda one: len(one.completion.text))
        return decided(self, longest.id)


MOOD = count()


@pytest.mark.parametrize(
    ("judge", "law"),
    [
        (FirstInTheCase(), "order of the candidates"),
        (SmallestId(), "ids matter"),
        (Outsider(), "leave the case"),
        (Moody(), "judging again"),
        (Anonymous(), "another digest"),
    ],
)
async def test_a_judge_that_breaks_a_law_is_caught(judge: Judge, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        await check_judge(judge, CASES)


async def test_a_judge_that_cannot_bear_an_empty_case_is_caught() -> None:
    with pytest.raises(ValueError, match="empty"):
        await check_judge(Brittle(), CASES)


async def test_a_scripted_model_keeps_to_its_script_and_remembers() -> None:
    model = ScriptedModel(["one", KeyError("two"), "three"])
    prompt = Prompt(messages=())
    assert (await model.complete(prompt)).text == "one"
    with pytest.raises(KeyError):
        await model.complete(prompt)
    assert [(await model.complete(prompt)).text for _ in range(2)] == ["three", "three"]
    assert len(model.asked) == 4
    with pytest.raises(ValueError, match="at least one"):
        ScriptedModel([])
