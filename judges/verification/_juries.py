"""Weighted juries under cross-validation: weights and gates fit on some pairs, judged on the others.

A jury is the judges that were asked about the same pairs by the same prompt: two sets from JudgeBench, one per prompt
of LLMBar. Nothing else is chosen; the settings are those with which ``weighted`` comes.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from judges.aggregate._weights import GATE, Counted, accuracy
from judges.aggregate.weighted import Weighted
from judges.calibration import Calibration, Fitted, write
from judges.verification._ballots import (
    Field,
    Read,
    Vote,
    arena_hard_on_claude,
    counted,
    credit,
    interval,
    llmbar_by_prompt,
    majority,
)
from judges.verification._rows import Row

SEED = 20261124
FOLDS, SHUFFLES = 5, 5
MOST_LOST = 0.01
"""How far a jury may stay behind its best judge, in accuracy with half credit for ties."""
PART = "weights"


def table(read: Read, _expected: Mapping[str, object]) -> Iterator[Row]:
    """A row per jury: its accuracy on pairs that its weights have not seen, beside its best judge's in hindsight."""
    yield Row(part=PART, name="seed", expected=None, found=SEED, right=False, informative=True)
    everyone = arena_hard_on_claude(read)
    yield _row(everyone, least=-MOST_LOST)
    yield _row(everyone.of("comparable arena_hard judges on Claude's pairs", comparable(everyone)), least=None)
    for field in llmbar_by_prompt(read):
        yield _row(field, least=-MOST_LOST)


def comparable(field: Field) -> tuple[str, ...]:
    """The judges that pass the gate on all pairs, sorted."""
    records = {name: Counted(n=one.n, right=one.right) for name, one in fitted(field, field.pairs).items()}
    return tuple(judge for judge in field.judges if accuracy(records[judge]) >= GATE)


def ballots(field: Field, pair: str) -> dict[str, Vote]:
    """What each judge says of a pair once both its orders are counted."""
    return {judge: majority(*field.games[judge][pair]) for judge in field.judges}


def fitted(field: Field, pairs: Iterable[str]) -> Mapping[str, Fitted]:
    """How often each judge is right on ``pairs``, over the verdicts that name winners."""
    known: dict[str, list[float]] = {judge: [] for judge in field.judges}
    for pair in pairs:
        for judge, vote in ballots(field, pair).items():
            if vote is not None:
                known[judge].append(credit(vote, field.labels[pair]))
    return {judge: Fitted(name=judge, n=len(all_), right=sum(all_)) for judge, all_ in known.items()}


def held_out(field: Field, seed: int) -> Mapping[str, Sequence[Vote]]:
    """The jury's findings on each pair, one per shuffle, none by weights that were fit on that pair."""
    found: dict[str, list[Vote]] = {pair: [] for pair in field.pairs}
    drawn = random.Random(seed)  # noqa: S311  a split of data, no secret
    with TemporaryDirectory() as folder:
        for _ in range(SHUFFLES):
            pairs = list(field.pairs)
            drawn.shuffle(pairs)
            for fold in range(FOLDS):
                asked = frozenset(pairs[fold::FOLDS])
                jury = _jury(field, [pair for pair in pairs if pair not in asked], Path(folder) / "cal.json")
                for pair in pairs[fold::FOLDS]:
                    found[pair].append(counted(jury, ballots(field, pair)))
    return found


def _jury(field: Field, pairs: Sequence[str], path: Path) -> Weighted:
    """The aggregator as a user gets it: from a calibration file."""
    write(path, Calibration(judges=fitted(field, pairs)))
    jury = Weighted(calibration=path)
    jury.load()
    return jury


def _row(field: Field, least: float | None) -> Row:
    """``least`` is the smallest margin over the best judge that will do; None asks for more than none at all."""
    right = field.labels
    jury = {
        pair: sum(credit(vote, right[pair]) for vote in votes) / len(votes)
        for pair, votes in held_out(field, SEED).items()
    }
    alone = {
        judge: {pair: credit(majority(*field.games[judge][pair]), right[pair]) for pair in field.pairs}
        for judge in field.judges
    }
    best = max(field.judges, key=lambda judge: sum(alone[judge].values()))
    margins = [jury[pair] - alone[best][pair] for pair in field.pairs]
    margin = sum(margins) / len(margins)
    low, high = interval(margins, SEED)
    told = (
        f"{_percent(jury.values())} against {_percent(alone[best].values())} of {best}, "
        f"margin {100 * margin:+.2f} ({100 * low:+.2f} to {100 * high:+.2f}), {len(margins)} pairs; "
        f"judges {', '.join(field.judges)}"
    )
    wanted = "a margin above 0" if least is None else f"a margin of at least {100 * least:+.2f}"
    # Half credits are exact, means are not: a hair below is not below.
    fits = margin > 1e-9 if least is None else margin >= least - 1e-9
    return Row(part=PART, name=field.name, expected=wanted, found=told, right=fits)


def _percent(credits: Iterable[float]) -> str:
    all_ = list(credits)
    return f"{100 * sum(all_) / len(all_):.2f}"
