"""How many of the candidates say the same."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from judges.heuristics._answers import answer_of, final_answer
from judges.heuristics._found import silent
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict
from judges.usage import NOTHING

_LEAD = re.compile(
    r"^\s*(?:the |my )?(?:final )?(?:(?:answer|result)(?: is| are)?|(?:it|that|this) (?:is|was))\s*:?\s*"
)


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
        found = agreed([answer_of(one.completion, question) for one in case.candidates])
        scores = {one.id: share for one, share in zip(case.candidates, found, strict=True)}
        top = max(scores.values())
        best = tuple(one.id for one in case.candidates if scores[one.id] == top)
        return Verdict(
            judge=self.digest, outcome="decided" if len(best) == 1 else "tie", winners=best, scores=scores,
            reason=f"{top:.0%} of the others say the same as the best", usage=NOTHING,
        )  # fmt: skip


def agreed(said: Sequence[str | None]) -> list[float]:
    """Share of the other answers that are the same, for each of them; one that cannot be told agrees with nobody."""
    count = Counter(said)
    others = max(1, len(said) - 1)
    return [(count[answer] - 1) / others if answer else 0.0 for answer in said]


def loosely_told(text: str, question: str) -> str:
    """The final answer of ``text``, or its last line without marks and the words that lead to an answer.

    That is not sure enough to end a cascade by itself, but is evidence among others.
    """
    if told := final_answer(text, question):
        return told
    lines = text.strip()[-500:].splitlines() or [""]
    plain = re.sub(r"[*_`#$\\{}\"']", "", lines[-1]).casefold()
    return _LEAD.sub("", plain).strip(" .,:;!")
