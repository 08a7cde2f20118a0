"""What a vote is worth, from how often its judge was right on labelled verdicts. Pure, and of use without a file."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from judges.types import CandidateId, Verdict

GATE = 0.6
PRIOR = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """``n`` labelled verdicts of one judge that named winners; ``right`` of them were, a tie with the right one half.

    Raises:
        ValueError: more are right than there are, or a number is below 0 or not finite.
    """

    n: int
    right: float

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.n:
            raise ValueError(f"Counted: {self.right:g} of {self.n} verdicts cannot be right")


def accuracy(record: Counted, prior: float = PRIOR) -> float:
    """Share of right verdicts, drawn towards one half by ``prior`` imagined right and as many wrong ones."""
    return (record.right + prior) / (record.n + 2 * prior)


def weights_of(records: Mapping[str, Counted], gate: float = GATE, prior: float = PRIOR) -> Mapping[str, float]:
    """The weight of each judge: log-odds of its shrunken accuracy, 0 where that is below ``gate``.

    Log-odds are the best weights of independent voters (Nitzan and Paroush 1982). Shrinkage keeps a judge with few
    labels from outweighing one with many.

    Raises:
        ValueError: ``gate`` is not in [0.5, 1), or ``prior`` is not above 0.
    """
    if not 0.5 <= gate < 1:
        raise ValueError("gate: at least 0.5 and below 1; a judge that is more often wrong than right has no vote")
    if not (prior > 0 and math.isfinite(prior)):
        raise ValueError("prior: above 0, or a judge that was never wrong would outweigh all others")
    return {
        name: math.log(one.right + prior) - math.log(one.n - one.right + prior) if accuracy(one, prior) >= gate else 0.0
        for name, one in records.items()
    }


def version_of(weights: Mapping[str, float]) -> str:
    """Version of a set of weights, 12 hex digits."""
    return hashlib.sha256(json.dumps(dict(weights), sort_keys=True).encode()).hexdigest()[:12]


def voters(ballots: Sequence[Verdict], weights: Mapping[str, float]) -> list[Verdict]:
    """The ballots that name winners and whose judge has a weight above 0."""
    return [ballot for ballot in ballots if ballot.winners and weights.get(ballot.judge, 0.0) > 0]


def votes_of(ballots: Sequence[Verdict], weights: Mapping[str, float]) -> dict[CandidateId, Fraction]:
    """Votes per candidate, exact, so that their order cannot tip a tie; a tied ballot splits its weight evenly."""
    votes: dict[CandidateId, Fraction] = {}
    for ballot in voters(ballots, weights):
        share = Fraction(weights[ballot.judge]) / len(ballot.winners)
        for winner in ballot.winners:
            votes[winner] = votes.get(winner, Fraction(0)) + share
    return votes
