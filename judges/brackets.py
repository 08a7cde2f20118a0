"""Tournaments over any comparison: pure logic, no model and no candidate in sight."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Generic, Literal, TypeVar

from judges.written import listed, quoted

T = TypeVar("T")
Side = Literal["first", "second", "tie", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(Generic[T]):
    """One comparison of a tournament; ``went_on`` is who stayed in, by merit or (for a tie or none) by the draw."""

    first: T
    second: T
    side: Side
    went_on: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket(Generic[T]):
    """A finished knockout: every match round by round, and who was left. The last match is the final."""

    champion: T
    matches: tuple[Match[T], ...]

    @property
    def best(self) -> tuple[T, ...]:
        """The champion, and whoever tied with one of the best: a draw sends one of two equals on, but beats neither.

        Nobody where the final had no verdict.
        """
        if self.matches and self.matches[-1].side == "none":
            return ()
        best = [self.champion]
        # From the final back: who a tie sent on is among the best by then, or is not.
        for match in reversed(self.matches):
            if match.side == "tie" and match.went_on in best:
                best.append(match.second if match.went_on is match.first else match.first)
        return tuple(best)

    @property
    def by_lot(self) -> bool:
        """Whether one of the best came by the draw alone through a match that had no verdict."""
        return any(match.side == "none" and match.went_on in self.best for match in self.matches)


def draw(seed: int, *texts: str) -> str:
    """A hash that looks random, depends on ``seed`` and texts only, and so is the same wherever it is drawn again."""
    return hashlib.sha256(listed([str(seed), *map(quoted, texts)]).encode()).hexdigest()


def coin(seed: int, one: str, other: str) -> bool:
    """A fair coin that falls the same way for (one, other) as for (other, one)."""
    return int(draw(seed, "coin", *sorted((one, other))), 16) % 2 == 0


async def knockout(entrants: Sequence[T], compare: Callable[[T, T], Awaitable[Side]]) -> Bracket[T]:
    """Play ``entrants``, in the order drawn, until one is left; the matches of one round run concurrently.

    Where a round is odd its first entrant rests. After a tie or no verdict the entrant that was drawn earlier goes on:
    a choice by lot, which the caller must report as such. n entrants take n - 1 comparisons.

    Raises:
        ValueError: there is nobody to play.
    """
    left = list(entrants)
    if not left:
        raise ValueError("a knockout needs at least one entrant")
    matches: list[Match[T]] = []
    while len(left) > 1:
        rest = left[: len(left) % 2]
        pairs = list(zip(left[len(rest) :: 2], left[len(rest) + 1 :: 2], strict=True))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_play(one, other, compare)) for one, other in pairs]
        played = [task.result() for task in tasks]
        matches.extend(played)
        left = rest + [match.went_on for match in played]
    return Bracket(champion=left[0], matches=tuple(matches))


async def round_robin(entrants: Sequence[T], compare: Callable[[T, T], Awaitable[Side]]) -> tuple[Match[T], ...]:
    """Every entrant against every other, all at once: n * (n - 1) / 2 comparisons."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_play(one, other, compare)) for one, other in combinations(entrants, 2)]
    return tuple(task.result() for task in tasks)


async def _play(one: T, other: T, compare: Callable[[T, T], Awaitable[Side]]) -> Match[T]:
    side = await compare(one, other)
    return Match(first=one, second=other, side=side, went_on=other if side == "second" else one)
