"""Routers on held-out labels: every figure, with intervals, beside the baselines."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ensemble.errors import InvalidRequest
from ensemble.training import metrics
from ensemble.training.accuracy import accuracy, best_single, cheapest, cheapest_is_best
from ensemble.training.baselines import baselines, length_quality, lengths
from ensemble.training.bootstrap import DRAWS, interval, mean, ratio
from ensemble.training.frontier import sweep, sweep_aiq
from ensemble.training.held import Held
from ensemble.training.intervals import Interval
from ensemble.training.readings import READINGS, Accuracy, Reading
from ensemble.training.replay import Replayed
from ensemble.training.report import Frontier, Kind, Line, Misroute, Report
from ensemble.training.table import BoolArray, FloatArray, Table
from judges.calibration import ece, reliability

LEAST_PEOPLE = 50
"""Requests with a word of people from which accuracy against them is told."""
MISROUTES = 20
NONE = Interval(point=float("nan"), low=float("nan"), high=float("nan"))


class TooFewLabels(InvalidRequest):
    """There is nothing to measure on; the message says what would do."""


def measurable(held: Held, trained_on: frozenset[str], members: Sequence[str] | None = None) -> tuple[Held, Report]:
    """The rows to measure on, and a report without lines that says what was left out.

    Members of whom most labels know nothing are left out unless they are named; then rows in which one quality is
    unknown, and rows that a router was fitted on.

    Raises:
        InvalidRequest: no label knows a member that is named.
        TooFewLabels: fewer than two members or no rows are left.
    """
    table = held.table
    known = (~np.isnan(table.quality)).mean(axis=0) if len(table) else np.zeros(len(table.members))
    if missing := [name for name in members or () if name not in table.members]:
        raise InvalidRequest(
            f"--member: the labels say nothing of {', '.join(missing)}, but of {', '.join(table.members)}"
        )
    names = tuple(members or (name for name, share in zip(table.members, known, strict=True) if share >= 0.5))
    if len(names) < 2:
        raise TooFewLabels(
            f"{len(names)} of {len(table.members)} members have a quality in at least half of the {len(table)} labels; "
            "routers need two: label with the whole panel (ensemble label), or name members with --member"
        )
    held = only(held, names)
    complete, fresh = held.table.known, held.unseen(trained_on)
    rows = complete & fresh
    if not rows.any():
        if not complete.any():
            raise TooFewLabels(
                f"none of {len(held)} labels knows the quality of all of {', '.join(names)}, since their panels "
                "differ: measure those of one router, or label with the whole panel (ensemble label)"
            )
        raise TooFewLabels(
            f"of {len(held)} labels {int((~complete).sum())} lack the quality of a member and {int((~fresh).sum())} "
            "were used to fit a router, so none is left to measure on; give labels that the router has not seen"
        )
    kept = held.take(rows)
    return kept, Report(
        members=names,
        lines=(),
        rows=len(kept),
        groups=len(set(kept.table.groups)),
        incomplete=int((~complete).sum()),
        seen=int((complete & ~fresh).sum()),
        left_out=tuple(name for name in table.members if name not in names),
        cheapest=names[cheapest(kept.table)],
        best_single=names[best_single(kept.table)],
        cheapest_best=NONE,
        people=int(kept.people.any(axis=1).sum()),
        seed=0,
        draws=DRAWS,
    )


def only(held: Held, members: Sequence[str]) -> Held:
    """``held`` with these members as columns."""
    index = [held.table.members.index(name) for name in members]
    return replace(
        held,
        table=held.table.only(members),
        people=held.people[:, index],
        propensity=held.propensity[:, index],
    )


def evaluate(held: Held, frame: Report, replayed: Iterable[Replayed], *, draws: int = DRAWS, seed: int = 0) -> Report:
    """``frame`` with a line for each router, baseline and member; both are as ``measurable`` gave them. Blocks."""
    judge = _Bench(held, draws, seed)
    lines = [judge.router(one) for one in replayed]
    for name, choice in baselines(held.table).items():
        predicted = length_quality(held.table) if name == "length only" else None
        lines.append(judge.line(name, "baseline", choice, predicted=predicted))
    for place, name in enumerate(held.table.members):
        choice = np.zeros(held.table.quality.shape)
        choice[:, place] = 1.0
        lines.append(judge.line(name, "member", choice))
    return replace(
        frame,
        lines=tuple(lines),
        cheapest_best=judge.over(mean(cheapest_is_best(held.table))),
        seed=seed,
        draws=draws,
    )


class _Bench:
    """The rows that everyone is measured on."""

    def __init__(self, held: Held, draws: int, seed: int) -> None:
        self.held, self.table, self.draws, self.seed = held, held.table, draws, seed
        self.costs = metrics.costs(held.table)
        self.costs[np.isinf(self.costs)] = np.nan
        self.best = best_single(held.table)

    def over(self, statistic: metrics.Statistic, groups: Sequence[str] | None = None) -> Interval:
        return interval(statistic, self.table.groups if groups is None else groups, number=self.draws, seed=self.seed)

    def router(self, one: Replayed) -> Line:
        rows: BoolArray = one.choice.sum(axis=1) > 0
        told = rows.any() and not np.isnan(one.predicted[rows]).any()
        line = self.line(
            one.name,
            "router",
            one.choice,
            cost=one.nano_usd,
            seconds=one.seconds,
            predicted=one.predicted if told else None,
            rows=rows,
        )
        return replace(
            line,
            digest=one.digest,
            without_plan=len(one.problems),
            problem=next(iter(one.problems.values()), ""),
            judged=one.judged,
            trust=one.trust,
        )

    def line(
        self,
        name: str,
        kind: Kind,
        choice: FloatArray,
        *,
        cost: FloatArray | None = None,
        seconds: FloatArray | None = None,
        predicted: FloatArray | None = None,
        rows: BoolArray | None = None,
    ) -> Line:
        """One line; rows without a plan count for nothing, and are told beside it."""
        keep = np.ones(len(self.table), np.bool_) if rows is None else rows
        table, part = self.table.take(keep), choice[keep]
        spent = (metrics.taken(self.costs, choice) if cost is None else cost)[keep]
        waited = (metrics.taken(self.table.seconds, choice) if seconds is None else seconds)[keep]
        got, lost = metrics.taken(table.quality, part), metrics.regrets(table, part)
        saved = self.over(ratio(spent, self.costs[keep, self.best]), table.groups)
        people = self.held.people[keep]
        curve = reliability(*_flat(predicted[keep], table.quality)) if predicted is not None else ()
        return Line(
            name=name,
            kind=kind,
            rows=len(table),
            accuracy=self._readings(table, part),
            people=self._people(table, people, part),
            quality=self.over(mean(got), table.groups),
            nano_usd=self.over(mean(spent), table.groups),
            seconds=self.over(mean(waited), table.groups),
            ratio=self.over(ratio(got, table.quality[:, self.best]), table.groups),
            saved=Interval(point=1 - saved.point, low=1 - saved.high, high=1 - saved.low),
            regret=self.over(mean(lost), table.groups),
            frontier=self._frontier(predicted, name) if predicted is not None and keep.all() else None,
            calibration=curve,
            ece=ece(curve) if curve else None,
            confusion=tuple(map(tuple, metrics.confusion(table, part).tolist())),
            misroutes=_misroutes(table, part, lost) if kind == "router" else (),
        )

    def _readings(self, table: Table, choice: FloatArray) -> dict[Reading, Accuracy]:
        return {reading: accuracy(table, choice, reading, draws=self.draws, seed=self.seed) for reading in READINGS}

    def _people(self, table: Table, people: BoolArray, choice: FloatArray) -> dict[Reading, Accuracy]:
        told: BoolArray = np.any(people, axis=1)
        if told.sum() < LEAST_PEOPLE:
            return {}
        said = replace(table.take(told), best=people[told], usable=np.ones(int(told.sum()), np.bool_))
        return self._readings(said, choice[told])

    def _frontier(self, predicted: FloatArray, name: str) -> Frontier | None:
        if np.isnan(self.costs).any():
            return None
        found = sweep(self.table, predicted)
        cost, quality = (values[0].tolist() for values in found.points(np.ones((1, len(self.table)))))
        prices = metrics.mean_costs(self.table)
        low, high = float(prices.min()), float(prices.max())
        pair = self._pair(predicted, name)
        return Frontier(
            points=tuple(zip(cost, quality, strict=True)),
            saved=metrics.savings_at(found, self.table, draws=self.draws, seed=self.seed),
            aiq=self.over(sweep_aiq(found, low, high)),
            aiq_code=self.over(sweep_aiq(found, low, high, code=True)),
            apgr=self.over(metrics.apgr(pair)) if pair else NONE,
            cpt50=self.over(metrics.cpt(pair, 0.5)) if pair else NONE,
            cpt80=self.over(metrics.cpt(pair, 0.8)) if pair else NONE,
        )

    def _pair(self, predicted: FloatArray, name: str) -> metrics.Pair | None:
        weak = cheapest(self.table)
        if weak == self.best:
            return None
        # Length needs no fitting to rank requests.
        scores = lengths(self.table) if name == "length only" else predicted[:, self.best] - predicted[:, weak]
        return metrics.Pair(scores=scores, weak=self.table.quality[:, weak], strong=self.table.quality[:, self.best])


def _flat(predicted: FloatArray, quality: FloatArray) -> tuple[list[float], list[float]]:
    return np.clip(predicted, 0, 1).ravel().tolist(), quality.ravel().tolist()


def _misroutes(table: Table, choice: FloatArray, lost: FloatArray) -> tuple[Misroute, ...]:
    order = sorted(range(len(table)), key=lambda row: (-lost[row], table.ids[row]))[:MISROUTES]
    return tuple(
        Misroute(
            id=table.ids[row],
            text=table.texts[row],
            taken=table.members[int(choice[row].argmax())],
            best=table.members[int(table.quality[row].argmax())],
            lost=float(lost[row]),
        )
        for row in order
        if lost[row] > 0
    )
