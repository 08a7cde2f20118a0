"""How many of the candidates say the same."""

from collections import Counter
from collections.abc import Mapping

from judges.heuristics._answers import answer_of
from judges.heuristics._found import silent
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict
from judges.usage import NOTHING


@JUDGES.register("agreement")
class Agreement(Judge):
    """Score each answer by the share of the other candidates that end in the same one: an exit for cascades.

    Made for two or three cheap members asked at once, in a stage whose ``accept_score`` is 1 where all must agree. Tool
    calls and JSON are compared by value. An answer that cannot be told agrees with nobody; a lone candidate has nobody
    to agree with and scores 0.
    """

    @property
    def scores_candidates(self) -> bool:
        return True

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        if not case.candidates:
            return silent(self, "there is no answer to compare")
        question = case.messages[-1].text if case.messages else ""
        said = {one.id: answer_of(one.completion, question) for one in case.candidates}
        count = Counter(said.values())
        others = max(1, len(said) - 1)
        scores = {one: (count[answer] - 1) / others if answer is not None else 0.0 for one, answer in said.items()}
        top = max(scores.values())
        best = tuple(one.id for one in case.candidates if scores[one.id] == top)
        return Verdict(
            judge=self.digest, outcome="decided" if len(best) == 1 else "tie", winners=best, scores=scores,
            reason=f"{top:.0%} of the others say the same as the best", usage=NOTHING,
        )  # fmt: skip
