"""How many independent votes a jury's ballots are worth: judges that err together add little to one another."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from judges.agreement.kappa import Estimate, estimated

if TYPE_CHECKING:
    from judges.agreement.kappa import Floats

LEAST = 20
"""Cases that two judges must have in common before anything is said of their errors."""


def worth(votes: int, mean_correlation: float) -> float:
    """How many independent votes ``votes`` correlated ones are worth: n / (1 + (n - 1) * rho), at least 1 (Kish 1965).

    Correlations below 0 count as none: votes that err apart are no more than their number.
    """
    return max(1.0, votes / (1 + (votes - 1) * max(0.0, mean_correlation))) if votes else 0.0


def effective_votes(cases: Iterable[Sequence[float | None]], *, seed: int = 0) -> Estimate:
    """What the ballots of a jury are worth by ``worth``, from the mean correlation of the errors of each two seats.

    Each case holds, seat by seat, how wrong the ballot is in [0, 1], None where the seat gave none. Pairs with fewer
    than ``LEAST`` cases in common, or of which one never varies there, tell nothing; without any other the value is
    None. Correlation of errors is Pearson's, phi where errors are 0 and 1.

    Raises:
        ValueError: a case has another number of seats than the first.
    """
    patterns = Counter(map(tuple, cases))
    sizes = {len(pattern) for pattern in patterns}
    if len(sizes) > 1:
        raise ValueError(f"effective votes: every case needs the same seats in the same order, not {sorted(sizes)}")
    seats = max(sizes, default=0)
    weights = list(patterns.values())
    pairs = [_pair([(one[i], one[j]) for one in patterns], weights) for i, j in combinations(range(seats), 2)]
    told = [pair for pair in pairs if pair is not None]

    def votes(draws: "Floats") -> "Floats":
        import numpy as np

        found = np.array([_correlation(draws, *pair) for pair in told]).reshape(len(told), len(draws))
        known = ~np.isnan(found)
        count = known.sum(axis=0)
        mean = np.divide(
            np.where(known, found, 0.0).sum(axis=0), count, out=np.full(len(draws), np.nan), where=count > 0
        )
        result: Floats = np.maximum(1.0, seats / (1 + (seats - 1) * np.maximum(0.0, mean)))
        return result

    return estimated(weights, votes, seed)


def _pair(
    errors: Sequence[tuple[float | None, float | None]], weights: Sequence[int]
) -> "tuple[Floats, Floats, Floats] | None":
    """Which patterns both seats have a ballot in, and their errors there; None where they are too few."""
    import numpy as np

    both = np.array([one is not None and other is not None for one, other in errors], dtype=float)
    if both @ np.array(weights, dtype=float) < LEAST:
        return None
    one, other = (np.array([float(pair[side] or 0.0) for pair in errors]) for side in (0, 1))
    return both, one * both, other * both


def _correlation(draws: "Floats", both: "Floats", one: "Floats", other: "Floats") -> "Floats":
    """Pearson's correlation in each draw, not a number where one of the two does not vary."""
    import numpy as np

    n = np.maximum(draws @ both, 1e-12)
    means = draws @ one / n, draws @ other / n
    spreads = draws @ one**2 / n - means[0] ** 2, draws @ other**2 / n - means[1] ** 2
    common = draws @ (one * other) / n - means[0] * means[1]
    varies = (spreads[0] > 1e-12) & (spreads[1] > 1e-12)
    under = np.sqrt(np.where(varies, spreads[0] * spreads[1], 1.0))
    result: Floats = np.where(varies, common / under, np.nan)
    return result
