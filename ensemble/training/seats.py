"""What each judge of a jury is worth: the jury's vote counted again without it.

What is picked is valued by the label, which the whole jury made: every seat is a little flattered, all of them alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.store.examples import Ballot
from ensemble.training.bootstrap import DRAWS, interval, mean
from ensemble.training.held import Held
from ensemble.training.intervals import Interval
from ensemble.training.table import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One judge of a jury.

    Attributes:
        name: its place in the jury from 1, with the digest of its configuration.
        rows: requests on which it sat beside others.
        quality: quality of the plurality's pick, above that of the plurality without it.
        changed: share of requests on which the pick is another one without it.
        nano_usd: what it cost per request; NaN where that is unknown.
    """

    name: str
    rows: int
    quality: Interval
    changed: Interval
    nano_usd: float


def seats(held: Held, *, draws: int = DRAWS, seed: int = 0) -> tuple[Seat, ...]:
    """Every seat that sat on some row beside others, in the order of the jury; none where no jury judged. Blocks."""
    names = sorted({ballot.seat for one in held.examples if len(one.ballots) > 1 for ballot in one.ballots})
    return tuple(_seat(name, held, draws, seed) for name in names)


def _seat(name: str, held: Held, draws: int, seed: int) -> Seat:
    rows, gains, changes, costs = [], [], [], []
    for row, one in enumerate(held.examples):
        own = [ballot for ballot in one.ballots if ballot.seat == name]
        if not own or len(one.ballots) < 2:
            continue
        others = [ballot for ballot in one.ballots if ballot.seat != name]
        whole, without = (_picked(ballots, held.table.members) for ballots in (one.ballots, others))
        rows.append(row)
        gains.append(float(((whole - without) * held.table.quality[row]).sum()))
        changes.append(float(np.abs(whole - without).sum() / 2))
        costs.append(sum(np.nan if ballot.nano_usd is None else float(ballot.nano_usd) for ballot in own))
    groups = [held.table.groups[row] for row in rows]

    def over(values: Sequence[float]) -> Interval:
        return interval(mean(np.array(values)), groups, number=draws, seed=seed)

    return Seat(name=name, rows=len(rows), quality=over(gains), changed=over(changes), nano_usd=float(np.mean(costs)))


def _picked(ballots: Sequence[Ballot], members: Sequence[str]) -> FloatArray:
    """Shares (m,) of the members with the most votes; of all members where there is no vote."""
    votes = np.zeros(len(members))
    for ballot in ballots:
        named = [place for place, member in enumerate(members) if member in ballot.winners]
        votes[named] += 1 / len(named) if named else 0.0
    first = np.isclose(votes, votes.max())
    shares: FloatArray = first / first.sum()
    return shares
