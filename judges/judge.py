"""What a judge is, what an aggregator is, and where they register."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from judges.registry import Plugin, Registry
from judges.types import Case, Model, Verdict


class Judge(Plugin):
    """Decides which candidates of a case are best."""

    @property
    def scores_candidates(self) -> bool:
        """Whether verdicts carry absolute scores, which a stage with ``accept_score`` above 0 needs."""
        return False

    @abstractmethod
    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        """Judge ``case``, consulting ``models`` by name if need be; a heuristic ignores them.

        What went wrong while judging is a verdict too (``failed``, with its reason), so that a jury can go on
        without the seat. Only cancellation and programming errors escape. The order of ``case.candidates`` must not
        matter: shuffle by ``case.seed`` whatever is shown to a model.
        """

    def settled(self, case: Case, outstanding: int) -> bool:
        """Whether ``outstanding`` further candidates, whatever they say, could not change the finding on ``case``.

        Asked while candidates still arrive, so it must be cheap and may not consult a model.
        """
        return False


class Aggregator(Plugin):
    """Combines ballots. Pure: equal ballots give equal verdicts, whatever their order."""

    @abstractmethod
    def combine(self, ballots: Sequence[Verdict], case: Case) -> Verdict:
        """Combine ``ballots``. Failed and abstained ballots stay in the denominator; a tie is reported as a tie."""


JUDGES: Registry[Judge] = Registry("judge", homes=("judges.heuristics", "judges.llm", "judges.panels"), group="judges")
AGGREGATORS: Registry[Aggregator] = Registry("aggregator", homes=("judges.aggregate",), group="judges.aggregators")

AnyJudge = Annotated[SerializeAsAny[Judge], BeforeValidator(JUDGES.build)]
AnyAggregator = Annotated[SerializeAsAny[Aggregator], BeforeValidator(AGGREGATORS.build)]
