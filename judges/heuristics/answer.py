"""The final answer: against a known one, or agreement among candidates."""

from collections.abc import Mapping

from pydantic import Field

from judges.heuristics._answers import answer_of, equal, normal
from judges.heuristics._found import found, silent, without
from judges.judge import JUDGES, Judge
from judges.types import CandidateId, Case, Completion, Model, Verdict

_ASKED_FOR_A_NUMBER = "How many?"


@JUDGES.register("answer")
class Answer(Judge):
    """Prefer the final answer that the case's ``reference`` gives, else the one most comparable candidates reached.

    Equal answers in any spelling count together, tool calls and JSON by value, numbers within ``tolerance``. With a
    reference, candidates that give another answer lose to those that give it, and one whose answer cannot be told stays
    in; silent where none is right or none is wrong. Without one, all comparable candidates that gave the winning answer
    win (self-consistency, Wang et al. 2022), so agreement of several is a ``tie`` among them; silent where fewer than
    two agree or two answers lead alike.
    """

    tolerance: float = Field(default=1e-9, ge=0.0, lt=1.0)
    """Most that two equal numbers may differ, as a share of the larger."""

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        if case.reference is not None:
            return self._against(case, case.reference)
        answers = _answers(case)
        groups = self._groups(answers)
        first, second = _sizes(groups)
        if first < 2:
            return silent(self, f"no two of {len(case.comparable)} comparable candidates gave the same answer")
        if first == second:
            return silent(self, f"two answers lead with {first} candidates each")
        leading = groups[0][0]
        winners = (one for one, answer in answers.items() if equal(answer, leading, self.tolerance))
        return found(self, case, winners, f"{first} of {len(answers)} answers agree on {leading.partition(' ')[2]!r}")

    def settled(self, case: Case, outstanding: int) -> bool:
        if case.reference is not None:
            return False
        first, second = _sizes(self._groups(_answers(case)))
        return first >= 2 and first > second + outstanding

    def _against(self, case: Case, reference: str) -> Verdict:
        known = answer_of(Completion(text=reference, finish_reason="stop")) or normal(reference)
        if known is None:
            return silent(self, "no answer can be read from the reference")
        question = _ASKED_FOR_A_NUMBER if known.startswith("number ") else _question(case)
        given = {one.id: answer_of(one.completion, question) for one in case.candidates}
        right = {one for one, said in given.items() if said is not None and equal(said, known, self.tolerance)}
        if not right:
            return silent(self, f"no candidate gave the known answer {known.partition(' ')[2]!r}")
        wrong = frozenset(one for one, said in given.items() if said is not None and one not in right)
        told = f"gave another answer than the known {known.partition(' ')[2]!r}"
        return without(self, case, wrong, told)

    def _groups(self, answers: Mapping[CandidateId, str]) -> list[list[str]]:
        """Equal answers together, the largest group first; a group is named by its smallest answer."""
        groups: list[list[str]] = []
        for answer in sorted(answers.values()):
            home = next((group for group in groups if equal(group[0], answer, self.tolerance)), None)
            if home is None:
                groups.append([answer])
            else:
                home.append(answer)
        return sorted(groups, key=len, reverse=True)


def _question(case: Case) -> str:
    return next((message.text for message in reversed(case.messages) if message.role == "user"), "")


def _answers(case: Case) -> dict[CandidateId, str]:
    question = _question(case)
    given = {one.id: answer_of(one.completion, question) for one in case.candidates if one.id in case.comparable}
    return {one: answer for one, answer in given.items() if answer is not None}


def _sizes(groups: list[list[str]]) -> tuple[int, int]:
    sizes = [len(group) for group in groups]
    return (*sizes, 0, 0)[0], (*sizes, 0, 0)[1]
