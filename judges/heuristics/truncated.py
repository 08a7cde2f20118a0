"""Prefer candidates that came to their end."""

from collections.abc import Mapping

from judges.heuristics._found import without
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict


@JUDGES.register("truncated")
class Truncated(Judge):
    """Prefer candidates that ended by themselves over those cut off by a token limit or a broken connection."""

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        bad = (one.id for one in case.candidates if one.completion.finish_reason == "length" or one.completion.partial)
        return without(self, case, frozenset(bad), "were cut off")
