"""Shares and means over cases that were drawn with unlike probabilities, as they would be over all cases.

Each case that was looked at stands for the cases of its stratum (Hájek, 1971). The interval of a share is Wilson's at
the effective number of cases, as in ``judges.agreement``; the variance is that of the weighted residuals within strata,
without a correction for finite numbers: it is about the judge, not about the cases that happen to be in the log.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import TypeVar

from judges.agreement import Rate
from judges.agreement.rates import Z, wilson

Stratum = TypeVar("Stratum", bound=Hashable)
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A case that was drawn and looked at.

    Attributes:
        stratum: which one, of which draw.
        weight: how many cases it stands for, itself included.
        value: what is averaged.
    """

    stratum: Hashable
    weight: float
    value: float


def weights(cases: Mapping[Stratum, int], seen: Sequence[Stratum]) -> list[float]:
    """What each of the ``seen`` strata, one per case looked at, stands for, where a stratum has so many ``cases``.

    That is one by the probability of being drawn and looked at: since what is drawn is looked at in random order, those
    that were not reached yet are a random part of the stratum too.
    """
    reached = Counter(seen)
    return [cases[stratum] / reached[stratum] for stratum in seen]


def share(seen: Sequence[Seen]) -> Rate:
    """The weighted mean of values in [0, 1], with Wilson's interval; ``n`` counts the cases looked at."""
    if not seen:
        return Rate(value=None, low=None, high=None, n=0)
    p = min(1.0, max(0.0, _mean(seen)))
    low, high = wilson(p, _effective(seen, p))
    return Rate(value=p, low=low, high=high, n=len(seen))


def mean(seen: Sequence[Seen]) -> Rate:
    """The weighted mean of any values, with its normal interval, which needs two cases."""
    if not seen:
        return Rate(value=None, low=None, high=None, n=0)
    value = _mean(seen)
    if len(seen) == 1:
        return Rate(value=value, low=None, high=None, n=1)
    half = Z * sqrt(_variance(seen, value))
    return Rate(value=value, low=value - half, high=value + half, n=len(seen))


def pi(pairs: Sequence[tuple[Hashable, Hashable]], seen: Sequence[Seen]) -> Rate:
    """Scott's pi (1955): agreement beyond chance of two who may change places, weighted as the cases ``seen`` are.

    1 is full agreement, 0 what chance gives. None where all say the same, so that chance explains everything. The
    interval is bootstrapped within strata.
    """
    import numpy as np

    if not pairs:
        return Rate(value=None, low=None, high=None, n=0)
    place = {label: at for at, label in enumerate(dict.fromkeys(label for pair in pairs for label in pair))}
    sides = np.array([[place[one], place[other]] for one, other in pairs])
    said = np.eye(len(place))[sides].mean(axis=1)  # half a vote for what each of the two says, cases by labels
    same = (sides[:, 0] == sides[:, 1]).astype(float)
    by = np.array([one.weight for one in seen])
    lot = np.random.default_rng(0)
    times = np.zeros((_RESAMPLES + 1, len(pairs)))  # how often each resample has each case; the first has each once
    times[0] = 1
    for group in _groups(seen):
        times[1:, group] = lot.multinomial(len(group), np.full(len(group), 1 / len(group)), size=_RESAMPLES)
    parts = times * by / (times * by).sum(axis=1, keepdims=True)
    chance = ((parts @ said) ** 2).sum(axis=1)
    told = chance < 1 - 1e-12
    found = np.where(told, (parts @ same - chance) / np.where(told, 1 - chance, 1), np.nan)
    if not told[0]:
        return Rate(value=None, low=None, high=None, n=len(pairs))
    value, drawn = float(found[0]), found[1:][told[1:]]
    if not len(drawn):
        return Rate(value=value, low=None, high=None, n=len(pairs))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Rate(value=value, low=float(low), high=float(high), n=len(pairs))


def _mean(seen: Sequence[Seen]) -> float:
    return fsum(one.weight * one.value for one in seen) / fsum(one.weight for one in seen)


def _variance(seen: Sequence[Seen], centre: float) -> float:
    """Of the weighted mean, which is a ratio, by its linear part."""
    total = fsum(one.weight for one in seen)
    parts = [one.weight * (one.value - centre) / total for one in seen]
    found = 0.0
    for group in _groups(seen):
        m = len(group)
        if m < 2:  # the only case there is at all
            return centre * (1 - centre)
        middle = fsum(parts[at] for at in group) / m
        found += m / (m - 1) * fsum((parts[at] - middle) ** 2 for at in group)
    return found


def _effective(seen: Sequence[Seen], p: float) -> float:
    """How many cases drawn with equal probabilities would tell as much."""
    by = [one.weight for one in seen]
    kish = fsum(by) ** 2 / fsum(weight * weight for weight in by)
    variance = _variance(seen, p)
    if variance <= 1e-12 or p * (1 - p) <= 0:
        return kish
    return min(float(len(seen)), max(1.0, p * (1 - p) / variance))


def _groups(seen: Sequence[Seen]) -> list[list[int]]:
    """Places of the cases of each stratum; strata with one case are taken together, with another one if need be."""
    held: dict[Hashable, list[int]] = {}
    for at, one in enumerate(seen):
        held.setdefault(one.stratum, []).append(at)
    groups = [group for group in held.values() if len(group) > 1]
    single = [at for group in held.values() if len(group) == 1 for at in group]
    if len(single) == 1 and groups:
        groups[-1].extend(single)
    elif single:
        groups.append(single)
    return groups
