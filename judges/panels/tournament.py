"""A judge of two candidates, made a judge of many."""

from collections.abc import Mapping

from judges.brackets import Side
from judges.judge import JUDGES, AnyJudge, Judge
from judges.llm._field import Field, Kind, Played, field_of, play
from judges.panels._ballots import cost, hear, raised
from judges.screen import only
from judges.types import Candidate, Case, Model, Preference, Verdict


@JUDGES.register("tournament")
class Tournament(Judge):
    """A knockout of n - 1 matches, each judged by ``compare`` on a case of two candidates; every ballot is kept.

    A ``round_robin`` of n * (n - 1) / 2 matches is decided by Bradley-Terry strengths instead.

    Ties and matches without a verdict go to the candidate that was drawn earlier, and ``by_lot`` says where the winner
    owes a round to that. A final without a verdict names no winner.
    """

    compare: AnyJudge
    play: Kind = "knockout"

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        field = field_of(case)
        if len(field.entrants) < 2:
            return field.unasked(self.digest, case)
        heard: dict[tuple[str, str], Verdict] = {}

        async def match(one: Candidate, other: Candidate) -> Side:
            ballot = await hear(self.compare, only(case, [one.id, other.id]), models)
            heard[one.id, other.id] = ballot
            return _side(ballot, one)

        return self._verdict(case, field, await play(self.play, field.entrants, match), heard)

    def _verdict(self, case: Case, field: Field, played: Played, heard: Mapping[tuple[str, str], Verdict]) -> Verdict:
        ballots = tuple(heard[match.first.id, match.second.id] for match in played.matches)
        outcome, winners = field.outcome(case, played.best)
        if not winners and all(ballot.outcome == "failed" for ballot in ballots):
            outcome = "failed"
        preferences = tuple(
            Preference(shown=(match.first.id, match.second.id), outcome=match.side) for match in played.matches
        )
        flags = raised(ballots)
        if played.by_lot and "by_lot" not in flags:
            flags = (*flags, "by_lot")
        return Verdict(
            judge=self.digest,
            outcome=outcome,
            winners=winners,
            scores=field.shared(case, played.scores),
            preferences=preferences + field.ties,
            ballots=ballots,
            flags=flags,
            all_bad=bool(winners) and all(ballot.all_bad for ballot in ballots),
            reason=f"{played.note}; {ballots[-1].reason}" if played.note else ballots[-1].reason,
            usage=cost(ballots),
        )


def _side(ballot: Verdict, one: Candidate) -> Side:
    if not ballot.winners:
        return "none"
    return "tie" if ballot.outcome == "tie" else "first" if ballot.winners == (one.id,) else "second"
