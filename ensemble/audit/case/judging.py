"""What judges found on one request and how: findings with their ballots, every question in order, flips, criteria."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ensemble.audit.case.texts import Text, Tree, shown
from ensemble.audit.shapes import Cell, Column, Table
from ensemble.store.content import logprobs_tree
from judges.llm._render import LABELS
from judges.llm._rubric import LEAST, MOST, stated_scores
from judges.types import Completion

Names = Mapping[str, str]
"""By the id of a candidate the name under which a page shows it."""

MOST_SAID = 4_000
"""Characters of one answer of a judge on a page, where there may be a hundred of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question to a judge model and its raw answer.

    Attributes:
        shown: names in the order on the page, with what the judge was to call each: "" for one alone.
        parsed: which reading of the answer was used; None if none fitted.
        nano_usd: None where the price is unknown.
    """

    prompt: str
    model: str
    shown: tuple[tuple[str, str], ...]
    text: Text
    parsed: str | None
    error: str | None
    attempt: int
    input_tokens: int | None
    output_tokens: int | None
    nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One comparison: which name stood first, and what came of it (a name, ``tie`` or ``no verdict``).

    ``flipped``: the same model, shown the two the other way round, preferred the other one. ``ask`` is the number of
    the question behind it, from 1.
    """

    first: str
    second: str
    preferred: str
    strength: float | None
    flipped: bool
    ask: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """How a candidate fared in a finding; ``score`` in [0, 1], None where it was not scored."""

    name: str
    score: float | None
    winner: bool
    set_aside: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict or a ballot.

    Attributes:
        title: the judge's name in the configuration, or the seat of a ballot.
        in_force: labels are made of it.
        winners: names.
        chosen: the name that it makes the answer.
        facts: what else is known of it: ``overturned``, ``all_bad``, ...
        confidence: calibrated probability in [0, 1]; None if uncalibrated.
        seats: ballots that it was made of.
    """

    title: str
    digest: str
    phase: str
    stage: int
    in_force: bool
    outcome: str
    winners: tuple[str, ...]
    chosen: str | None
    confidence: float | None
    facts: tuple[str, ...]
    flags: tuple[str, ...]
    reason: Text
    total_s: float
    nano_usd: int | None
    scores: tuple[Scored, ...]
    compared: tuple[Compared, ...]
    asks: tuple[Ask, ...]
    seats: tuple["Finding", ...]

    @property
    def flips(self) -> int:
        """Pairs whose two orders contradict each other, ballots included."""
        own = {frozenset((one.first, one.second)) for one in self.compared if one.flipped}
        return len(own) + sum(seat.flips for seat in self.seats)


def in_force(verdicts: Sequence[Tree]) -> Tree | None:
    """The verdict that the label is made of, as the view ``labels`` picks it; None where nothing was judged."""

    def rank(one: Tree) -> tuple[bool, bool, bool, int, str]:
        decided = one["fallback"] is None and one["outcome"] in ("decided", "tie")
        return (
            one["phase"] != "rejudged", one["phase"] == "full" and decided, one["phase"] == "served",
            one["stage"], one["id"],
        )  # fmt: skip

    return max(verdicts, key=rank, default=None)


def findings(verdicts: Sequence[Tree], names: Names) -> tuple[Finding, ...]:
    """The verdicts of a record in the order in which they were found, with their ballots below them."""
    standing = in_force(verdicts)
    return tuple(
        _finding(one, names, f"judge {one['judge']}", f"verdicts/{one['id']}", standing=one is standing)
        for one in verdicts
    )


def criteria(verdicts: Sequence[Tree], names: Names) -> Table:
    """What judges that rate each candidate alone said of it, criterion by criterion: means over their samples."""
    heard: dict[tuple[str, str], dict[str, list[float]]] = {}
    for verdict in every(verdicts):
        for one in verdict["exchanges"]:
            if one["parsed"] is None or len(one["shown"]) != 1:
                continue
            said = stated_scores(
                Completion(text=one["text"], finish_reason="stop", logprobs=logprobs_tree(one["logprobs"]))
            )
            key = (names.get(one["shown"][0], "?"), one["model"])
            for criterion, score in said.items():
                heard.setdefault(key, defaultdict(list))[criterion].append(score)
    found = list(dict.fromkeys(one for said in heard.values() for one in said))
    rows = [
        {"candidate": name, "model": model, **{f"c{at}": _mean(said.get(one)) for at, one in enumerate(found)}}
        for (name, model), said in sorted(heard.items(), key=lambda one: (len(one[0][0]), one[0]))
    ]
    columns = [Column(f"c{at}", one, "number") for at, one in enumerate(found)]
    return Table(
        name="criteria",
        title="Scores by criterion",
        columns=[Column("candidate", "Candidate"), Column("model", "Rated by"), *columns],
        rows=rows,
        note=f"from {LEAST} to {MOST}, the mean of what was read from each answer of the judge",
        empty="No judge rated the candidates by criteria; a judge of the kind pointwise does.",
    )


def _finding(verdict: Tree, names: Names, title: str, at: str, *, standing: bool) -> Finding:
    facts = [name for name in ("overturned", "own_family", "all_bad") if verdict[name]]
    if verdict["parent"] is None:
        facts += [] if verdict["complete"] else ["not on the whole panel"]
        facts += [] if verdict["usable"] else ["not used for learning"]
    if verdict["fallback"]:
        facts.append(f"fallback: {verdict['fallback']}")
    return Finding(
        title=title,
        digest=verdict["judge_digest"],
        phase=verdict["phase"],
        stage=verdict["stage"],
        in_force=standing,
        outcome=verdict["outcome"],
        winners=tuple(sorted((names.get(one, "?") for one in verdict["winners"]), key=_in_order)),
        chosen=names.get(verdict["chosen"]) if verdict["chosen"] else None,
        confidence=verdict["confidence"],
        facts=tuple(facts),
        flags=tuple(_flag(one, names) for one in verdict["flags"]),
        reason=shown(verdict["reason"], f"{at}/reason", MOST_SAID),
        total_s=verdict["total_s"],
        nano_usd=verdict["nano_usd"],
        scores=_scores(verdict, names),
        compared=_compared(verdict, names),
        asks=tuple(_ask(one, names, f"{at}/exchanges/{number}") for number, one in enumerate(verdict["exchanges"])),
        # The store reads ballots in the order of their seats.
        seats=tuple(
            _finding(one, names, f"seat {number + 1}", f"{at}/ballots/{number}", standing=False)
            for number, one in enumerate(verdict["ballots"])
        ),
    )


def _in_order(name: str) -> tuple[int, str]:
    return len(name), name


def _flag(flag: str, names: Names) -> str:
    """A flag with the name of the candidate that it is about."""
    name, colon, about = flag.partition(":")
    return f"{name}: {names[about]}" if colon and about in names else flag


def _scores(verdict: Tree, names: Names) -> tuple[Scored, ...]:
    found = [
        Scored(
            name=names.get(one["candidate_id"], "?"),
            score=one["score"],
            winner=bool(one["winner"]),
            set_aside=one["set_aside"],
        )
        for one in verdict["scores"]
    ]
    return tuple(sorted(found, key=lambda one: _in_order(one.name)))


def _compared(verdict: Tree, names: Names) -> tuple[Compared, ...]:
    exchanges = verdict["exchanges"]

    def asked(one: Tree) -> tuple[frozenset[str], str]:
        at = one["exchange"]
        model = exchanges[at]["model"] if at is not None and at < len(exchanges) else ""
        return frozenset((one["shown_first"], one["shown_second"])), model

    winners: dict[tuple[frozenset[str], str], set[str]] = defaultdict(set)
    for one in verdict["preferences"]:
        if one["outcome"] in ("first", "second"):
            winners[asked(one)].add(one[f"shown_{one['outcome']}"])
    return tuple(
        Compared(
            first=names.get(one["shown_first"], "?"),
            second=names.get(one["shown_second"], "?"),
            preferred=_preferred(one, names),
            strength=one["strength"],
            flipped=len(winners[asked(one)]) > 1,
            ask=None if one["exchange"] is None else one["exchange"] + 1,
        )
        for one in verdict["preferences"]
    )


def _preferred(one: Tree, names: Names) -> str:
    if one["outcome"] in ("first", "second"):
        return names.get(one[f"shown_{one['outcome']}"], "?")
    return "tie" if one["outcome"] == "tie" else "no verdict"


def _ask(one: Tree, names: Names, at: str) -> Ask:
    return Ask(
        prompt=one["prompt"],
        model=one["model"],
        shown=tuple(
            (names.get(each, "?"), LABELS[at] if len(one["shown"]) > 1 and at < len(LABELS) else "")
            for at, each in enumerate(one["shown"])
        ),
        text=shown(one["text"], f"{at}/text", MOST_SAID),
        parsed=one["parsed"],
        error=one["error"],
        attempt=one["attempt"],
        input_tokens=one["input_tokens"],
        output_tokens=one["output_tokens"],
        nano_usd=one["nano_usd"],
    )


def every(verdicts: Sequence[Tree]) -> Iterator[Tree]:
    """Verdicts and their ballots, each before those below it."""
    for one in verdicts:
        yield one
        yield from every(one["ballots"])


def _mean(scores: Sequence[float] | None) -> Cell:
    return math.fsum(scores) / len(scores) if scores else None
