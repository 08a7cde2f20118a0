"""What a judge compares answers with: a given reference answer, or one that the judge writes itself first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from judges.llm._asking import AskingJudge
from judges.llm._prompts import PromptFile, load
from judges.llm._render import render
from judges.types import Case, Completion, Exchange, Model

OWN_ANSWER, OWN_REFERENCE = "own_answer", "own_reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefed:
    """A case as its judge will show it, and what was asked to get there. ``own``: the judge wrote the reference."""

    case: Case
    own: bool = False
    exchanges: tuple[Exchange, ...] = ()
    flags: tuple[str, ...] = ()


class ReferringJudge(AskingJudge):
    """A judge that can be guided by a reference answer, which stands on the page as data."""

    reference: Literal["given", "own", "none"] = "given"
    """``given``: the case's reference, where it has one; ``own``: where it has none, the judge answers first itself, in
    one more call; ``none``: never show one."""

    async def brief(self, case: Case, models: Mapping[str, Model]) -> Briefed:
        """Settle the reference for every page of ``case``. Where no own answer could be had, a flag says so."""
        if self.reference == "none":
            return Briefed(case=replace(case, reference=None))
        if self.reference == "given" or case.reference is not None:
            return Briefed(case=case)
        asked = await self.ask(models, load(OWN_ANSWER), render(case, ()), (), _whole)
        if asked.said is None:
            return Briefed(case=case, exchanges=asked.exchanges, flags=("no_reference",))
        return Briefed(case=replace(case, reference=asked.said), own=True, exchanges=asked.exchanges)

    def prompts(self, name: str, *additions: str) -> Mapping[str, str]:
        """The digest's ingredients for a judge that asks by ``load(name, *additions)``."""
        told = {"prompt": load(name, *additions).reference}
        if self.reference == "own":
            told["own_answer"] = load(OWN_ANSWER).reference
            told["own_reference"] = self.prompt_for(True, name, *additions).reference
        return told

    def prompt_for(self, own: bool, name: str, *additions: str) -> PromptFile:
        """What is asked about a page; with its own reference on it, the judge is told that it can be wrong."""
        return load(name, *additions, *((OWN_REFERENCE,) if own else ()))


def _whole(reply: Completion) -> tuple[str, str] | None:
    text = reply.text.strip()
    return (text, "whole") if text and reply.finish_reason != "refusal" else None
