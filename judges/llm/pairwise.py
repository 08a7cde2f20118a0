"""Two at a time before a judge model, in a knockout where there are more."""

from collections.abc import Mapping

from judges.brackets import Bracket, Side, draw, knockout
from judges.judge import JUDGES
from judges.llm._asking import Problem
from judges.llm._compare import ComparingJudge, Comparison, in_order
from judges.llm._render import written
from judges.types import Candidate, CandidateId, Case, Model, Outcome, Verdict
from judges.usage import NOTHING, total


@JUDGES.register("pairwise")
class Pairwise(ComparingJudge):
    """Compare two candidates on one page; more than two play a knockout of n - 1 comparisons.

    Candidates are anonymous, their order on the page is drawn by hash and recorded, and their text cannot leave its
    place on the page. A comparison without a verdict or with a tie lets the candidate that was drawn earlier go on, and
    the flag ``by_lot`` says where the winner owes a round to that; a final without a verdict names no winner.

    Flags: ``flipped`` (the two orders contradict each other), ``null_comparison``, ``too_long``, ``by_lot``.
    """

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        if len(case.candidates) < 2:
            return self._unasked(case)
        compared: dict[tuple[str, str], Comparison] = {}

        async def compare(one: Candidate, other: Candidate) -> Side:
            compared[one.id, other.id] = await self.compare(case, one, other, models)
            return compared[one.id, other.id].side(one)

        bracket = await knockout(_drawn(case), compare)
        return self._verdict(case, bracket, compared)

    def _unasked(self, case: Case) -> Verdict:
        winners = tuple(one.id for one in case.candidates)
        told = "the only candidate" if winners else "there is nothing to judge"
        outcome: Outcome = "decided" if winners else "abstained"
        return Verdict(judge=self.digest, outcome=outcome, winners=winners, reason=told, usage=NOTHING)

    def _verdict(
        self, case: Case, bracket: Bracket[Candidate], compared: Mapping[tuple[str, str], Comparison]
    ) -> Verdict:
        final = bracket.matches[-1]
        preferences, exchanges = in_order(bracket.matches, compared)
        winners: set[CandidateId] = {bracket.champion.id}
        outcome: Outcome = "decided"
        if final.side == "tie":
            winners, outcome = {final.first.id, final.second.id}, "tie"
        elif final.side == "none":
            winners, outcome = set(), "failed" if _problems(compared) == {"failed"} else "abstained"
        return Verdict(
            judge=self.digest,
            outcome=outcome,
            winners=tuple(one.id for one in case.candidates if one.id in winners),
            preferences=preferences,
            exchanges=exchanges,
            flags=_flags(
                bracket, compared, by_lot=bracket.by_lot(*(one for one in case.candidates if one.id in winners))
            ),
            reason=_reason(compared[final.first.id, final.second.id]),
            usage=total(exchange.usage for exchange in exchanges),
        )


def _drawn(case: Case) -> list[Candidate]:
    """The candidates in an order that depends on the seed and on what they say, not on where they stand in the case."""

    def place(one: Candidate) -> tuple[str, str]:
        return draw(case.seed, "bracket", written(one.completion)), one.id

    return sorted(case.candidates, key=place)


def _problems(compared: Mapping[tuple[str, str], Comparison]) -> set[Problem | None]:
    """What went wrong on each page; None for a page that was read, or that nobody had to read."""
    return {page.asked.problem if page.asked else None for one in compared.values() for page in one.pages}


def _flags(
    bracket: Bracket[Candidate], compared: Mapping[tuple[str, str], Comparison], *, by_lot: bool
) -> tuple[str, ...]:
    raised = {
        "flipped": any(one.flipped for one in compared.values()),
        "null_comparison": any(match.side == "none" for match in bracket.matches),
        "too_long": "too_long" in _problems(compared),
        "by_lot": by_lot,
    }
    return tuple(flag for flag, up in raised.items() if up)


def _reason(final: Comparison) -> str:
    asked = [page.asked for page in final.pages if page.asked is not None]
    if not asked:
        return "both candidates say the same"
    heard = [one for one in asked if one.said is not None]
    return (heard or asked)[0].reason
