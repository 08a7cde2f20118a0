"""What one label says of the router: how much of the panel's best quality its answer kept."""

from collections.abc import Collection, Mapping

from ensemble.means import quality_of
from ensemble.types import Ruling
from judges.shrinkage import plain
from judges.types import CandidateId


def kept(ruling: Ruling, authors: Mapping[CandidateId, str], served: str, known: Collection[str] = ()) -> float | None:
    """1 + quality of ``served`` - the best quality on the panel, in [0, 1]; None where ``ruling`` says nothing of it.

    Quality is that of the label: the judge's score where it scores, else 1 for who is among the best and 0 for the
    others. Where ``known`` names members, others are no measure: the router could not choose them.
    """
    quality = quality_of(ruling, authors)
    if served not in quality:
        return None
    return 1.0 + quality[served] - max(q for name, q in quality.items() if name == served or not known or name in known)


def telling(ruling: Ruling) -> bool:
    """Whether a judge that errs would likely find otherwise: somebody is not among the best, and no lot decided it."""
    found = plain(ruling.verdict)
    return 0 < len(found.winners) < len(ruling.panel) and "by_lot" not in found.flags
