"""Recorded games as ballots: what each judge said of each pair in either order, read robustly, as the service reads."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from judges.aggregate.majority import Majority
from judges.judge import Aggregator
from judges.readers import arena_hard, llmbar
from judges.readers.labels import Reading
from judges.types import Candidate, CandidateId, Case, Completion, Message, Verdict
from judges.verification import _judgebench, _llmbar
from judges.verification._rows import Record

Read = Callable[[str], Iterator[Record]]
Vote = str | None
"""``one`` or ``two`` (the candidates of a pair), ``tie``, or None where a text holds no verdict."""
ONE, TWO, TIE = "one", "two", "tie"
Games = tuple[Vote, Vote]
"""A judge's votes on one pair: with candidate one shown first, and with candidate two shown first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Judges that all judged the same pairs. ``labels`` says which candidate is right, by pair."""

    name: str
    labels: Mapping[str, str]
    games: Mapping[str, Mapping[str, Games]]

    @property
    def judges(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(sorted(self.games))

    @property
    def pairs(self) -> tuple[str, ...]:
        """The pairs on which every judge was asked, sorted."""
        asked = [games.keys() for games in self.games.values()]
        return tuple(sorted(set(self.labels).intersection(*asked)))

    def of(self, name: str, judges: Sequence[str]) -> "Field":
        """The same pairs before ``judges`` alone."""
        return Field(name=name, labels=self.labels, games={judge: self.games[judge] for judge in judges})


def arena_hard_on_claude(read: Read) -> Field:
    """The arena_hard judges of Claude's pairs in JudgeBench; only there did several judge the same pairs."""
    labels: dict[str, str] = {}
    games: defaultdict[str, dict[str, Games]] = defaultdict(dict)
    for record in read(_judgebench.FILE):
        if record["judge_name"] == "arena_hard" and record["response_model"].startswith("claude"):
            labels[record["pair_id"]] = ONE if record["label"] == "A>B" else TWO
            said = {
                game["order"]: _vote(arena_hard.robust(game["judgment_text"] or ""), swapped=game["order"] == "BA")
                for game in record["games"]
            }
            games[record["judge_model"]][record["pair_id"]] = said.get("AB"), said.get("BA")
    return Field(name="arena_hard on Claude's pairs", labels=labels, games=games)


def llmbar_by_prompt(read: Read) -> tuple[Field, ...]:
    """LLMBar's own five subsets: for each prompt, the models that judged by it."""
    labels: dict[str, str] = {}
    games: defaultdict[str, defaultdict[str, dict[str, Games]]] = defaultdict(lambda: defaultdict(dict))
    for record in read(_llmbar.FILE):
        if record["subset"].startswith("LLMBar/"):
            labels[record["id"]] = ONE if record["label"] == 1 else TWO
            games[record["judge"].partition("/")[2]][record["judge"]][record["id"]] = _llmbar_games(record)
    return tuple(
        Field(name=f"LLMBar, {prompt}", labels=labels, games=games[prompt])
        for prompt in sorted(games)
        if len(games[prompt]) > 1
    )


def _llmbar_games(record: Record) -> Games:
    stage = record["stages"][-1]
    if stage["kind"] == "rating":
        first, second = (float(stage[name] or "nan") for name in ("score_1", "score_2"))
        known = math.isfinite(first) and math.isfinite(second)
        vote = None if not known else TIE if first == second else ONE if first > second else TWO
        return vote, vote
    said = {
        game["order"]: _vote(llmbar.robust(game["judgment_text"] or ""), swapped=game["order"] == "21")
        for game in stage["games"]
    }
    return said.get("12"), said.get("21")


def _vote(reading: Reading | None, *, swapped: bool) -> Vote:
    if reading is None:
        return None
    return TIE if reading.label.side == "tie" else ONE if (reading.label.side == "first") != swapped else TWO


PAIR = Case(
    messages=(Message(role="user", content=""),),
    candidates=tuple(
        Candidate(id=CandidateId(name), completion=Completion(text=name, finish_reason="stop")) for name in (ONE, TWO)
    ),
)
"""Two candidates of whom nothing is known but who they are: an aggregator needs no more."""


def ballot(judge: str, vote: Vote) -> Verdict:
    """A vote as a verdict of ``judge``, no verdict as an abstention."""
    if vote is None:
        return Verdict(judge=judge, outcome="abstained")
    winners = tuple(one.id for one in PAIR.candidates if vote in (TIE, one.id))
    return Verdict(judge=judge, outcome="tie" if vote == TIE else "decided", winners=winners)


def counted(aggregator: Aggregator, votes: Mapping[str, Vote]) -> Vote:
    """What ``aggregator`` makes of the votes of several judges."""
    verdict = aggregator.combine([ballot(judge, vote) for judge, vote in votes.items()], PAIR)
    return None if not verdict.winners else TIE if len(verdict.winners) > 1 else str(verdict.winners[0])


@lru_cache(maxsize=4096)
def majority(*votes: Vote) -> Vote:
    """What a majority of seats says; of a judge's two orders too, where ``pairwise`` counts in the same way."""
    return counted(Majority(), {f"seat {place}": vote for place, vote in enumerate(votes)})


def credit(vote: Vote, label: str) -> float:
    """1 for a right verdict, half for a tie or none, 0 for a wrong one."""
    return 0.5 if vote in (TIE, None) else float(vote == label)


def interval(values: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95 % bootstrap interval (percentiles) of the mean of at least two values."""
    import numpy as np
    from scipy.stats import bootstrap

    if len(set(values)) < 2:
        return values[0], values[0]
    found = bootstrap((np.asarray(values),), np.mean, n_resamples=2000, method="percentile", rng=seed)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
