"""The index of disagreement against text distance alone, on recorded outputs whose truth is known.

Question: of two requests, does the one whose members differ in correctness stand above the other? The figure is the
area under the ROC curve (AUC), the chance that it does; 0.5 is a coin. The index is that of the audit pages
(``judges.disagreement``), from the texts alone, since no judge was asked; its weights were set by hand, never on this
data. Text distance is the mean over pairs of one less the likeness of the two texts, as normalized indel, and as the
share of words that they have in common.

Each request has up to three members, drawn by a hash of its id. Intervals: bootstrap over requests, within each file.
"""

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from statistics import fmean

import click
import numpy as np
from numpy.typing import NDArray

from ensemble.training.bootstrap import DRAWS, Statistic, divided, interval
from ensemble.training.intervals import Interval
from ensemble.training.table import FloatArray
from judges.disagreement import disagreement
from judges.types import CandidateId, Completion
from scripts._routing import Row, rows
from scripts._runs import table

FILES = ("gsm8k", "routerarena", "routerbench_arc_challenge", "routerbench_winograde", "routerbench_mbpp")
"""Every recording with outputs and a score of whether they are right."""
MEMBERS = 3
WAYS = ("index", "texts", "words")
"""Ways to rank: the index, then the two distances that it is held against."""
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request: whether its members differ in correctness, and how far they differ by each of ``WAYS``."""

    differ: bool
    by: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The AUC of each way on one recording, or the mean over all; ``ahead`` is the index less either distance."""

    name: str
    requests: int
    differ: int
    auc: Mapping[str, Interval]
    ahead: Mapping[str, Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A line per recording, and the mean over them, each counting the same."""

    lines: Sequence[Line]
    mean: Line

    @property
    def better(self) -> bool:
        """Whether the index is ahead of both distances, beyond the intervals, in the mean."""
        return all(one.low > 0 for one in self.mean.ahead.values())


def measure(recorded: Mapping[str, Sequence[Row]], *, draws: int = DRAWS) -> Result:
    """The AUCs on recordings by their names; ``ValueError`` where there is nothing to tell apart."""
    seen = {name: [one for row in found if (one := see(row))] for name, found in recorded.items()}
    for name, found in seen.items():
        if len({one.differ for one in found}) < 2:
            raise ValueError(f"{name}: its requests all differ, or none does; give it more rows")
    return Result(
        lines=[_line(name, {name: found}, draws) for name, found in seen.items()],
        mean=_line("mean of these", seen, draws),
    )


def see(row: Row) -> Seen | None:
    """What a recorded question shows; None where fewer than two members said anything."""
    said = {name: one for name, one in row["models"].items() if str(one.get("output") or "").strip() and "score" in one}
    members = sorted(said, key=lambda name: sha256(f"{row['id']}/{name}".encode()).digest())[:MEMBERS]
    if len(members) < 2:
        return None
    texts = [str(said[name]["output"]) for name in members]
    right = {float(said[name]["score"]) >= 0.5 for name in members}
    found = disagreement(
        {
            CandidateId(name): Completion(text=text, finish_reason="stop")
            for name, text in zip(members, texts, strict=True)
        },
        str(row["prompt"]),
    )
    index, likeness = found.index, found.similarity
    assert index is not None  # noqa: S101 - there are two candidates
    assert likeness is not None  # noqa: S101
    return Seen(differ=len(right) > 1, by={"index": index, "texts": 1 - likeness, "words": words(texts)})


def words(texts: Sequence[str]) -> float:
    """Mean over pairs of the share of words, counted with repetitions, that two texts do not have in common."""
    counted = [Counter(text.casefold().split()) for text in texts]
    return fmean(1 - (one & other).total() / ((one | other).total() or 1) for one, other in combinations(counted, 2))


def auc(differ: Sequence[bool], values: Sequence[float]) -> Statistic:
    """The chance that a row that differs has the higher value than one that does not; equal values count half."""
    yes = np.asarray(differ, bool)
    value = np.asarray(values, np.float64)
    above = value[yes][:, None] - value[~yes][None, :]
    wins = (np.sign(above) + 1) / 2

    def statistic(weights: FloatArray) -> FloatArray:
        one, other = weights[:, yes], weights[:, ~yes]
        return divided(((one @ wins) * other).sum(axis=1), one.sum(axis=1) * other.sum(axis=1))

    return statistic


def _line(name: str, seen: Mapping[str, Sequence[Seen]], draws: int) -> Line:
    """The mean over recordings, each counting the same."""
    ends = np.cumsum([len(found) for found in seen.values()])
    groups = list(map(str, range(int(ends[-1]))))
    ways = {way: _mean([_curve(found, way) for found in seen.values()], ends[:-1]) for way in WAYS}
    everything = [one for found in seen.values() for one in found]
    return Line(
        name=name,
        requests=len(everything),
        differ=sum(one.differ for one in everything),
        auc={way: interval(one, groups, number=draws) for way, one in ways.items()},
        ahead={way: interval(_less(ways["index"], ways[way]), groups, number=draws) for way in WAYS[1:]},
    )


def _curve(seen: Sequence[Seen], way: str) -> Statistic:
    return auc([one.differ for one in seen], [one.by[way] for one in seen])


def _mean(curves: Sequence[Statistic], cuts: IntArray) -> Statistic:
    """Of one curve per recording, whose rows stand one after the other."""

    def statistic(weights: FloatArray) -> FloatArray:
        parts = np.split(weights, cuts, axis=1)
        found: FloatArray = np.mean([one(part) for one, part in zip(curves, parts, strict=True)], axis=0)
        return found

    return statistic


def _less(one: Statistic, other: Statistic) -> Statistic:
    return lambda weights: one(weights) - other(weights)


def written(result: Result) -> str:
    """The table for people, as Markdown."""
    head = ["recorded outputs", "requests", "differ", "AUC: index", "text distance", "index less it", "word distance"]
    return table([*head, "index less it"], [_row(one) for one in (*result.lines, result.mean)])


def _row(line: Line) -> list[str]:
    pairs = [_told(figure[way]) for way in WAYS[1:] for figure in (line.auc, line.ahead)]
    return [line.name, str(line.requests), str(line.differ), _told(line.auc["index"]), *pairs]


def _told(one: Interval) -> str:
    return f"{one.point:.3f} [{one.low:.3f}, {one.high:.3f}]"


@click.command(epilog="Example: scripts/disagreement")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=DATA,
    help="Folder of recorded outputs; by default ../shared/data.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there as well.")
def command(data: Path, json_file: Path | None) -> None:
    """Hold the index of disagreement against text distance where it is known whose answer is right.

    Exits with 1 where the index does not rank better than both distances, in the mean over all recordings.
    """
    try:
        result = measure({name: rows(data / "routing", name) for name in FILES})
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    print(written(result))
    if json_file is not None:
        json_file.write_text(json.dumps(dataclasses.asdict(result), indent=1) + "\n", encoding="utf-8")
    ahead = result.mean.ahead["texts"]
    print(
        f"scripts/disagreement: the index ranks {'better' if result.better else 'NOT better'} than text distance: "
        f"AUC {result.mean.auc['index'].point:.3f} against {result.mean.auc['texts'].point:.3f}, {ahead.point:+.3f} "
        f"[{ahead.low:+.3f}, {ahead.high:+.3f}]",
        file=sys.stderr,
    )
    sys.exit(0 if result.better else 1)


if __name__ == "__main__":
    command(prog_name="scripts/disagreement")
