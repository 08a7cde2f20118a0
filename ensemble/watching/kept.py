"""What one label says of the router: how much of the panel's best quality its answer kept."""

from collections import Counter
from collections.abc import Collection, Mapping

from ensemble.means import mean_quality
from ensemble.types import Ruling
from judges.shrinkage import plain
from judges.types import CandidateId, Verdict


def kept(ruling: Ruling, authors: Mapping[CandidateId, str], served: str, known: Collection[str] = ()) -> float | None:
    """1 + quality of ``served`` - the best quality on the panel, in [0, 1]; None where ``ruling`` says nothing of it.

    Quality is the judge's score where it scores, else 1 for who is among the best and 0 for the others. Where ``known``
    names members, others are no measure: the router could not choose them.
    """
    found = plain(ruling.verdict)
    if not (ruling.usable and found.winners):
        return None
    best = unbeaten(found)
    quality = mean_quality([(authors[one], found.scores.get(one), one in best) for one in ruling.panel])
    if served not in quality:
        return None
    return 1.0 + quality[served] - max(q for name, q in quality.items() if name == served or not known or name in known)


def unbeaten(verdict: Verdict) -> set[CandidateId]:
    """The winners, and who lost to nobody: who tied with somebody that lost later was not beaten by himself."""
    lost: Counter[tuple[CandidateId, CandidateId]] = Counter()
    compared = set[CandidateId]()
    for page in verdict.preferences:
        compared.update(page.shown)
        if page.winner is not None:
            one, other = page.shown
            loser = other if page.winner == one else one
            # Asked in both orders, a judge may contradict itself: then neither has lost.
            lost[loser, page.winner] += 1
            lost[page.winner, loser] -= 1
    return set(verdict.winners) | (compared - {loser for (loser, _), times in lost.items() if times > 0})


def telling(ruling: Ruling) -> bool:
    """Whether a judge that errs would likely find otherwise: the winners are all of the best, and others are not."""
    best = unbeaten(plain(ruling.verdict))
    return best == set(ruling.verdict.winners) and len(best) < len(ruling.panel)
