"""One comparison of two candidates: in one order or in both, and what the two orders say together."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from judges.brackets import Match, Side, coin
from judges.llm._asking import Asked, AskingJudge
from judges.llm._prompts import PromptFile, load
from judges.llm._render import render, written
from judges.readers.labels import THREE_WAY, Label, read_label
from judges.types import Candidate, Case, Completion, Exchange, Model, Preference

Order = Literal["single", "opposite", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page that was asked about, and what came of it."""

    preference: Preference
    asked: Asked[Label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The pages of one pair."""

    pages: tuple[Page, ...]

    @property
    def flipped(self) -> bool:
        """Whether the judge preferred the place on the page, not the answer."""
        winners = {page.preference.winner for page in self.pages}
        return len(winners - {None}) > 1

    def side(self, one: Candidate) -> Side:
        """Who won, seen from ``one`` as the first: the side that more orders prefer, a tie where they cancel out.

        An order without a verdict has no say; if none has one, neither candidate won.
        """
        heard = [page.preference for page in self.pages if page.preference.outcome != "none"]
        if not heard:
            return "none"
        lead = sum(_sign(preference, one) for preference in heard)
        return "tie" if lead == 0 else "first" if lead > 0 else "second"


class ComparingJudge(AskingJudge):
    """A judge that compares two candidates on one page.

    ``order`` is ``single``: one page, the place of each candidate drawn by a hash of the case's seed and the two texts;
    ``opposite``: the same draw the other way round, for the second of two seats; ``both``: two pages, one each way.
    """

    order: Order = "single"

    @property
    def prompt_file(self) -> PromptFile:
        """What is asked."""
        return load("pairwise")

    def ingredients(self) -> Mapping[str, str]:
        return {"prompt": self.prompt_file.reference}

    async def compare(self, case: Case, one: Candidate, other: Candidate, models: Mapping[str, Model]) -> Comparison:
        """Compare two candidates of ``case`` that do not say the same."""
        texts = written(one.completion), written(other.completion)
        drawn = coin(case.seed, *texts) == (texts[0] < texts[1])
        first, second = (one, other) if drawn != (self.order == "opposite") else (other, one)
        orders = [(first, second), (second, first)] if self.order == "both" else [(first, second)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._page(case, top, bottom, models)) for top, bottom in orders]
        return Comparison(pages=tuple(task.result() for task in tasks))

    async def _page(self, case: Case, top: Candidate, bottom: Candidate, models: Mapping[str, Model]) -> Page:
        shown = (top.id, bottom.id)
        asked = await self.ask(models, self.prompt_file, render(case, shown), shown, _parse)
        if asked.said is None:
            return Page(preference=Preference(shown=shown, outcome="none"), asked=asked)
        label = asked.said
        return Page(preference=Preference(shown=shown, outcome=label.side, strength=label.strength), asked=asked)


def in_order(
    matches: tuple[Match[Candidate], ...], compared: Mapping[tuple[str, str], Comparison]
) -> tuple[tuple[Preference, ...], tuple[Exchange, ...]]:
    """The record of a bracket, match by match: each preference points at the exchange behind it."""
    preferences: list[Preference] = []
    exchanges: list[Exchange] = []
    for match in matches:
        for page in compared[match.first.id, match.second.id].pages:
            exchanges.extend(page.asked.exchanges)
            preferences.append(replace(page.preference, exchange=len(exchanges) - 1))
    return tuple(preferences), tuple(exchanges)


def _parse(reply: Completion) -> tuple[Label, str] | None:
    reading = read_label(reply.text, THREE_WAY)
    return (reading.label, reading.path) if reading else None


def _sign(preference: Preference, one: Candidate) -> int:
    return 0 if preference.winner is None else 1 if preference.winner == one.id else -1
