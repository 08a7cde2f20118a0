"""A retrained part against the one that serves, on labels that neither has seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.money import NANO
from ensemble.plurals import counted
from ensemble.routers._policy import Pinned, Point
from ensemble.routers.cascade import points_of
from ensemble.training.accuracy import mean_costs, taken
from ensemble.training.bootstrap import interval, mean
from ensemble.training.evaluate import measurable
from ensemble.training.held import Held
from ensemble.training.intervals import Interval
from ensemble.training.replay import Replayed
from ensemble.training.splits import by_time_or_group
from ensemble.training.table import FloatArray, Table, hashed
from ensemble.training.train import CannotLearn
from judges.learning.folder import retrain

LEAST = 30
"""Conversations below which two routers are not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What came of comparing on ``rows`` requests in ``groups`` conversations.

    Attributes:
        lambda_per_usd: quality that a US dollar is worth; 0 where quality alone counts.
        gain: mean quality minus lambda times cost of the new one, above that of the old; paired by request.
        quality: mean of the old one and of the new one.
        nano_usd: mean cost of a request with the old one and with the new one; NaN where unknown.
    """

    rows: int
    groups: int
    lambda_per_usd: float
    gain: Interval
    quality: tuple[float, float]
    nano_usd: tuple[float, float]

    @property
    def better(self) -> bool:
        """The new one is better, and that is hardly chance: the whole 95 % interval is above 0."""
        return self.gain.low > 0

    @property
    def worse(self) -> bool:
        """The new one is worse, and that is hardly chance."""
        return self.gain.high < 0


def seen_by(manifest: Mapping[str, Any]) -> frozenset[str]:
    """Ids and hashes of what a folder was fitted on, or was chosen by: it is not compared on them again."""
    return frozenset(manifest.get("trained_on", ())) | frozenset(manifest.get("compared_on", ()))


def names_of(table: Table) -> frozenset[str]:
    """Ids and hashes by which the rows of ``table`` are known again."""
    return frozenset({*table.ids, *table.groups, *map(hashed, table.texts)})


def divide(whole: Held, seen: frozenset[str], members: Sequence[str], share: float) -> tuple[Table, Held]:
    """What to learn from, and what to compare on: the latest ``share`` of what is not among ``seen``.

    Whole conversations go to either side, and equal texts to one. Compared are rows that know the quality of all
    ``members``, of those that the labels know at all, and of further members that most of the rows know.

    Raises:
        CannotLearn: too little is fresh; the sentence says how much would do.
    """
    rows = np.flatnonzero(whole.unseen(seen))
    fresh = whole.table.take(rows)
    _, mine, held = by_time_or_group(fresh, share)
    contest = contested(whole.take(rows[held]), members, share)
    learn = whole.unseen(names_of(contest.table))
    learn[rows[~mine]] = False  # what is compared on, and what of older conversations arrived meanwhile
    return whole.table.take(learn), contest


def contested(fresh: Held, members: Sequence[str], share: float = 1.0) -> Held:
    """The rows of ``fresh`` to compare on; ``share`` of the fresh rows they are, for the sentence.

    Raises:
        CannotLearn: there are too few.
    """
    table = fresh.table
    known = (~np.isnan(table.quality)).sum(axis=0)
    names = [
        name
        for name, count in zip(table.members, known, strict=True)
        if count and (name in members or count >= 0.5 * len(table))
    ]
    complete = table.only(names).known if len(names) > 1 else np.zeros(len(table), np.bool_)
    groups = len(set(table.take(complete).groups))
    if groups < LEAST:
        raise CannotLearn(
            f"{counted(groups, 'fresh request')} with labels of every member: too few to compare on, {LEAST} would do, "
            f"so label about {int(np.ceil((LEAST - groups) / share))} more with the whole panel"
        )
    return measurable(fresh, frozenset(), names)[0]


def compare(held: Held, old: Replayed, new: Replayed, lambda_per_usd: float) -> Match:
    """``new`` against ``old``, both replayed on ``held``. A request without a plan has no quality and costs nothing."""
    table = held.table
    lam = lambda_per_usd if np.isfinite(mean_costs(table)).all() else 0.0
    quality = [taken(table.quality, one.choice) for one in (old, new)]
    bill = [_bill(one) for one in (old, new)]
    worth = [got - (lam / NANO * paid if lam else 0.0) for got, paid in zip(quality, bill, strict=True)]
    return Match(
        rows=len(table),
        groups=len(set(table.groups)),
        lambda_per_usd=lam,
        gain=interval(mean(worth[1] - worth[0]), table.groups),
        quality=(float(quality[0].mean()), float(quality[1].mean())),
        nano_usd=(float(bill[0].mean()), float(bill[1].mean())),
    )


def price_of_quality(reader: Pinned, manifest: Mapping[str, Any], held: Held) -> float:
    """The quality that a US dollar is worth by the policy of ``reader``, at the point that training measured.

    For a router it is the lambda of that point. For a cascade it is the loss of quality that is accepted there over
    what is saved for it: whoever gives up a hundredth for that has said what a dollar is worth.

    Raises:
        InvalidOptions: the policy fits no point.
    """
    place, again = "the folder", retrain(manifest)
    if "frontier" in manifest:
        return reader.lambda_at([Point.read(one, "lambda") for one in manifest["frontier"]], place, again)
    if reader.lambda_per_usd is not None:
        return reader.lambda_per_usd
    point = reader.pinned(points_of(manifest, place), place, again)
    if point is None:
        return 0.0
    passed_on = next(one["passed_on"] for one in manifest["thresholds"] if float(one["score"]) == point.at)
    kept = reader.target_quality if reader.max_cost is None else point.quality
    dear = held.table.members.index(str(manifest["members"][1]))
    saved_usd = (1 - float(passed_on)) * float(mean_costs(held.table)[dear]) / NANO
    accepted = max(0.0, 1 - kept) * float(held.table.quality[:, dear].mean())
    return accepted / saved_usd if saved_usd > 0 else 0.0


def _bill(one: Replayed) -> FloatArray:
    paid = one.nano_usd.copy()
    paid[list(one.problems)] = 0.0
    return paid
