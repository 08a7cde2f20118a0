"""What a judge compares answers with: a given reference answer, or one that the judge writes itself first."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from judges.llm._asking import Asked, AskingJudge
from judges.llm._prompts import PromptFile, load
from judges.llm._render import render
from judges.quick import maker, quick, replace
from judges.types import Case, Completion, Exchange, Model

OWN_ANSWER, OWN_REFERENCE = "own_answer", "own_reference"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Briefed:
    """A case as its judge will show it, and what was asked to get there. ``own``: the judge wrote the reference."""

    case: Case
    own: bool = False
    exchanges: tuple[Exchange, ...] = ()
    flags: tuple[str, ...] = ()


_brief = maker(Briefed)


@dataclass(slots=True)
class _Slot:
    """An own answer that several matches share; ``lock`` lets one of them ask for it while the others wait."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: Asked[str] | None = None


_WRITTEN: ContextVar[dict[tuple[str, str], _Slot] | None] = ContextVar("_WRITTEN", default=None)
"""Own answers by judge and page, within ``one_own_answer``."""


@contextmanager
def one_own_answer() -> Iterator[None]:
    """Within, judges write their own answer to one conversation once, whatever the candidates; in tasks of it too."""
    token = _WRITTEN.set({}) if _WRITTEN.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _WRITTEN.reset(token)


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
            return _brief(case=case)
        page, written = render(case, ()), _WRITTEN.get()
        if written is None:
            return _briefed(case, await self.ask(models, load(OWN_ANSWER), page, (), _whole))
        slot = written.setdefault((self.digest, page), _Slot())
        async with slot.lock:
            if slot.asked is None:
                slot.asked = await self.ask(models, load(OWN_ANSWER), page, (), _whole)
                return _briefed(case, slot.asked)
        # Who asked has the exchange and its cost; a second record of it would be paid twice in every sum.
        return _briefed(case, replace(slot.asked, exchanges=()))

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


def _briefed(case: Case, asked: Asked[str]) -> Briefed:
    if asked.said is None:
        return Briefed(case=case, exchanges=asked.exchanges, flags=("no_reference",))
    return Briefed(case=replace(case, reference=asked.said), own=True, exchanges=asked.exchanges)


def _whole(reply: Completion) -> tuple[str, str] | None:
    text = reply.text.strip()
    return (text, "whole") if text and reply.finish_reason != "refusal" else None
