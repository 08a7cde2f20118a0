"""Prefer candidates that say something."""

from collections.abc import Mapping

from judges.heuristics._found import without
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict


@JUDGES.register("empty")
class Empty(Judge):
    """Prefer candidates with text or a tool call over empty ones; silent where all or none are empty."""

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        bad = (one.id for one in case.candidates if not one.completion.text.strip() and not one.completion.tool_calls)
        return without(self, case, frozenset(bad), "are empty")
