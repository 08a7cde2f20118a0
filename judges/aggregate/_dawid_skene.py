"""How often each judge is right, from votes: the EM of Dawid and Skene (1979), and how far judges err together.

Pure numpy on arrays; nothing here is random.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
else:
    Floats = Any  # numpy is imported where it is used, since a service that fits nothing never needs it


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What EM found.

    Attributes:
        confusion: (judges, classes, classes), P(judge votes l | k is true); rows sum to 1.
        posterior: (items, classes), P(k is true | all votes).
        prior: (classes,), how often each class is true.
        likelihood: log-likelihood of the votes after the last round.
        rounds: how many rounds it took.
        converged: whether the last round moved the likelihood by less than asked for.
    """

    confusion: Floats
    posterior: Floats
    prior: Floats
    likelihood: float
    rounds: int
    converged: bool


def estimate(
    votes: Floats,
    *,
    exists: Floats | None = None,
    known: Floats | None = None,
    imagined: Floats | None = None,
    tied: bool = False,
    rounds: int = 500,
    still: float = 1e-7,
) -> Estimate:
    """Fit confusion matrices by EM, begun at the shares of the votes (majority), so that equal votes give equal fits.

    Args:
        votes: (items, judges, classes), votes as counts or shares; all 0 where a judge said nothing.
        exists: (items, classes), 1 where an item has that class; all have all where None.
        known: (items, classes), the true class with 1, or shares of several; all 0 where unknown.
        imagined: (judges, 2), right and wrong votes that each judge is taken to have cast before; one each where None.
        tied: classes are exchangeable (candidates in a drawn order): one accuracy per judge, errors spread evenly over
            the other classes that the item has.
        rounds: most rounds.
        still: largest change of the log-likelihood, per item, that counts as none.

    Raises:
        ValueError: there are no items, judges or classes, or shapes do not fit.
    """
    import numpy as np

    votes = np.asarray(votes, dtype=np.float64)
    if votes.ndim != 3 or 0 in votes.shape or votes.shape[2] < 2:
        raise ValueError("votes: give items x judges x at least two classes")
    items, judges, classes = votes.shape
    there = np.ones((items, classes)) if exists is None else np.asarray(exists, dtype=np.float64)
    truth = np.zeros((items, classes)) if known is None else np.asarray(known, dtype=np.float64)
    before = np.ones((judges, 2)) if imagined is None else np.asarray(imagined, dtype=np.float64)
    if there.shape != (items, classes) or truth.shape != (items, classes) or before.shape != (judges, 2):
        raise ValueError("exists, known: items x classes; imagined: judges x 2")
    extra = _spread(before, classes)
    fixed = truth.sum(axis=1) > 0
    # Errors fall on the classes that an item has: where these are few, the same wrong vote is likelier.
    sizes = np.maximum(2, there.sum(axis=1)) if tied else np.full(items, classes)
    spared = np.log((classes - 1) / (sizes - 1))
    posterior = _clamp(_shares(votes.sum(axis=1) * there + 1e-9 * there), truth, fixed)
    last, done, converged = -np.inf, 0, False
    while True:
        confusion = np.einsum("ik,ijl->jkl", posterior, votes) + extra
        confusion = _tie(confusion) if tied else _shares(confusion)
        prior = np.full(classes, 1 / classes) if tied else _shares(posterior.sum(axis=0) + 1 / classes)
        odds, likelihood = _expect(votes, confusion, prior, there, spared)
        posterior = _clamp(odds, truth, fixed)
        done, converged, last = done + 1, bool(abs(likelihood - last) < still * items), likelihood
        if converged or done >= rounds:
            break
    return Estimate(
        confusion=confusion,
        posterior=posterior,
        prior=prior,
        likelihood=likelihood,
        rounds=done,
        converged=converged,
    )


def _expect(votes: Floats, confusion: Floats, prior: Floats, there: Floats, spared: Floats) -> tuple[Floats, float]:
    """The posterior of each item's class, and the log-likelihood of all votes.

    ``spared`` (items,) is what a wrong vote is likelier by, in logarithms, than ``confusion`` has it for all classes.
    """
    import numpy as np

    chances = np.einsum("ijl,jkl->ik", votes, np.log(confusion)) + np.log(prior)
    wrong = votes.sum(axis=(1, 2))[:, None] - votes.sum(axis=1)
    chances = chances + wrong * spared[:, None]
    chances = np.where(there > 0, chances, -np.inf)
    most = chances.max(axis=1, keepdims=True)
    odds = np.exp(chances - most)
    return _shares(odds), float((np.log(odds.sum(axis=1)) + most[:, 0]).sum())


def errors_known(votes: Floats, known: Floats, *, least: int) -> Floats:
    """Correlation of the errors of each pair of judges, (judges, judges), over items whose true class is ``known``.

    NaN for a pair with fewer than ``least`` items in common, or of which one never varies there.
    """
    import numpy as np

    spoke = votes.sum(axis=2) > 0
    wrong = 1 - np.einsum("ijl,il->ij", votes, np.minimum(1.0, known))
    together = np.full((votes.shape[1],) * 2, np.nan)
    for one, other in combinations(range(votes.shape[1]), 2):
        pair = wrong[spoke[:, one] & spoke[:, other]][:, [one, other]]
        if len(pair) >= least and pair.std(axis=0).min() > 1e-9:
            together[one, other] = together[other, one] = np.corrcoef(pair.T)[0, 1]
    return together


def errors_guessed(votes: Floats, sizes: Floats, accuracy: Floats, *, least: int) -> Floats:
    """The same without known classes: how much more often two judges agree than their ``accuracy`` explains.

    ``sizes`` is the number of classes of each item. Two independent judges agree where both are right, or both wrong in
    the same way; each agreement beyond that is counted as an error, or a right vote, that they share. The accuracies
    have to come from elsewhere (labels), since votes alone cannot tell shared errors from skill.
    """
    import numpy as np

    plain = votes.max(axis=2) == 1  # a tie agrees with nobody
    together = np.full((votes.shape[1],) * 2, np.nan)
    for one, other in combinations(range(votes.shape[1]), 2):
        both = plain[:, one] & plain[:, other]
        p, q = accuracy[one], accuracy[other]
        spread = p * (1 - p) * q * (1 - q)
        if both.sum() < least or spread <= 0:
            continue
        agree, size = (votes[both, one] * votes[both, other]).sum(axis=1), sizes[both]
        right = ((agree - (1 - p - q) / (size - 1)) * (size - 1) / size).mean()
        together[one, other] = together[other, one] = np.clip((right - p * q) / np.sqrt(spread), -1.0, 1.0)
    return together


def _shares(counts: Floats) -> Floats:
    shares: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _clamp(posterior: Floats, truth: Floats, fixed: Floats) -> Floats:
    posterior[fixed] = _shares(truth[fixed])
    return posterior


def _spread(before: Floats, classes: int) -> Floats:
    """``before`` as counts of a confusion matrix: right ones on the diagonal, wrong ones evenly beside it."""
    import numpy as np

    same = np.eye(classes)
    right, wrong = before[:, 0] / classes, before[:, 1] / (classes * (classes - 1))
    spread: Floats = right[:, None, None] * same + wrong[:, None, None] * (1 - same)
    return spread


def _tie(counts: Floats) -> Floats:
    """One accuracy per judge, errors evenly over the other classes."""
    import numpy as np

    classes = counts.shape[1]
    right = np.trace(counts, axis1=1, axis2=2) / counts.sum(axis=(1, 2))
    return _spread(np.stack([right * classes, (1 - right) * classes], axis=1), classes)
