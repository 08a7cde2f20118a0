"""From labels to a router folder: refuse what cannot be learned, fit, measure on what was held back, write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.plurals import counted
from ensemble.routers._taught import Taught
from ensemble.training.alike import evened
from ensemble.training.fit import Kind, fit, quality_of
from ensemble.training.intervals import Interval
from ensemble.training.metrics import best_single, interval, mean, quality_ratio, saved
from ensemble.training.parts import LEAST_REQUESTS
from ensemble.training.policy import frontier, lambda_for, points_of
from ensemble.training.scorer import answers_of, fit_scorer, served, tells_logprobs, thresholds
from ensemble.training.semantic import Scheme, fit_domains, names_of, sorted_
from ensemble.training.splits import by_time_or_group
from ensemble.training.table import FloatArray, Table, hashed
from judges.learning.folder import versions, write
from judges.learning.model import sample

LEAST = 100
"""Requests with labels below which nothing is learned."""
LEAST_OF_MEMBER = 30
"""Labels below which nothing is learned of a member."""
TARGETS = (0.95, 0.99, 1.0)


class CannotLearn(ValueError):
    """What is asked cannot be learned from these labels; the sentence says what would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to train.

    Attributes:
        members: to choose among, or for a scorer (cheap members, the dear one last); empty for all that have labels.
        digests: ``Member.digest`` by name, where the configuration tells it.
        models: model ids that providers returned, by member.
        source: where the labels come from.
        command: how to train again.
        notes: further entries of the manifest.
        read: how the labels were read, for the manifest.
        scheme: of a semantic router; None for domains that labels name, compared by words.
    """

    out: Path
    kind: Kind | str = "stack"
    members: tuple[str, ...] = ()
    digests: Mapping[str, str | None] = field(default_factory=dict)
    models: Mapping[str, Sequence[str]] = field(default_factory=dict)
    source: str = ""
    command: str = ""
    seed: int = 0
    test: float = 0.2
    notes: Mapping[str, object] = field(default_factory=dict)
    read: Mapping[str, object] = field(default_factory=dict)
    scheme: Scheme | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of it: rows learned from and measured on, and figures with intervals on the latter."""

    path: Path
    learned: int
    measured: int
    split: str
    metrics: Mapping[str, Interval]


def train(table: Table, order: Order) -> Trained:
    """Fit what ``order`` says on the labels of ``table`` and write its folder, whole or not at all. Blocks.

    Equal labels, options and seed give an equal model.

    Raises:
        CannotLearn: there are too few labels, or they teach nothing; the sentence says how many would do.
        InvalidOptions: the extra that this needs is not installed.
        OSError: the folder cannot be written.
    """
    members = members_of(table, order)
    check(table, members)
    timed, mine, held = by_time_or_group(table, order.test, seed=order.seed)
    split = "time and conversation" if timed else "conversation"
    return _built(table.take(mine), table.take(held), members, order, split)


def build(learn: Table, measure: Table, order: Order) -> Trained:
    """``train`` where somebody else has chosen what to learn from and what to measure on. Blocks."""
    members = members_of(learn, order)
    check(learn, members)
    return _built(learn, measure, members, order, "as given")


def members_of(table: Table, order: Order) -> tuple[str, ...]:
    """The members to choose among: those of ``order``, else all that have enough labels."""
    return order.members or tuple(
        name for number, name in enumerate(table.members) if _known(table)[:, number].sum() >= LEAST_OF_MEMBER
    )


def _built(learn: Table, measure: Table, members: Sequence[str], order: Order, split: str) -> Trained:
    versions()  # says what to install before anything is learned, not by a traceback behind it
    teach = {"scorer": _scorer, "semantic": _semantic}.get(order.kind, _router)
    state, manifest, figures = teach(evened(learn), measure, members, order)
    origin = _origin(learn, measure, order, split)
    write(order.out, state, {**manifest, **origin, **order.notes, "metrics": _told(figures)})
    return Trained(path=order.out, learned=len(learn), measured=len(measure), split=split, metrics=figures)


def check(table: Table, members: Sequence[str]) -> None:
    """Refuse what cannot be learned.

    Raises:
        CannotLearn: with the number of labels that would do.
    """
    if unknown := [name for name in members if name not in table.members]:
        raise CannotLearn(f"{', '.join(unknown)} has no labels; labelled are {', '.join(table.members) or 'none'}")
    groups = len(set(table.groups))
    if groups < LEAST:
        those = counted(groups, "labelled request teaches", "labelled requests teach")
        raise CannotLearn(f"{those} no router: {LEAST} would do for a first one, {LEAST - groups} more")
    if len(members) < 2:
        those = counted(len(members), "member has", "members have")
        raise CannotLearn(
            f"{those} {LEAST_OF_MEMBER} labels or more, and a router needs two to choose between: "
            "label with a panel of several members"
        )
    known = _known(table.only(members)).sum(axis=0)
    if few := [(name, int(n)) for name, n in zip(members, known, strict=True) if n < LEAST_OF_MEMBER]:
        told = ", ".join(f"{name} has {n}" for name, n in few)
        raise CannotLearn(f"{LEAST_OF_MEMBER} labels of a member would do: {told}; label more, or leave it out")
    quality = quality_of(table.only(members))
    if np.nanmax(quality) - np.nanmin(quality) < 1e-9:
        raise CannotLearn("every label says the same of every member, so there is nothing to tell requests apart by")


def _known(table: Table) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    return ~np.isnan(quality_of(table))


def _router(
    learn: Table, measure: Table, members: Sequence[str], order: Order
) -> tuple[Any, dict[str, Any], dict[str, Interval]]:
    fitted = fit(learn, members, kind=order.kind, seed=order.seed)  # type: ignore[arg-type]
    own = learn.only(members)
    points = frontier(own, fitted)
    manifest = {"use": "learned", **_known_of(members, order, points), "weights": fitted.state["weights"]}
    held = measure.only(members)
    held = held.take(held.known)
    if not len(held):
        return fitted.state, manifest, {}
    asked = sample(held.texts)
    figures = _measured(held, fitted.model.predict(asked), fitted.model.bill("nano_usd", asked.figures), points)
    return fitted.state, manifest, figures


def _semantic(
    learn: Table, measure: Table, members: Sequence[str], order: Order
) -> tuple[Any, dict[str, Any], dict[str, Interval]]:
    scheme = order.scheme or Scheme()
    least = 1 if scheme.examples else 2
    if len(names := names_of(learn, scheme)) < least:
        named = counted(len(names), "domain")
        raise CannotLearn(
            f"the labels name {named} with {LEAST_REQUESTS} conversations or more, {least} would do: "
            "let a classifier name them ([labelling] domain), or take the examples of a configured router with --router"
        )
    own = sorted_(learn).only(members)
    fitted = fit_domains(own, scheme, seed=order.seed)
    points = points_of(own, fitted.unseen, fitted.bill)
    manifest = {
        "use": "semantic",
        **_known_of(members, order, points),
        "embedding": dict(scheme.told),
        "domains": {name: {"threshold": t, "requests": n} for name, t, n in fitted.told()},
    }
    held = measure.only(members)
    held = held.take(held.known)
    if not len(held):
        return fitted.state, manifest, {}
    taught = Taught(fitted.state)
    rows = taught.domains.rows((scheme.encode or taught.encode)(held.texts))
    bill = None if taught.nano_usd is None else taught.nano_usd[rows]
    return fitted.state, manifest, _measured(held, taught.quality[rows], bill, points)


def _known_of(members: Sequence[str], order: Order, points: Sequence[dict[str, float]]) -> dict[str, Any]:
    """What the manifest of every router says."""
    return {
        "what": "router",
        "members": list(members),
        "digests": {name: order.digests.get(name) for name in members},
        "models": {name: sorted(order.models.get(name, ())) for name in members},
        "frontier": list(points),
        "thresholds": {str(target): lambda_for(points, target) for target in TARGETS},
    }


def _measured(
    rows: Table, said: FloatArray, bill: FloatArray | None, points: Sequence[dict[str, float]]
) -> dict[str, Interval]:
    """Figures of predictions (n, m) on rows that were held back, lambdas as training chose them."""
    best = rows.quality[:, best_single(rows)]
    top = rows.quality[np.arange(len(rows)), said.argmax(axis=1)]
    figures = {"quality_above_best_single": interval(mean(top - best), rows.groups)}
    if bill is None or not np.isfinite(bill).all() or np.isnan(rows.nano_usd).any():
        return figures
    for target in TARGETS:
        choice = _choice(said, bill, lambda_for(points, target))
        figures[f"quality_ratio_at_{target:g}"] = quality_ratio(rows, choice)
        figures[f"saved_at_{target:g}"] = saved(rows, choice)
    return figures


def _choice(said: FloatArray, bill: FloatArray, lam: float) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.asarray((said - lam / 1e9 * bill).argmax(axis=1))


def _scorer(
    learn: Table, measure: Table, members: Sequence[str], order: Order
) -> tuple[Any, dict[str, Any], dict[str, Interval]]:
    if len(order.members) < 2:
        raise CannotLearn(
            "a scorer is trained for the members of a cascade: name cheap ones, whose answers it reads, then the dear"
        )
    *cheap, dear = members
    many = len(cheap)
    teaching = learn.take(learn.only(members).known)
    all_ = teaching.only(members)
    if lacking := [name for at, name in enumerate(cheap) if not any(row[at] for row in all_.outputs or ())]:
        raise CannotLearn(
            f"the labels hold no answers of {', '.join(lacking)}, and a scorer reads them: keep texts, or export them"
        )
    fitted = fit_scorer(teaching, cheap, dear, seed=order.seed)
    scores, quality = served(fitted.unseen.reshape(many, -1).T, all_.quality[:, :many])
    # All cheap members of a tier are asked at once, so all of them are paid.
    bill = np.column_stack([all_.nano_usd[:, :many].sum(axis=1), all_.nano_usd[:, many]])
    points = thresholds(scores, quality, all_.quality[:, many], bill)
    manifest = {
        "what": "scorer",
        "use": "learned",
        "members": list(members),
        "thresholds": list(points),
        "logprobs": tells_logprobs(all_, cheap),
    }
    held = measure.only(members)
    held = held.take(held.known)
    figures = {}
    if len(held):
        said = fitted.model.predict(answers_of(held, cheap)).reshape(many, -1).T
        figures["error"] = interval(mean(np.abs(said - held.quality[:, :many]).mean(axis=1)), held.groups)
    return fitted.state, manifest, figures


def _origin(learn: Table, measure: Table, order: Order, split: str) -> dict[str, object]:
    """The data manifest: how many labels, of when, and which, as hashes that tell no text."""
    moments = [moment for moment in learn.arrived if moment]
    return {
        "kind": order.kind,
        "seed": order.seed,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": order.command,
        "chosen": list(order.members),
        "data": {
            "source": order.source,
            **({"read": dict(order.read)} if order.read else {}),
            "learned": len(learn),
            "measured": len(measure),
            "split": split,
            "from": min(moments, default=""),
            "to": max(moments, default=""),
            "all_bad": int((~learn.usable).sum()),
        },
        "trained_on": sorted({*learn.ids, *learn.groups, *map(hashed, learn.texts)}),
    }


def _told(figures: Mapping[str, Interval]) -> dict[str, object]:
    return {name: {"point": one.point, "low": one.low, "high": one.high} for name, one in figures.items()}
