"""How many of the candidates say the same."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from judges.heuristics._answers import answer_of, final_answer, normal
from judges.heuristics._found import silent
from judges.judge import JUDGES, Judge
from judges.types import Case, Completion, Model, Verdict
from judges.usage import NOTHING
from judges.values import value_of

_LEAD = re.compile(
    r"^\s*(?:the |my )?(?:final )?(?:(?:answer|result)(?: is| are)?|(?:it|that|this) (?:is|was))\s*:?\s*"
)
_TEXT = "text "
_LONGEST = 120
"""Characters of a marked line that is taken for an answer; what is longer is a paragraph."""


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
    """As ``surely_told``, or else the last line of ``text`` without marks and leading words.

    That is not sure enough to end a cascade by itself, but is evidence among others.
    """
    return surely_told(text, question) or _plain((text.strip()[-500:].splitlines() or [""])[-1])


def surely_told(text: str, question: str) -> str:
    """What ``text`` comes to: its JSON by value, its final answer, or a last line that is marked as one.

    However it was put, the same answer is the same string, "" where none can be told for sure.
    """
    if value := value_of(Completion(text=_unfenced(text), finish_reason="stop")):
        return value
    if told := final_answer(text, question):
        return _plain(told.removeprefix(_TEXT)) if told.startswith(_TEXT) else told
    last = (text.rstrip().splitlines() or [""])[-1].strip()
    marked = last.startswith("#### ") or (len(last) > 4 and last.startswith("**") and last.endswith("**"))
    return _plain(last) if marked and len(last) <= _LONGEST else ""


def alike(answers: Mapping[str, str], question: str) -> dict[str, int]:
    """A number by name of an answer, the same for those that surely say the same; none where that cannot be told."""
    told = {name: said for name, text in answers.items() if (said := surely_told(text, question))}
    numbers = {said: number for number, said in enumerate(dict.fromkeys(told.values()), 1)}
    return {name: numbers[said] for name, said in told.items()}


def _plain(said: str) -> str:
    plain = _LEAD.sub("", re.sub(r"[*_`#$\\{}\"']", "", said).casefold()).strip(" .,:;!")
    return normal(plain) or plain


def _unfenced(text: str) -> str:
    """What stands in the fence that ``text`` ends with; without one, ``text``."""
    parts = text.rstrip().split("```")
    return parts[-2].removeprefix("json") if len(parts) > 2 and not parts[-1] else text
