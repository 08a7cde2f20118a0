"""A judge of two candidates, made a judge of many."""

from collections.abc import Mapping

from judges.brackets import Bracket, Side, draw, knockout
from judges.judge import JUDGES, AnyJudge, Judge
from judges.panels._ballots import cost, hear, raised
from judges.screen import only
from judges.types import Candidate, CandidateId, Case, Model, Outcome, Preference, Verdict
from judges.usage import NOTHING


@JUDGES.register("tournament")
class Tournament(Judge):
    """A knockout of n - 1 matches, each judged by ``compare`` on a case of two candidates; every ballot is kept.

    Ties and matches without a verdict go to the candidate that was drawn earlier, and ``by_lot`` says where the winner
    owes a round to that. A final without a verdict names no winner.
    """

    compare: AnyJudge

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        if len(case.candidates) < 2:
            winners = tuple(one.id for one in case.candidates)
            told = "the only candidate" if winners else "there is nothing to judge"
            outcome: Outcome = "decided" if winners else "abstained"
            return Verdict(judge=self.digest, outcome=outcome, winners=winners, reason=told, usage=NOTHING)
        heard: dict[tuple[str, str], Verdict] = {}

        async def play(one: Candidate, other: Candidate) -> Side:
            ballot = await hear(self.compare, only(case, [one.id, other.id]), models)
            heard[one.id, other.id] = ballot
            return _side(ballot, one)

        drawn = sorted(case.candidates, key=lambda one: (draw(case.seed, "bracket", one.completion.text), one.id))
        return self._verdict(case, await knockout(drawn, play), heard)

    def _verdict(self, case: Case, bracket: Bracket[Candidate], heard: Mapping[tuple[str, str], Verdict]) -> Verdict:
        final = bracket.matches[-1]
        ballots = tuple(heard[match.first.id, match.second.id] for match in bracket.matches)
        best: set[CandidateId] = {bracket.champion.id}
        outcome: Outcome = "decided"
        if final.side == "tie":
            best, outcome = {final.first.id, final.second.id}, "tie"
        elif final.side == "none":
            failed = all(ballot.outcome == "failed" for ballot in ballots)
            best, outcome = set(), "failed" if failed else "abstained"
        lots = bracket.by_lot(*(one for one in case.candidates if one.id in best))
        return Verdict(
            judge=self.digest,
            outcome=outcome,
            winners=tuple(one.id for one in case.candidates if one.id in best),
            preferences=tuple(
                Preference(shown=(match.first.id, match.second.id), outcome=match.side) for match in bracket.matches
            ),
            ballots=ballots,
            flags=(*raised(ballots), "by_lot") if lots and "by_lot" not in raised(ballots) else raised(ballots),
            reason=ballots[-1].reason,
            usage=cost(ballots),
        )


def _side(ballot: Verdict, one: Candidate) -> Side:
    if not ballot.winners:
        return "none"
    return "tie" if ballot.outcome == "tie" else "first" if ballot.winners == (one.id,) else "second"
