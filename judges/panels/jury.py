"""Several judges at once, and one rule to count their ballots."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from judges.aggregate.majority import Majority
from judges.judge import JUDGES, AnyAggregator, AnyJudge, Judge
from judges.panels._ballots import cost, hear, raised
from judges.types import Case, Model, Verdict


@JUDGES.register("jury")
class Jury(Judge):
    """All ``seats`` judge the case at the same time; ``aggregate`` makes one verdict of their ballots.

    A seat that fails or abstains has no vote and stops nobody. The verdict keeps every ballot; it says that all are bad
    where most of the ballots that have a vote do.
    """

    seats: Annotated[tuple[AnyJudge, ...], Field(min_length=1)]
    aggregate: AnyAggregator = Majority()

    @property
    def scores_candidates(self) -> bool:
        return self.aggregate.use == "mean" and any(seat.scores_candidates for seat in self.seats)

    def misfits(self) -> Iterator[tuple[str, str]]:
        yield from super().misfits()
        yield from ((f"aggregate.{place}", told) for place, told in self.aggregate.misfits(self.seats))

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(hear(seat, case, models)) for seat in self.seats]
        ballots = tuple(task.result() for task in tasks)
        counted = self.aggregate.combine(ballots, case)
        flags = tuple(dict.fromkeys((*counted.flags, *raised(ballots))))
        voting = self.aggregate.voting(ballots)
        bad = bool(counted.winners) and 2 * sum(one.all_bad for one in voting) > len(voting)
        return replace(counted, judge=self.digest, ballots=ballots, flags=flags, all_bad=bad, usage=cost(ballots))
