"""A pattern that an answer must, or must not, contain."""

import asyncio
from collections.abc import Mapping

from pydantic import field_validator

from judges.errors import InvalidOptions
from judges.heuristics._found import failed, without
from judges.heuristics._patterns import Pattern
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict


@JUDGES.register("regex")
class Regex(Judge):
    """Prefer candidates whose text contains a match of ``pattern``, or with ``wanted = false`` those without one.

    Syntax of JSON Schema patterns (ECMAScript; flags as ``(?ims)`` at the start); anchor it to match the whole text.
    The engine counts its steps and gives up, so no text can make it hang; the verdict is then ``failed``.
    """

    pattern: str
    wanted: bool = True

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            Pattern(pattern)
        except ValueError as error:
            raise InvalidOptions(str(error)) from error
        return pattern

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        texts = {one.id: one.completion.text for one in case.candidates}
        found = await asyncio.to_thread(_found, self.pattern, sorted(set(texts.values())))
        if None in found.values():
            return failed(self, "the pattern takes too many steps on one of the texts")
        bad = frozenset(one for one, text in texts.items() if found[text] != self.wanted)
        return without(self, case, bad, "do not match" if self.wanted else "match")


def _found(pattern: str, texts: list[str]) -> dict[str, bool | None]:
    compiled = Pattern(pattern)
    return {text: compiled.found_in(text) for text in texts}
