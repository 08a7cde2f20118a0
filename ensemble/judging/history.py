"""From stored verdicts to the history of ballots that the aggregator ``dawid_skene`` learns from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ensemble.judging.seats import Heard, Seats
from ensemble.store.judged import Judged
from ensemble.types import RequestId
from judges.aggregate._history import Row, row_of
from judges.types import CandidateId, Verdict


@dataclass(slots=True)
class _Case:
    """What was found on the same candidates of one request: a ballot per judge, the latest of several."""

    ballots: dict[str, Verdict] = field(default_factory=dict)
    best: frozenset[CandidateId] = frozenset()


def rows(verdicts: Iterable[Judged], seats: Seats, judges: Sequence[str] = ()) -> Iterator[Row]:
    """One row per request and field of candidates, with the ballots of every seat and of judges that stand alone.

    ``best`` is what people said. A field of one candidate, and a single ballot that nobody can hold against anything,
    make no row. ``judges`` takes those of some names alone. A few hundred bytes per request are kept until the end,
    since a request can be judged again much later.
    """
    cases: dict[tuple[RequestId, frozenset[CandidateId]], _Case] = {}
    for one in verdicts:
        if judges and one.judge not in judges:
            continue
        for heard in seats.heard(one.verdict, one.candidates):
            if heard.field is not None and len(heard.field) > 1 and _votes(heard):
                case = cases.setdefault((one.request, heard.field), _Case())
                case.ballots[heard.verdict.judge] = heard.verdict
                # All of them, or none, is nothing to hold a ballot against.
                best = (one.best or frozenset()) & heard.field
                case.best = best if best != heard.field else frozenset()
    for (_, shown), case in cases.items():
        if len(case.ballots) > 1 or case.best:
            yield row_of(case.ballots.values(), sorted(shown), case.best)


def _votes(heard: Heard) -> bool:
    """Whether a verdict is a ballot: it names winners, and is no sum of ballots that nobody has summed up again."""
    return bool(heard.verdict.winners) and (heard.parent is not None or not heard.verdict.ballots)
