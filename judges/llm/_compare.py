"""One comparison of two candidates: in one order or in both, by one model or two, and what the pages say together."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import Field, model_validator

from judges.aggregate._strengths import share_of
from judges.brackets import Match, Side, coin
from judges.llm._asking import Asked
from judges.llm._certainty import strength
from judges.llm._field import Marks, marked
from judges.llm._referring import Briefed, ReferringJudge
from judges.llm._render import LABELS, render, written
from judges.readers.labels import FIVE_WAY, THREE_WAY, Label, read_label
from judges.readers.ranking import read_acceptable
from judges.registry import ModelName
from judges.types import Candidate, CandidateId, Completion, Exchange, Model, Preference

Order = Literal["single", "opposite", "both", "if_close"]
Pair = tuple[Candidate, Candidate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a page was found to say. ``acceptable``: names of the answers that would do, None where none are marked."""

    label: Label
    acceptable: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page that was asked about, and what came of it."""

    preference: Preference
    asked: Asked[Ruling]

    @property
    def model(self) -> str:
        """Who was asked."""
        return self.asked.exchanges[-1].model

    @property
    def marks(self) -> Marks:
        """Whether each candidate is acceptable by itself; empty where the page does not say."""
        return marked(self.preference.shown, self.asked.said.acceptable if self.asked.said else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The pages of one pair."""

    pages: tuple[Page, ...]

    @property
    def flipped(self) -> bool:
        """Whether a model preferred the place on the page, not the answer."""
        return any(len(winners - {None}) > 1 for winners in self._winners().values())

    @property
    def disagreed(self) -> bool:
        """Whether two models each preferred another answer, neither of them contradicting itself."""
        return not self.flipped and len(set().union(*self._winners().values()) - {None}) > 1

    def share(self, one: Candidate) -> float | None:
        """The share of a win that goes to ``one``, as a mean over the pages; None where none has a verdict."""
        return share_of(one.id, (page.preference for page in self.pages))

    def _winners(self) -> Mapping[str, set[CandidateId | None]]:
        return {
            model: {page.preference.winner for page in self.pages if page.model == model}
            for model in {page.model for page in self.pages}
        }

    def side(self, one: Candidate) -> Side:
        """Who won, seen from ``one`` as the first: the side that more pages prefer, a tie where they cancel out.

        A page without a verdict has no say; if none has one, neither candidate won.
        """
        heard = [page.preference for page in self.pages if page.preference.outcome != "none"]
        if not heard:
            return "none"
        lead = sum(_sign(preference, one) for preference in heard)
        return "tie" if lead == 0 else "first" if lead > 0 else "second"


class ComparingJudge(ReferringJudge):
    """A judge that compares two candidates on one page."""

    order: Order = "single"
    """``single``: one page, the place of each candidate drawn by a hash of the case's seed and the two texts;
    ``opposite``: the same draw the other way round; ``both``: two pages, one each way; ``if_close``: the second page
    only where the first says tie, says nothing, or names a winner with less strength than ``close``."""
    second_model: ModelName | None = None
    """A second model that sees the opposite order: beside ``model`` for ``single`` and ``opposite``, in its place on
    the second page for ``if_close``; with ``both``, each model sees both orders."""
    labels: Literal[3, 5] = 3
    """3: better, worse or equal; 5: also by how much, the preference's strength: 1 for much, 0.5 for somewhat."""
    close: float = Field(default=0.75, gt=0.0, le=1.0)
    """Least strength in (0, 1] with which one order is enough for ``if_close``."""
    top_logprobs: int = Field(default=0, ge=0, le=20)
    """Alternatives per token to ask for; with 3 labels the strength is then P(winner) - P(loser) of the label."""
    absolute: bool = False
    """Also ask which answers are acceptable by themselves; where none is, the verdict says that all are bad."""

    @model_validator(mode="after")
    def _has_strengths(self) -> Self:
        if self.order == "if_close" and self.labels == 3 and not self.top_logprobs:
            raise ValueError("order: 'if_close' needs to know how sure a label is; set labels = 5 or top_logprobs = 5")
        if self.labels == 5 and self.top_logprobs:
            raise ValueError("top_logprobs: only with labels = 3 is a label one token; leave it out with labels = 5")
        if self.second_model is not None and self.second_model == self.model:
            raise ValueError("second_model: it is the same as model; use order = 'both' to ask one model both ways")
        return self

    def ingredients(self) -> Mapping[str, str]:
        return self.prompts(*self._prompt())

    def _prompt(self) -> tuple[str, ...]:
        return ("pairwise" if self.labels == 3 else "pairwise_five", *(("absolute",) if self.absolute else ()))

    async def compare(
        self, briefed: Briefed, one: Candidate, other: Candidate, models: Mapping[str, Model]
    ) -> Comparison:
        """Compare two candidates of a case that do not say the same."""
        texts = written(one.completion), written(other.completion)
        drawn = coin(briefed.case.seed, *texts) == (texts[0] < texts[1])
        there: Pair = (one, other) if drawn != (self.order == "opposite") else (other, one)
        back = there[::-1]
        first = (there, self.model)
        second = (back, self.second_model or self.model)
        if self.order == "if_close":
            page = await self._page(briefed, *first, models)
            again = [await self._page(briefed, *second, models)] if self._is_close(page) else []
            return Comparison(pages=(page, *again))
        asked = [first]
        if self.order == "both":
            asked.append((back, self.model))
        if self.second_model is not None:
            asked.append(second)
            if self.order == "both":
                asked.append((there, self.second_model))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._page(briefed, pair, model, models)) for pair, model in asked]
        return Comparison(pages=tuple(task.result() for task in tasks))

    def _is_close(self, page: Page) -> bool:
        """Whether a second order is worth its price. A strength that is not known is no reason to be sure."""
        sure = page.preference.strength
        return page.preference.winner is None or sure is None or sure < self.close

    async def _page(self, briefed: Briefed, pair: Pair, model: ModelName, models: Mapping[str, Model]) -> Page:
        shown = (pair[0].id, pair[1].id)
        page = render(briefed.case, shown, show_reference=True)
        prompt = self.prompt_for(briefed.own, *self._prompt())
        wanted = self.top_logprobs or None
        asked = await self.ask(models, prompt, page, shown, self._parse, top_logprobs=wanted, of=model)
        if asked.said is None:
            return Page(preference=Preference(shown=shown, outcome="none"), asked=asked)
        label = asked.said.label
        return Page(preference=Preference(shown=shown, outcome=label.side, strength=label.strength), asked=asked)

    def _parse(self, reply: Completion) -> tuple[Ruling, str] | None:
        reading = read_label(reply.text, THREE_WAY if self.labels == 3 else FIVE_WAY)
        if reading is None:
            return None
        label = reading.label
        if self.labels == 3:
            label = replace(label, strength=strength(reply, label))
        marks = read_acceptable(reply.text, LABELS[:2]) if self.absolute else None
        return Ruling(label=label, acceptable=marks), reading.path


def in_order(
    matches: tuple[Match[Candidate], ...], compared: Mapping[tuple[str, str], Comparison], before: tuple[Exchange, ...]
) -> tuple[tuple[Preference, ...], tuple[Exchange, ...]]:
    """The record of a bracket, match by match, after what was asked ``before`` it.

    Each preference points at the exchange behind it.
    """
    preferences: list[Preference] = []
    exchanges = list(before)
    for match in matches:
        for page in compared[match.first.id, match.second.id].pages:
            exchanges.extend(page.asked.exchanges)
            preferences.append(replace(page.preference, exchange=len(exchanges) - 1))
    return tuple(preferences), tuple(exchanges)


def _sign(preference: Preference, one: Candidate) -> int:
    return 0 if preference.winner is None else 1 if preference.winner == one.id else -1
