"""Pages of many candidates: which stand together, in which rotations, and what their rankings say together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from judges.llm._asking import Asked
from judges.llm._field import Marks, marked
from judges.llm._render import LABELS
from judges.quick import quick
from judges.readers.ranking import Tiers
from judges.types import Candidate, CandidateId

_SAME = 1e-9


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """What a page was found to say. ``acceptable``: names of the answers that would do, None where none are marked."""

    tiers: Tiers
    acceptable: frozenset[str] | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One group of candidates in the order drawn; ``asked`` is what came of its pages, one per order of ``shown``.

    A group that was not asked about rests: all of it goes on.
    """

    group: tuple[Candidate, ...]
    shown: tuple[tuple[CandidateId, ...], ...] = ()
    asked: tuple[Asked[Ranked], ...] = ()

    def heard(self) -> bool:
        """Whether a page has a verdict."""
        return any([asked.said is not None for asked in self.asked])

    def scores(self) -> Mapping[CandidateId, float]:
        """Borda: the share of the others that each beats, half of a share for an equal, as a mean over the pages.

        Pages without a verdict have no say; empty where none has one.
        """
        heard = [
            _shares(shown, asked.said.tiers)
            for shown, asked in zip(self.shown, self.asked, strict=True)
            if asked.said is not None
        ]
        if not heard:
            return {}
        if len(heard) == 1:
            return {one.id: heard[0][one.id] for one in self.group}
        # fsum rounds once, so the order of the pages cannot tip a tie.
        return {one.id: math.fsum([shares[one.id] for shares in heard]) / len(heard) for one in self.group}

    def best(self, most: int) -> tuple[tuple[Candidate, ...], bool]:
        """The ``most`` best of the group, the earlier drawn first where equal, and whether the draw had to decide."""
        if not self.asked:
            return self.group, False
        scores = self.scores()
        ranked = sorted(self.group, key=lambda one: -scores[one.id])
        kept, dropped = ranked[:most], ranked[most:]
        by_lot = bool(dropped) and scores[kept[-1].id] - scores[dropped[0].id] < _SAME
        return tuple(one for one in self.group if one in kept), by_lot

    def winners(self, most: int, scores: Mapping[CandidateId, float]) -> tuple[Candidate, ...]:
        """The ``most`` best of the group by its ``scores``, and whoever equals the last of them."""
        least = sorted(scores.values(), reverse=True)[:most][-1]
        return tuple([one for one in self.group if scores[one.id] >= least - _SAME])

    def marks(self) -> list[Marks]:
        """Page by page, whether each candidate is acceptable; empty for a page that was read and does not say."""
        pages = zip(self.shown, self.asked, strict=True)
        return [marked(shown, asked.said.acceptable) for shown, asked in pages if asked.said is not None]


def rotations(group: Sequence[Candidate], most: int) -> tuple[tuple[CandidateId, ...], ...]:
    """``group`` in up to ``most`` orders, evenly turned, so that each candidate stands in a different place in each."""
    count = min(most, len(group))
    ids = tuple([one.id for one in group])
    if count == 1:
        return (ids,)
    turns = [turn * len(ids) // count for turn in range(count)]
    return tuple([ids[turn:] + ids[:turn] for turn in turns])


def pack(
    entrants: Sequence[Candidate], sizes: Mapping[CandidateId, int], room: int | None, most: int
) -> tuple[tuple[Candidate, ...], ...] | None:
    """Groups of at most ``most`` candidates and ``room`` bytes (None: no bound), by first fit.

    None where the longest candidate fits on no page with another, so that it could not be judged.
    """
    if room is None and len(entrants) <= most:
        return (tuple(entrants),)
    by_size = sorted(sizes[one.id] for one in entrants)
    if room is not None and by_size[0] + by_size[-1] > room:
        return None
    groups: list[list[Candidate]] = []
    for one in entrants:
        for group in groups:
            taken = sum(sizes[other.id] for other in group)
            if len(group) < most and (room is None or taken + sizes[one.id] <= room):
                group.append(one)
                break
        else:
            groups.append([one])
    return tuple(map(tuple, groups))


def evenly(candidates: int, most: int, keep: int) -> int:
    """Candidates per page, so that pages are even; all ``most``, if even pages would hold nobody beyond ``keep``."""
    even = math.ceil(candidates / math.ceil(candidates / most))
    return even if even > keep else most


def standing(final: Mapping[CandidateId, float], dropped: Sequence[Sequence[Candidate]]) -> dict[CandidateId, float]:
    """Scores in [0, 1] over all rounds: the share of the others that each leaves behind.

    ``final`` are the scores of the last page; ``dropped`` who left in each round before, the first round first: equal
    among themselves, and behind everybody who left later.
    """
    others = max(1, len(final) + sum(map(len, dropped)) - 1)
    scores: dict[CandidateId, float] = {}
    behind = 0
    for tier in dropped:
        scores.update((one.id, (behind + (len(tier) - 1) / 2) / others) for one in tier)
        behind += len(tier)
    scores.update((one, (behind + share * (len(final) - 1)) / others) for one, share in final.items())
    return scores


def _shares(shown: Sequence[CandidateId], tiers: Tiers) -> Mapping[CandidateId, float]:
    names = dict(zip(LABELS, shown, strict=False))
    shares: dict[CandidateId, float] = {}
    behind = len(shown)
    for tier in tiers:
        behind -= len(tier)
        share = (behind + (len(tier) - 1) / 2) / (len(shown) - 1)
        for name in tier:
            shares[names[name]] = share
    return shares
