"""Prefer candidates that came to their end."""

from collections.abc import Mapping

from judges.heuristics._found import without
from judges.judge import JUDGES, Judge
from judges.types import Case, Completion, Model, Verdict


def cut_off(said: Completion) -> bool:
    """Whether a token limit or a broken connection ended it."""
    return said.finish_reason == "length" or said.partial


@JUDGES.register("truncated")
class Truncated(Judge):
    """Prefer candidates that ended by themselves over those cut off by a token limit or a broken connection."""

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        bad = frozenset(one.id for one in case.candidates if cut_off(one.completion))
        return without(self, case, bad, "were cut off")
