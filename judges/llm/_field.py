"""The field of a tournament: candidates that say the same enter once and share what comes of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from judges.brackets import Bracket, draw
from judges.llm._render import written
from judges.types import Candidate, CandidateId, Case, Outcome, Preference


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Who plays, in an order that depends on the seed and the texts alone, and ``twins``: who says the same as whom."""

    entrants: tuple[Candidate, ...]
    twins: Mapping[CandidateId, tuple[CandidateId, ...]]

    @property
    def ties(self) -> tuple[Preference, ...]:
        """Equal texts are ties by definition: recorded as such, asked of nobody."""
        return tuple(
            Preference(shown=(one, twin), outcome="tie") for one, others in self.twins.items() for twin in others
        )

    def outcome(self, case: Case, best: Iterable[Candidate]) -> tuple[Outcome, tuple[CandidateId, ...]]:
        """The finding where ``best`` of the entrants were best: with their twins, in the order of the case."""
        named = {one.id for one in best}
        named |= {twin for one in named for twin in self.twins.get(one, ())}
        winners = tuple(one.id for one in case.candidates if one.id in named)
        return ("abstained" if not winners else "decided" if len(winners) == 1 else "tie"), winners


def field_of(case: Case) -> Field:
    """The candidates of ``case`` as they enter a tournament."""
    said: dict[str, list[Candidate]] = {}
    for one in sorted(case.candidates, key=lambda one: one.id):
        said.setdefault(written(one.completion), []).append(one)
    drawn = sorted(said, key=lambda text: draw(case.seed, "bracket", text))
    return Field(
        entrants=tuple(said[text][0] for text in drawn),
        twins={said[text][0].id: tuple(one.id for one in said[text][1:]) for text in drawn if len(said[text]) > 1},
    )


def best_of(bracket: Bracket[Candidate]) -> tuple[Candidate, ...]:
    """Whom the final leaves: its winner, both after a tie, nobody where it had no verdict."""
    final = bracket.final
    if final is None or final.side in ("first", "second"):
        return (bracket.champion,)
    return (final.first, final.second) if final.side == "tie" else ()
