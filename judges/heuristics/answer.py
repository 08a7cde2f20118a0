"""Agreement on the final answer."""

from collections import Counter
from collections.abc import Mapping

from judges.heuristics._answers import final_answer
from judges.heuristics._found import found, silent
from judges.judge import JUDGES, Judge
from judges.types import CandidateId, Case, Model, Verdict


@JUDGES.register("answer")
class Answer(Judge):
    """Prefer the final answer that most comparable candidates reached (self-consistency, Wang et al. 2022).

    Equal answers in any spelling count together. All candidates that gave the winning answer win, so agreement of
    several is a ``tie`` among them. Silent where fewer than two agree or two answers lead alike.
    """

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        answers = _answers(case)
        first, second = _leaders(answers)
        if first < 2:
            return silent(self, f"no two of {len(case.comparable)} comparable candidates gave the same answer")
        if first == second:
            return silent(self, f"two answers lead with {first} candidates each")
        leading = Counter(answers.values()).most_common(1)[0][0]
        winners = (one for one, answer in answers.items() if answer == leading)
        return found(self, case, winners, f"{first} of {len(answers)} answers agree on {leading.partition(' ')[2]!r}")

    def settled(self, case: Case, outstanding: int) -> bool:
        first, second = _leaders(_answers(case))
        return first >= 2 and first > second + outstanding


def _answers(case: Case) -> dict[CandidateId, str]:
    question = next((message.text for message in reversed(case.messages) if message.role == "user"), "")
    given = {
        one.id: final_answer(one.completion.text, question) for one in case.candidates if one.id in case.comparable
    }
    return {one: answer for one, answer in given.items() if answer is not None}


def _leaders(answers: Mapping[CandidateId, str]) -> tuple[int, int]:
    counts = sorted(Counter(answers.values()).values(), reverse=True)
    return (*counts, 0, 0)[0], (*counts, 0, 0)[1]
