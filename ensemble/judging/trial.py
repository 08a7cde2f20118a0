"""Judges on labelled cases: what they find, in both orders, against what is right, and at which price."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations

from uuid_utils import uuid7

from ensemble.fleet import Fleet
from ensemble.judging.labelled import Labelled
from ensemble.judging.seats import remade
from ensemble.ledger import Aim
from ensemble.money import Total, total
from ensemble.ruling import Models, verdict_of
from ensemble.types import Call, Request, RequestId
from judges.agreement import Estimate, Mean, Rate, Tally, cohen_within, krippendorff_within
from judges.judge import Judge
from judges.screen import screened
from judges.types import CandidateId, Prompt, Verdict

RATES = ("accuracy", "right_longer", "right_shorter", "consistency", "flips", "first", "longer", "null")
"""Shares of a trial that a ``Tally`` of the same name keeps."""
AT_ONCE = 8
PATIENCE_S = 300.0
"""Most seconds for one judge on one case."""
_OTHER = {"single": "opposite", "opposite": "single"}
_Marks = tuple[bool, ...]
"""Of each candidate of a case, whether it is among the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a judge found on one labelled case: as configured, then, where that can be asked, in the other order."""

    labelled: Labelled
    verdicts: tuple[Verdict, ...]
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One judge on all cases.

    ``rates`` are as ``judges.agreement.Tally`` defines them, over both orders, by the names in ``RATES``; ``nano_usd``
    is the mean cost of a verdict, ``cost`` that of all calls, failed ones too.

    ``kappa`` is Cohen's with the labels, over whether each candidate is among the best. Ids mean nothing beyond their
    case, so by the ids of winners even a judge that guesses would agree more often than by chance; and a tie that
    shares an answer agrees in part.
    """

    judge: str
    digest: str
    cases: int
    rates: Mapping[str, Rate]
    kappa: Estimate
    nano_usd: Rate
    cost: Total


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """All judges, how far each two agree (Cohen's kappa), and all of them together (Krippendorff's alpha), as above."""

    judges: tuple[Trial, ...]
    kappas: tuple[tuple[str, str, Estimate], ...]
    alpha: Estimate | None


Told = Callable[[Found], None]


async def find(
    name: str, judge: Judge, cases: Sequence[Labelled], fleet: Fleet, *, both_orders: bool, told: Told
) -> list[Found]:
    """Let ``judge``, which is loaded, decide ``cases``, a few at a time; ``told`` hears of each as it is done."""
    twin = await asyncio.to_thread(_turned, judge) if both_orders else None
    judges = (judge,) if twin is None else (judge, twin)
    found: dict[int, Found] = {}
    places = asyncio.Semaphore(AT_ONCE)

    async def one(at: int, labelled: Labelled) -> None:
        async with places:
            found[at] = await _find(name, judges, labelled, fleet)
        told(found[at])

    async with asyncio.TaskGroup() as group:
        for at, labelled in enumerate(cases):
            group.create_task(one(at, labelled))
    return [found[at] for at in range(len(cases))]


def trials(found: Mapping[str, tuple[Judge, Sequence[Found]]]) -> Trials:
    """Count what each judge found, by name; all of them on the same cases."""
    said = {name: [_said(one) for one in each] for name, (_, each) in found.items()}
    pairs = tuple((one, other, cohen_within(_both(said[one], said[other]))) for one, other in combinations(said, 2))
    told = ([marks for marks in row if marks is not None] for row in zip(*said.values(), strict=True))
    alpha = krippendorff_within(zip(*row, strict=True) for row in told)
    return Trials(
        judges=tuple(_trial(name, judge, each, said[name]) for name, (judge, each) in found.items()),
        kappas=pairs,
        alpha=alpha if len(said) > 1 else None,
    )


async def _find(name: str, judges: Sequence[Judge], labelled: Labelled, fleet: Fleet) -> Found:
    until = asyncio.get_running_loop().time() + PATIENCE_S
    request = Request(
        id=RequestId(str(uuid7())),
        model=name,
        prompt=Prompt(messages=labelled.case.messages),
        arrived_at=datetime.now(UTC),
        deadline=until,
    )
    calls: list[Call] = []
    models = Models(fleet, request, Aim(purpose="judge", seat=name, stage=0), calls.append, until)
    case = (await screened(labelled.case)).contenders
    verdicts = tuple([await verdict_of(judge, case, models, until) for judge in judges])
    return Found(labelled=labelled, verdicts=verdicts, calls=tuple(calls))


def _trial(name: str, judge: Judge, found: Iterable[Found], said: Sequence[_Marks | None]) -> Trial:
    tally, cost = Tally(), Mean()
    right: list[_Marks | None] = []
    spent: list[int | None] = []
    cases = 0
    for one in found:
        lengths = {each.id: len(each.completion.text) for each in one.labelled.case.candidates}
        tally.add(one.verdicts, lengths, best=one.labelled.best)
        right.append(_among(one.labelled.best, one))
        spent += [call.usage.nano_usd for call in one.calls]
        for verdict in one.verdicts:
            cost.add(verdict.usage.nano_usd)
        cases += 1
    return Trial(
        judge=name,
        digest=judge.digest,
        cases=cases,
        rates={rate: getattr(tally, rate).rate for rate in RATES},
        kappa=cohen_within(_both(said, right)),
        nano_usd=cost.rate,
        cost=total(spent),
    )


def _said(found: Found) -> _Marks | None:
    """The finding as configured; None where there is none."""
    verdict = found.verdicts[0]
    if not verdict.winners and not verdict.all_bad:
        return None
    return _among(() if verdict.all_bad else verdict.winners, found)


def _among(best: Collection[CandidateId], found: Found) -> _Marks:
    return tuple(candidate.id in best for candidate in found.labelled.case.candidates)


def _both(one: Sequence[_Marks | None], other: Sequence[_Marks | None]) -> list[list[tuple[bool, bool]]]:
    """By case what the two say of each candidate, where both say something."""
    pairs = zip(one, other, strict=True)
    return [list(zip(mine, theirs, strict=True)) for mine, theirs in pairs if mine is not None and theirs is not None]


def _turned(judge: Judge) -> Judge | None:
    """The same judge asking in the opposite order, nested judges too; None where there is no order to turn.

    Raises:
        OSError: its files cannot be read.
    """
    twin = remade(judge, lambda key, value: _OTHER.get(str(value), value) if key == "order" else value)
    if twin is not None:
        twin.load()
    return twin
