"""Two at a time before a judge model, in a knockout where there are more."""

from collections.abc import Mapping
from dataclasses import replace

from judges.brackets import Side
from judges.judge import JUDGES
from judges.llm._asking import Problem
from judges.llm._compare import ComparingJudge, Comparison, in_order
from judges.llm._field import Field, Kind, Played, all_bad, field_of, play, rules
from judges.llm._referring import Briefed
from judges.suspicion import marking
from judges.types import Candidate, Case, Model, Verdict
from judges.usage import total

STRENGTHS = "2"
"""Raised when the strengths of equal comparisons change."""


@JUDGES.register("pairwise")
class Pairwise(ComparingJudge):
    """Compare two candidates on one page; more than two play a knockout of n - 1 comparisons, or a round robin.

    A ``round_robin`` of n * (n - 1) / 2 comparisons is decided by Bradley-Terry strengths, in which a weak win counts
    less: with strength s it is (1 + s) / 2 of a win, so 0.75 to 0.25 for "somewhat better" of five labels.

    Candidates that say the same enter once and tie, and nobody is asked. All are anonymous, their order on the page is
    drawn by hash and recorded, and their text cannot leave its place on the page. After a tie or without a verdict the
    candidate that was drawn earlier goes on. Whoever tied with a winner is one too; the flag ``by_lot`` says where a
    winner owes a round without a verdict to the draw. A final without a verdict names no winner.

    Flags: ``flipped`` (the two orders contradict each other), ``disagreed`` (so do the two models),
    ``null_comparison``, ``too_long``, ``by_lot``, ``no_reference`` (an own answer was wanted and could not be had),
    ``unmarked`` (so were marks of what is acceptable), and ``suspicious:<candidate>`` for a text that speaks to the
    judge.
    """

    play: Kind = "knockout"
    """``knockout``, or ``round_robin``: everybody meets everybody, and the strengths come with standard errors."""

    def ingredients(self) -> Mapping[str, str]:
        told = {**super().ingredients(), **rules(self.play)}
        # How strengths are found decides a round robin alone, so knockouts keep their digest when that changes.
        return {**told, "strengths": STRENGTHS} if self.play == "round_robin" else told

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        field = field_of(case)
        if len(field.entrants) < 2:
            return field.unasked(self.digest, case)
        briefed = await self.brief(case, models)
        compared: dict[tuple[str, str], Comparison] = {}

        async def compare(one: Candidate, other: Candidate) -> Side:
            compared[one.id, other.id] = await self.compare(briefed, one, other, models)
            return compared[one.id, other.id].side(one)

        def share(one: Candidate, other: Candidate) -> float | None:
            return compared[one.id, other.id].share(one)

        with marking(case) as marks:
            played = await play(self.play, field.entrants, compare, share)
            suspicious = await marks
        verdict = self._verdict(case, field, briefed, played, compared)
        return replace(verdict, flags=verdict.flags + suspicious)

    def _verdict(
        self,
        case: Case,
        field: Field,
        briefed: Briefed,
        played: Played,
        compared: Mapping[tuple[str, str], Comparison],
    ) -> Verdict:
        outcome, winners = field.outcome(case, played.best)
        if not winners and _problems(compared) == {"failed"}:
            outcome = "failed"
        marks = [page.marks for one in compared.values() for page in one.pages if page.asked.said is not None]
        preferences, exchanges = in_order(played.matches, compared, briefed.exchanges)
        return Verdict(
            judge=self.digest,
            outcome=outcome,
            winners=winners,
            scores=field.shared(case, played.scores),
            preferences=preferences + field.ties,
            exchanges=exchanges,
            flags=briefed.flags
            + _flags(played, compared)
            + (("unmarked",) if self.absolute and not all(marks) else ()),
            all_bad=bool(winners) and all(marks) and all_bad(field.entrants, marks),
            reason=_reason(played, compared),
            usage=total(exchange.usage for exchange in exchanges),
        )


def _problems(compared: Mapping[tuple[str, str], Comparison]) -> set[Problem | None]:
    """What went wrong on each page; None for a page that was read."""
    return {page.asked.problem for one in compared.values() for page in one.pages}


def _flags(played: Played, compared: Mapping[tuple[str, str], Comparison]) -> tuple[str, ...]:
    raised = {
        "flipped": any(one.flipped for one in compared.values()),
        "disagreed": any(one.disagreed for one in compared.values()),
        "null_comparison": any(match.side == "none" for match in played.matches),
        "too_long": "too_long" in _problems(compared),
        "by_lot": played.by_lot,
    }
    return tuple(flag for flag, up in raised.items() if up)


def _reason(played: Played, compared: Mapping[tuple[str, str], Comparison]) -> str:
    """The words of the last match, which is the final of a knockout; those of one that failed, where one did."""
    last = played.matches[-1]
    asked = [page.asked for page in compared[last.first.id, last.second.id].pages]
    words = ([one for one in asked if one.said is not None] or asked)[0].reason
    return f"{played.note}; {words}" if played.note else words
