"""Train and measure learned routers and cascades on recorded scores, with 95 % intervals.

    scripts/verify_routers [--train DIR --test DIR] [--json FILE]

Without folders: 5 folds by a hash of the question over ``../shared/data/routing``, so that a question is on one side in
every file. Thresholds and mixtures come from the training side alone.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ensemble.training import metrics
from ensemble.training.fit import Fitted, fit
from ensemble.training.policy import frontier, lambda_for
from ensemble.training.scorer import answers_of, fit_scorer
from ensemble.training.splits import folds
from ensemble.training.table import FloatArray, IntArray, Table
from judges.heuristics._answers import final_answer
from judges.learning.model import sample
from scripts._routing import BENCH, NANO, STRONG, WEAK, bench, beside, checked, nine, pooled, two, witnessed

HOME = Path(__file__).resolve().parent.parent / "../shared/data/routing"
AGREEING = 3
CHEAP = 0.1
"""Share of the best member's cost up to which a member is cheap."""
Reader = Callable[[Path], Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A figure, what it is to reach, and where (``at least`` unless ``most``)."""

    name: str
    found: metrics.Interval
    target: float | None = None
    most: bool = False

    def __str__(self) -> str:
        one = self.found
        told = f"{self.name:<58} {one.point:8.4f}  [{one.low:7.4f}, {one.high:7.4f}]"
        if self.target is None:
            return told
        met = one.point <= self.target if self.most else one.point >= self.target
        near = one.low <= self.target <= one.high
        verdict = "reached" if met else "missed, within the interval" if near else "missed"
        return f"{told}  {'<=' if self.most else '>='} {self.target:g} {verdict}"


@dataclass(slots=True)
class Run:
    """Where from, what was found, and what others may measure again."""

    train: Path | None
    test: Path
    lines: list[Line] = field(default_factory=list)
    routed: dict[str, dict[str, dict[str, float | str]]] = field(default_factory=dict)

    def sides(self, learn: Reader, measure: Reader) -> Iterator[tuple[Table, Table]]:
        """Pairs (to learn from, to measure on)."""
        if self.train is not None:
            yield learn(self.train), measure(self.test)
            return
        whole, plain = learn(self.test), measure(self.test)
        for (mine, _), (_, held) in zip(folds(whole), folds(plain), strict=True):
            yield whole.take(mine), plain.take(held)

    def tell(self, name: str, found: metrics.Interval, target: float | None = None, *, most: bool = False) -> None:
        """Keep and print one line."""
        self.lines.append(Line(name=name, found=found, target=target, most=most))
        print(self.lines[-1], flush=True)


def _pooled(tables: list[Table], values: list[FloatArray]) -> tuple[Table, FloatArray]:
    """Folds as one table with their values, in order."""
    return pooled(tables), np.concatenate(values)


def pairs(run: Run, name: str, target: float) -> None:
    """Weak or strong before anything is generated."""
    tables, scores = [], []
    for mine, held in run.sides(lambda place: witnessed(two(place, name), place), lambda place: two(place, name)):
        said = fit(mine, (WEAK, STRONG)).model.predict(sample(held.texts))
        tables.append(held)
        scores.append(said[:, 1] - said[:, 0])
    table, score = _pooled(tables, scores)
    pair = _pair(table, score)
    run.tell(f"{name}: APGR", metrics.apgr_of(pair, table), target)
    length = _pair(table, np.array([float(len(text)) for text in table.texts]))
    run.tell(f"{name}: APGR of the length alone", metrics.apgr_of(length, table))
    run.tell(f"{name}: CPT(50)", metrics.cpt50(pair, table))
    run.tell(f"{name}: CPT(80)", metrics.cpt80(pair, table))
    run.routed[name] = {"route": dict(zip(table.ids, map(float, score), strict=True))}


def cascade(run: Run) -> None:
    """The cheap answer is read, then the strong model may be asked: every request pays the cheap call."""
    tables, scores = [], []
    learn: Reader = lambda place: checked(beside(two(place, "gsm8k"), place))  # noqa: E731
    for mine, held in run.sides(learn, lambda place: checked(two(place, "gsm8k"))):
        scorer = fit_scorer(mine, (WEAK,), STRONG)
        tables.append(held)
        scores.append(1 - scorer.model.predict(answers_of(held, (WEAK,)))[:, 0])
    table, score = _pooled(tables, scores)
    pair = _pair(table, score)
    run.tell("gsm8k cascade: APGR", metrics.apgr_of(pair, table), 0.78)
    run.tell("gsm8k cascade: CPT(50)", metrics.cpt50(pair, table), 0.17, most=True)
    for level, target in ((0.95, None), (0.99, 0.35), (1.0, None)):
        saved = metrics.pair_saving(pair, level, weak_cost=1 / 20, both=True)
        run.tell(f"gsm8k cascade: saved at {level:.0%} quality, all calls paid",
                 metrics.interval(saved, table.groups), target)  # fmt: skip
    run.routed["gsm8k_cascade"] = {"route": dict(zip(table.ids, map(float, score), strict=True))}


def many(run: Run, name: str, reader: Reader, target: float | None) -> tuple[Table, FloatArray, FloatArray, IntArray]:
    """Predictions, expected costs and choices of a router over many members.

    Choices are the cheapest that kept ``target`` of the best member's quality in training; None is for quality alone.
    """
    tables, said, bills, choices = [], [], [], []
    for mine, held in run.sides(reader, reader):
        fitted = fit(mine, mine.members)
        asked = sample(held.texts)
        quality = fitted.model.predict(asked)
        bill = _bill(fitted, asked.figures, quality)
        lam = 0.0 if target is None else lambda_for(frontier(mine, fitted), target)
        tables.append(held)
        said.append(quality)
        bills.append(bill)
        choices.append((quality - lam / NANO * bill).argmax(axis=1))
    table, predicted = _pooled(tables, said)
    choice = np.concatenate(choices)
    run.routed[name] = {"choice": {i: table.members[j] for i, j in zip(table.ids, choice, strict=True)}}
    return table, predicted, np.concatenate(bills), choice


def llmrouter9(run: Run) -> None:
    """Nine open models at a constant price per call, no task given."""
    table, predicted, bill, choice = many(run, "llmrouter9", nine, None)
    best = table.quality[:, metrics.best_single(table)]
    top = metrics.taken(table.quality, predicted.argmax(axis=1))
    run.tell("llmrouter9: points above the best single member, lambda 0",
             metrics.interval(metrics.mean(100 * (top - best)), table.groups), 4.5)  # fmt: skip
    found = metrics.sweep(table, predicted, bill)
    run.tell("llmrouter9: saved at the best single member's quality",
             metrics.savings_at(found, table)[1.0], 0.75)  # fmt: skip
    chosen(run, "llmrouter9", table, choice)


def routerbench(run: Run) -> None:
    """RouterBench's tasks pooled by row at recorded costs."""
    table, predicted, bill, choice = many(run, "routerbench", bench, 0.95)
    found = metrics.sweep(table, predicted, bill)
    cost = metrics.mean_costs(table)
    aiq = metrics.sweep_aiq(found, float(cost.min()), float(cost.max()))
    run.tell("routerbench: AIQ, paper form", metrics.interval(aiq, table.groups), 0.842)
    code = metrics.sweep_aiq(found, float(cost.min()), float(cost.max()), code=True)
    run.tell("routerbench: AIQ, code form", metrics.interval(code, table.groups))
    x, y = metrics.trivial(table)
    print(f"routerbench: AIQ of the members alone, paper form: {metrics.aiq(x, y, cost.min(), cost.max()):.4f}")
    run.tell("routerbench: saved at 95 % quality", metrics.savings_at(found, table)[0.95], 0.65)
    chosen(run, "routerbench", table, choice)


def chosen(run: Run, name: str, table: Table, choice: IntArray) -> None:
    """The one point that the policy took, its lambda fixed on the training side."""
    run.tell(f"{name}: quality ratio of the choices", metrics.quality_ratio(table, choice))
    run.tell(f"{name}: saved by the choices", metrics.saved(table, choice))


def agreement(run: Run) -> None:
    """The three best cheap models at once; where they do not agree, the best member is asked as well.

    Which members are cheap, and which are good, the training side says.
    """
    reader: Reader = lambda place: bench(place, BENCH[:1])  # noqa: E731
    tables, qualities, costs = [], [], []
    for mine, held in run.sides(reader, reader):
        quality, best = mine.quality.mean(axis=0), metrics.best_single(mine)
        price = metrics.mean_costs(mine)
        cheap = sorted(np.flatnonzero(price <= CHEAP * price[best]), key=lambda one: -quality[one])[:AGREEING]
        trusted = cheap[0]
        said = [[final_answer(row[one] or "") for one in cheap] for row in held.outputs or ()]
        stands = np.array([None not in row and len(set(row)) == 1 for row in said])
        bill = held.nano_usd[:, cheap].sum(axis=1) + np.where(stands, 0, held.nano_usd[:, best])
        tables.append(held)
        qualities.append(np.stack([np.where(stands, held.quality[:, trusted], held.quality[:, best]),
                                   held.quality[:, best]], axis=1))  # fmt: skip
        costs.append(np.stack([bill, held.nano_usd[:, best]], axis=1))
    table, quality = _pooled(tables, qualities)
    cost = np.concatenate(costs)
    run.tell("arc agreement exit: quality ratio",
             metrics.interval(metrics.ratio(quality[:, 0], quality[:, 1]), table.groups), 0.99)  # fmt: skip
    left = metrics.interval(metrics.ratio(cost[:, 0], cost[:, 1]), table.groups)
    saved = metrics.Interval(point=1 - left.point, low=1 - left.high, high=1 - left.low)
    run.tell("arc agreement exit: saved, all calls paid", saved, 0.5)


def _pair(table: Table, score: FloatArray) -> metrics.Pair:
    return metrics.Pair(scores=score, weak=table.quality[:, 0], strong=table.quality[:, 1])


def _bill(fitted: Fitted, figures: FloatArray, like: FloatArray) -> FloatArray:
    bill = fitted.model.bill("nano_usd", figures)
    return np.zeros_like(like) if bill is None else bill


PARTS: dict[str, Callable[[Run], None]] = {
    "gsm8k": lambda run: pairs(run, "gsm8k", 0.68),
    "mmlu": lambda run: pairs(run, "mmlu", 0.70),
    "gsm8k_cascade": cascade,
    "llmrouter9": llmrouter9,
    "routerbench": routerbench,
    "arc_agreement": agreement,
}


def main() -> None:
    """Run what was asked for."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--train", type=Path, help="folder to learn from")
    reader.add_argument("--test", type=Path, help="folder to measure on")
    reader.add_argument("--json", type=Path, help="write scores and choices here")
    reader.add_argument("--only", choices=sorted(PARTS), action="append", help="measure this part alone")
    given = reader.parse_args()
    if (given.train is None) != (given.test is None):
        reader.error("give --train and --test together, or neither")
    if not (given.test or HOME).is_dir():
        reader.error(f"there are no recorded scores at {given.test or HOME}: give --train and --test")
    run = Run(train=given.train, test=given.test or HOME)
    for name, part in PARTS.items():
        if not given.only or name in given.only:
            part(run)
    if given.json:
        given.json.write_text(json.dumps(run.routed, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
