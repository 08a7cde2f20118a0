"""Prefer answers in the form that the prompt asks for."""

import asyncio
from collections.abc import Mapping, Sequence

from judges.heuristics._formats import demands
from judges.heuristics._found import silent, without
from judges.judge import JUDGES, Judge
from judges.types import Case, Message, Model, Verdict


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
        broken = await asyncio.to_thread(_broken, case.messages, sorted(set(texts.values())))
        if broken is None:
            return silent(self, "the prompt demands no form that can be checked")
        bad = frozenset(one for one, text in texts.items() if broken[text])
        missed = sorted({name for names in broken.values() for name in names})
        return without(self, case, bad, f"miss what the prompt demands ({', '.join(missed) or 'nothing'})")


def keeps_form(messages: Sequence[Message], text: str) -> bool | None:
    """Whether ``text`` has the form that the prompt demands; None where it demands none that can be checked."""
    broken = _broken(messages, [text])
    return None if broken is None else not broken[text]


def _instructions(messages: Sequence[Message]) -> tuple[str, ...]:
    last = next((message.text for message in reversed(messages) if message.role == "user"), "")
    return (*(message.text for message in messages if message.role in ("system", "developer")), last)


def _broken(messages: Sequence[Message], texts: list[str]) -> dict[str, tuple[str, ...]] | None:
    wanted = [demand for prompt in _instructions(messages) for demand in demands(prompt)]
    if not wanted:
        return None
    return {text: tuple(demand.name for demand in wanted if not demand.holds(text)) for text in texts}
