"""What verdicts show of their judge: agreement of the two orders, first positions, length, and what is right."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from judges.agreement.rates import Share
from judges.types import CandidateId, Preference, Verdict

NONE: frozenset[CandidateId] = frozenset()
_CREDIT = {"tie": 0.5, "none": 0.0}


@dataclass(slots=True)
class Tally:
    """The record of one judge, case by case, in constant memory.

    Attributes:
        null: cases without a finding: the judge abstained or failed.
        null_pages: pages that were asked and not answered with a verdict.
        consistency: pairs shown in both orders of which both name the same side, ties included.
        flips: the same pairs, where each order names another candidate: the place decided, not the answer.
        first: decided pages that went to the answer shown first; 0.5 is fair.
        longer: decided comparisons that went to the longer text.
        accuracy: labelled cases, by ``credit``; no finding counts as wrong.
        right_longer, right_shorter: comparisons of a right with a wrong answer that went to the right one, where that
            is the longer, the shorter text; a tie counts half, no verdict as wrong.
        own: decided comparisons of a marked answer with another that went to the marked one.
        own_right: the share of them, where labelled, in which the marked one is right: what ``own`` is held against.
    """

    verdicts: int = 0
    null: Share = field(default_factory=Share)
    null_pages: Share = field(default_factory=Share)
    consistency: Share = field(default_factory=Share)
    flips: Share = field(default_factory=Share)
    first: Share = field(default_factory=Share)
    longer: Share = field(default_factory=Share)
    accuracy: Share = field(default_factory=Share)
    right_longer: Share = field(default_factory=Share)
    right_shorter: Share = field(default_factory=Share)
    own: Share = field(default_factory=Share)
    own_right: Share = field(default_factory=Share)

    def add(
        self,
        verdicts: Sequence[Verdict],
        lengths: Mapping[CandidateId, int],
        *,
        best: Collection[CandidateId] | None = None,
        marked: Collection[CandidateId] = NONE,
    ) -> None:
        """Count one case, judged once or, to see both orders, several times.

        ``lengths`` are the lengths of the texts of all candidates that were judged, in characters. ``best`` are the
        right candidates, all of them for a tie, none where all are bad; None where that is unknown.
        """
        self.verdicts += len(verdicts)
        self.null.add(sum(not one.winners for one in verdicts), len(verdicts))
        pages = [page for one in verdicts for page in shown_pages(one)]
        self.null_pages.add(sum(page.outcome == "none" for page in pages), len(pages))
        decided = [page.outcome for page in pages if page.winner is not None]
        self.first.add(decided.count("first"), len(decided))
        self._orders(pages if len(verdicts) < 2 else (), verdicts)
        compared = [each for one in verdicts for each in comparisons(one, lengths)]
        self._length(compared, lengths)
        self._marked(compared, marked, best)
        if best is not None:
            self.accuracy.add(sum(credit(one, best, lengths) for one in verdicts), len(verdicts))
            self._right(compared, lengths, best)

    def _orders(self, pages: Iterable[Preference], verdicts: Sequence[Verdict]) -> None:
        found = [one.winners for one in verdicts if one.winners]
        pairs = [(set(found[0]), set(found[1]))] if len(found) > 1 else list(both_orders(pages))
        self.consistency.add(sum(one == other for one, other in pairs), len(pairs))
        self.flips.add(sum(one.isdisjoint(other) for one, other in pairs), len(pairs))

    def _length(self, compared: Sequence[Preference], lengths: Mapping[CandidateId, int]) -> None:
        unlike = [one for one in compared if one.winner and _longer(one, lengths) is not None]
        self.longer.add(sum(one.winner == _longer(one, lengths) for one in unlike), len(unlike))

    def _right(
        self, compared: Sequence[Preference], lengths: Mapping[CandidateId, int], best: Collection[CandidateId]
    ) -> None:
        hits: dict[bool, list[float]] = {True: [], False: []}
        for one in compared:
            right, longer = _only(one, best), _longer(one, lengths)
            if right is not None and longer is not None:
                hits[right == longer].append(_CREDIT.get(one.outcome, float(one.winner == right)))
        self.right_longer.add(sum(hits[True]), len(hits[True]))
        self.right_shorter.add(sum(hits[False]), len(hits[False]))

    def _marked(
        self,
        compared: Sequence[Preference],
        marked: Collection[CandidateId],
        best: Collection[CandidateId] | None,
    ) -> None:
        mixed = [(one, mark) for one in compared if one.winner and (mark := _only(one, marked)) is not None]
        self.own.add(sum(one.winner == mark for one, mark in mixed), len(mixed))
        known = [(_only(one, best or ()), mark) for one, mark in mixed]
        told = [right == mark for right, mark in known if right is not None]
        self.own_right.add(sum(told), len(told))


def shown_pages(verdict: Verdict) -> Iterator[Preference]:
    """The comparisons that stood on a page: those of a tournament of judges, and equal texts, were shown to nobody."""
    return (one for one in verdict.preferences if one.exchange is not None)


def comparisons(verdict: Verdict, judged: Iterable[CandidateId]) -> list[Preference]:
    """The pages of ``verdict``; where it has none, its winners against each other and against the other ``judged``.

    The order within the latter means nothing.
    """
    pages = list(shown_pages(verdict))
    if pages:
        return pages
    won = verdict.winners
    lost = [one for one in judged if one not in won]
    ties = [Preference(shown=(one, other), outcome="tie") for at, one in enumerate(won) for other in won[at + 1 :]]
    return ties + [Preference(shown=(one, other), outcome="first") for one in won for other in lost]


def both_orders(pages: Iterable[Preference]) -> Iterator[tuple[set[CandidateId], set[CandidateId]]]:
    """Whom each order names, for every pair that was shown in both and got a verdict in both; a tie names both."""
    first: dict[tuple[CandidateId, CandidateId], Preference] = {}
    for page in pages:
        if page.outcome == "none":
            continue
        one, other = page.shown
        if (opposite := first.pop((other, one), None)) is not None:
            yield _named(opposite), _named(page)
        else:
            first[page.shown] = page


def credit(verdict: Verdict, best: Collection[CandidateId], judged: Collection[CandidateId]) -> float:
    """How right ``verdict`` is, in [0, 1]: the share of its winners that are among ``best``.

    So a tie of the right answer with a wrong one is half right, and so is one winner where all ``judged`` are equally
    good. Where all are bad (``best`` is empty), right is who says so. No finding is wrong.
    """
    if not best:
        return float(verdict.all_bad)
    if not verdict.winners or verdict.all_bad:
        return 0.0
    share = sum(one in best for one in verdict.winners) / len(verdict.winners)
    tie_missed = len(best) > 1 and len(best) == len(judged) and len(verdict.winners) == 1
    return share / 2 if tie_missed else share


def _named(page: Preference) -> set[CandidateId]:
    return set(page.shown) if page.winner is None else {page.winner}


def _only(page: Preference, among: Collection[CandidateId]) -> CandidateId | None:
    """The one of the two that is among them; None where both are, or neither."""
    found = [one for one in page.shown if one in among]
    return found[0] if len(found) == 1 else None


def _longer(page: Preference, lengths: Mapping[CandidateId, int]) -> CandidateId | None:
    one, other = page.shown
    if one not in lengths or other not in lengths or lengths[one] == lengths[other]:
        return None
    return one if lengths[one] > lengths[other] else other
