"""What another router would have got on routed traffic, from the answers that were given and how they were drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ensemble.training.bootstrap import DRAWS, Statistic, divided, interval
from ensemble.training.intervals import Interval
from ensemble.training.table import BoolArray, FloatArray

LEAST_EFFECTIVE = 30.0
"""Effective observations below which an estimate is refused: its interval would say little and cover too seldom."""
UNLIKE, SURE = 1.5, 4.0
"""Factor, and standard errors, by which labels of two members must differ from their propensities to be refused."""
_JUDGED = "have a share judged by lot (a shadow table, or an arm of a split that is a panel with a judge)"


class NoOverlap(ValueError):
    """The log cannot tell what the router would get, since it was never tried, or too seldom; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value that was not observed.

    Attributes:
        value: mean quality with its 95 % interval.
        effective: number of evenly weighted observations that would tell as much (Kish 1965).
        observations: (request, member) pairs with a known quality and a positive weight.
        method: ``snips`` or ``doubly robust``.
    """

    value: Interval
    effective: float
    observations: int
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Routed traffic of n requests over m members.

    Attributes:
        target: (n, m) shares with which the router in question takes each member.
        propensity: (n, m) probability with which each member was called; 0 where it could not be, NaN where unknown.
        quality: (n, m), NaN where it was not observed.
        groups: n, requests of which stay together in the bootstrap.
        members: m names, for messages.
    """

    target: FloatArray
    propensity: FloatArray
    quality: FloatArray
    groups: Sequence[str]
    members: Sequence[str]

    def __post_init__(self) -> None:
        shape = (len(self.groups), len(self.members))
        if not self.target.shape == self.propensity.shape == self.quality.shape == shape:
            raise ValueError(f"target, propensity, quality: each must have the shape {shape}")
        known = self.propensity[~np.isnan(self.propensity)]
        if known.size and (known.min() < 0 or known.max() > 1):
            raise ValueError("propensity: a probability must lie in [0, 1]")

    @property
    def weights(self) -> FloatArray:
        """Importance weights (n, m), 0 where nothing was observed."""
        observed = ~np.isnan(self.quality) & (self.propensity > 0)
        ratio: FloatArray = np.divide(self.target, self.propensity, out=np.zeros_like(self.target), where=observed)
        return ratio

    @property
    def stands_for(self) -> FloatArray:
        """How many requests (n,) each row stands for: its labels over the number that was to be expected.

        Its mean over all requests, those without a label included, is 1 whether one member of a request is labelled or
        its whole panel is.
        """
        drawn = np.nan_to_num(self.propensity)
        labels = (~np.isnan(self.quality) & (drawn > 0)).sum(axis=1)
        return np.nan_to_num(divided(labels.astype(np.float64), drawn.sum(axis=1)))


def snips(logged: Logged, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Self-normalized inverse propensity score (Swaminathan and Joachims 2015).

    Raises:
        NoOverlap: the router takes a member that could not be called, propensities are unknown, or too few
            observations carry the estimate.
    """
    weights = _supported(logged)
    top, bottom = (weights * np.nan_to_num(logged.quality)).sum(axis=1), weights.sum(axis=1)

    def statistic(lines: FloatArray) -> FloatArray:
        return divided(lines @ top, lines @ bottom)

    return _estimate("snips", logged, weights, statistic, draws, seed)


def doubly_robust(logged: Logged, predicted: FloatArray, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Predicted quality, corrected where the truth is known (Dudik, Langford and Li 2011).

    Right on average if either the propensities or the predictions are. ``predicted`` (n, m) must come from a model that
    was not fitted on these rows. Requests that a shadow's lot passed over have no label and are no rows, so each row
    stands for as many requests as its propensities say; that is 1, as in the paper, where each of them has one label.

    Raises:
        NoOverlap: as in ``snips``.
        ValueError: a prediction that is needed is unknown.
    """
    weights = _supported(logged)
    if predicted.shape != logged.target.shape or np.isnan(predicted[(logged.target > 0) | (weights > 0)]).any():
        raise ValueError(f"predicted: a number is needed for each of {logged.target.shape} that the router may take")
    guess = np.where((logged.target > 0) | (weights > 0), predicted, 0.0)
    stands = logged.stands_for
    model = stands * (logged.target * guess).sum(axis=1)
    correction = (weights * (np.nan_to_num(logged.quality) - guess)).sum(axis=1)
    value = model + correction

    def statistic(lines: FloatArray) -> FloatArray:
        return divided(lines @ value, lines @ stands)

    return _estimate("doubly robust", logged, weights, statistic, draws, seed)


def _supported(logged: Logged) -> FloatArray:
    """The weights, where the log can tell.

    Raises:
        NoOverlap
    """
    if not len(logged.groups):
        raise NoOverlap(
            "labels: none of a request that the router plans for and was not trained on; an answer has one where a "
            f"judge sees it beside others, so {_JUDGED}"
        )
    wanted: BoolArray = logged.target > 0
    if unknown := int((wanted & np.isnan(logged.propensity)).any(axis=1).sum()):
        raise NoOverlap(
            f"propensity: {unknown} of {len(logged.groups)} requests were routed without chance, or before it was "
            f"logged; {_JUDGED}, and evaluate what comes then"
        )
    never = wanted & (logged.propensity == 0)
    if never.any():
        rows, names = int(never.any(axis=1).sum()), never.any(axis=0)
        told = ", ".join(name for name, lost in zip(logged.members, names, strict=True) if lost)
        raise NoOverlap(
            f"overlap: on {rows} of {len(logged.groups)} requests the router takes {told}, which had no chance to be "
            "called there, or none that is known (a later step of a cascade), so the log says nothing of its answers; "
            "explore with every member first"
        )
    _labelled_as_drawn(logged, np.flatnonzero(wanted.any(axis=0)).tolist())
    weights = logged.weights
    effective = _effective(weights)
    if effective < LEAST_EFFECTIVE:
        raise NoOverlap(
            f"overlap: {effective:.0f} effective observations carry the estimate, {LEAST_EFFECTIVE:.0f} are needed; "
            "log more traffic, or explore more where this router differs from the one that served"
        )
    return weights


def _labelled_as_drawn(logged: Logged, wanted: Sequence[int]) -> None:
    """Refuse propensities that are not the chances of a label: by those, each member's labels stand for all requests.

    A member that a split asks alone is called often, and labelled only where another arm has it judged beside others.

    Raises:
        NoOverlap
    """
    possible = logged.propensity > 0  # False where it is unknown
    here: BoolArray = possible & ~np.isnan(logged.quality)
    stands: FloatArray = np.divide(1.0, logged.propensity, out=np.zeros_like(logged.propensity), where=here)
    for one, other in combinations(np.flatnonzero(possible.any(axis=0)).tolist(), 2):
        if one not in wanted and other not in wanted:
            continue
        pair = stands[possible[:, one] & possible[:, other]][:, [one, other]]
        less, more = sorted(pair.sum(axis=0).tolist())
        error = float(np.sqrt(((pair[:, 0] - pair[:, 1]) ** 2).sum()))
        if more > UNLIKE * less and more - less > SURE * error:
            few, many = (one, other) if pair[:, 0].sum() < pair[:, 1].sum() else (other, one)
            raise NoOverlap(
                f"propensity: by theirs, the labels of {logged.members[many]} stand for {more:.0f} requests and those "
                f"of {logged.members[few]} for {less:.0f} of the same, so {logged.members[few]} was called where its "
                f"answer was not judged; {_JUDGED}"
            )


def _estimate(
    method: str, logged: Logged, weights: FloatArray, statistic: Statistic, draws: int, seed: int
) -> Estimate:
    return Estimate(
        value=interval(statistic, logged.groups, number=draws, seed=seed),
        effective=_effective(weights),
        observations=int((weights > 0).sum()),
        method=method,
    )


def _effective(weights: FloatArray) -> float:
    by_row = weights.sum(axis=1)
    squares = float((by_row**2).sum())
    return float(by_row.sum()) ** 2 / squares if squares else 0.0
