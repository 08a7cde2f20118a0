"""The field of a tournament: candidates that say the same enter once and share what comes of it."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from judges.aggregate._strengths import bradley_terry
from judges.brackets import Match, Side, draw, knockout, round_robin
from judges.llm._render import LABELS, written
from judges.quick import maker, quick
from judges.types import Candidate, CandidateId, Case, Outcome, Preference, Verdict
from judges.usage import NOTHING
from judges.values import what_it_says

Kind = Literal["knockout", "round_robin"]
Marks = Mapping[CandidateId, bool]
"""Whether each candidate on a page is acceptable by itself; empty where the page does not say."""

Share = Callable[[Candidate, Candidate], float | None]
"""The share of a win in [0, 1] that the first of two gets, after their match; None where it had no verdict."""

_SAME = 1e-6
_KNOCKOUT = "2"
"""Raised when whom a knockout leaves as best changes."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Who plays, in an order that depends on the seed and the texts alone, and ``twins``: who says the same as whom."""

    entrants: tuple[Candidate, ...]
    twins: Mapping[CandidateId, tuple[CandidateId, ...]]

    @property
    def ties(self) -> tuple[Preference, ...]:
        """Equal texts, and equal values of data, are ties by definition: recorded as such, asked of nobody."""
        return tuple(
            Preference(shown=(one, twin), outcome="tie") for one, others in self.twins.items() for twin in others
        )

    def shared(self, case: Case, scores: Mapping[CandidateId, float]) -> Mapping[CandidateId, float]:
        """``scores`` of entrants, with their twins, in the order of the case."""
        every = scores
        if self.twins:
            every = {same: score for one, score in scores.items() for same in (one, *self.twins.get(one, ()))}
        return {one.id: every[one.id] for one in case.candidates if one.id in every}

    def outcome(self, case: Case, best: Iterable[Candidate]) -> tuple[Outcome, tuple[CandidateId, ...]]:
        """The finding where ``best`` of the entrants were best: with their twins, in the order of the case."""
        named = {one.id for one in best}
        if self.twins:
            named |= {twin for one in named for twin in self.twins.get(one, ())}
        winners = tuple([one.id for one in case.candidates if one.id in named])
        return ("abstained" if not winners else "decided" if len(winners) == 1 else "tie"), winners

    def unasked(self, judge: str, case: Case) -> Verdict:
        """The verdict of a judge (its digest) that has nothing to choose between: all entrants are best."""
        outcome, winners = self.outcome(case, self.entrants)
        one = "the only candidate" if len(winners) == 1 else "all candidates say the same"
        told = {0: "there is nothing to judge", 1: one}.get(len(self.entrants), "there are no more than are wanted")
        return Verdict(judge=judge, outcome=outcome, winners=winners, preferences=self.ties, reason=told, usage=NOTHING)


_field = maker(Field)


def field_of(case: Case) -> Field:
    """The candidates of ``case`` as they enter a tournament."""
    said: dict[str, list[Candidate]] = {}
    for one in sorted(case.candidates, key=lambda one: (written(one.completion), one.id)):
        said.setdefault(what_it_says(one.completion), []).append(one)
    drawn = sorted(said.values(), key=lambda same: draw(case.seed, "bracket", written(same[0].completion)))
    return _field(
        entrants=tuple([same[0] for same in drawn]),
        twins={same[0].id: tuple(one.id for one in same[1:]) for same in drawn if len(same) > 1},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A finished tournament: whom it leaves as best (nobody where it came to no finding), and by which matches.

    ``by_lot`` says that one of the best owes a round without a verdict to the draw. ``scores``, where everybody met
    everybody, are the probabilities in [0, 1] with which each beats an entrant of mean strength: relative to the field,
    never absolute.
    """

    best: tuple[Candidate, ...]
    matches: tuple[Match[Candidate], ...]
    by_lot: bool = False
    scores: Mapping[CandidateId, float] = field(default_factory=dict)
    note: str = ""


def rules(kind: Kind) -> Mapping[str, str]:
    """What decides a tournament beside its comparisons, for the digest of its judge."""
    return {"knockout": _KNOCKOUT} if kind == "knockout" else {}


async def play(
    kind: Kind,
    entrants: Sequence[Candidate],
    compare: Callable[[Candidate, Candidate], Awaitable[Side]],
    share: Share,
) -> Played:
    """Play at least two ``entrants`` against each other; ``share`` weighs the matches of a round robin."""
    if kind == "round_robin":
        # In a thread, since the first fit of a process imports its numerics.
        return await asyncio.to_thread(_standing, entrants, await round_robin(entrants, compare), share)
    bracket = await knockout(entrants, compare)
    return Played(best=bracket.best, matches=bracket.matches, by_lot=bracket.by_lot)


def _standing(entrants: Sequence[Candidate], matches: tuple[Match[Candidate], ...], share: Share) -> Played:
    places = {one.id: place for place, one in enumerate(entrants)}
    wins: dict[tuple[int, int], float] = {}
    for match in matches:
        one, other = places[match.first.id], places[match.second.id]
        won = share(match.first, match.second)
        if won is not None:
            wins[one, other], wins[other, one] = won, 1 - won
    if {one for pair in wins for one in pair} != set(places.values()):
        return Played(best=(), matches=matches, note="a candidate was in no comparison that came to a verdict")
    fitted = bradley_terry(len(places), wins)
    most = max(fitted.strength)
    ranked = sorted(entrants, key=lambda one: -fitted.strength[places[one.id]])
    best = tuple(one for one in entrants if fitted.strength[places[one.id]] >= most - _SAME)
    told = [f"{fitted.strength[places[one.id]]:.2f} ± {fitted.error[places[one.id]]:.2f}" for one in ranked]
    each = ", ".join(f"{one.id} {how}" for one, how in zip(ranked, told, strict=True))
    return Played(
        best=best,
        matches=matches,
        scores={one.id: 1 / (1 + math.exp(-fitted.strength[places[one.id]])) for one in entrants},
        note=f"strength {told[0]} over {len(matches)} comparisons ({each})",
    )


def marked(shown: Sequence[CandidateId], acceptable: frozenset[str] | None) -> Marks:
    """What a page says where ``acceptable`` are the names that it marks; None: it marks none."""
    if acceptable is None:
        return {}
    return {one: name in acceptable for name, one in zip(LABELS, shown, strict=False)}


def all_bad(entrants: Iterable[Candidate], pages: Iterable[Marks]) -> bool:
    """Whether every entrant was marked, and more often as bad than as acceptable."""
    said: dict[CandidateId, list[bool]] = {one.id: [] for one in entrants}
    for page in pages:
        for one, acceptable in page.items():
            said[one].append(acceptable)
    return all(marks and sum(marks) * 2 < len(marks) for marks in said.values())
