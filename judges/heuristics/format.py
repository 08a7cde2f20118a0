"""Prefer answers in the form that the prompt asks for."""

import asyncio
from collections.abc import Mapping

from judges.heuristics._formats import demands
from judges.heuristics._found import silent, without
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict


@JUDGES.register("format")
class Format(Judge):
    """Prefer candidates that have the form which the prompt demands over those that have not.

    Read in the last user turn and in system turns: limits in words, sentences, lines, paragraphs, bullet points or
    characters; JSON, or JSON alone; one word, yes or no; a phrase to begin with, end with, contain or leave out; an
    answer in bold, boxed or quoted; capitals, lower case, no commas; a letter repeated. English prompts only. Silent
    where no such demand is found for sure, and where all candidates keep to them or none does.
    """

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        texts = {one.id: one.completion.text for one in case.candidates}
        broken = await asyncio.to_thread(_broken, _instructions(case), sorted(set(texts.values())))
        if broken is None:
            return silent(self, "the prompt demands no form that can be checked")
        bad = frozenset(one for one, text in texts.items() if broken[text])
        missed = sorted({name for names in broken.values() for name in names})
        return without(self, case, bad, f"miss what the prompt demands ({', '.join(missed) or 'nothing'})")


def _instructions(case: Case) -> tuple[str, ...]:
    last = next((message.text for message in reversed(case.messages) if message.role == "user"), "")
    return (*(message.text for message in case.messages if message.role in ("system", "developer")), last)


def _broken(instructions: tuple[str, ...], texts: list[str]) -> dict[str, tuple[str, ...]] | None:
    wanted = [demand for prompt in instructions for demand in demands(prompt)]
    if not wanted:
        return None
    return {text: tuple(demand.name for demand in wanted if not demand.holds(text)) for text in texts}
