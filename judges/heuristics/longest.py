"""The length bias, as a judge: a baseline to beat, not a quality to trust."""

from collections.abc import Mapping

from judges.heuristics._found import found, silent
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict


@JUDGES.register("longest")
class Longest(Judge):
    """Prefer the longest text, in characters. Named for what it is: the bias that a real judge has to beat.

    On open chat it agrees with people on about 70 % of pairs, where one answer is right and one is not on 27 %.
    """

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        sizes = {one.id: len(one.completion.text.strip()) for one in case.candidates}
        most = max(sizes.values(), default=0)
        if not most:
            return silent(self, "there is no text to measure")
        return found(self, case, (one for one, size in sizes.items() if size == most), f"{most} characters")
