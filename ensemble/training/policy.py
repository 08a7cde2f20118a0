"""The frontier of a fitted router on requests that it had not seen, for policies to pin a point of it."""

from collections.abc import Sequence

import numpy as np

from ensemble.routers._policy import Point, cheapest_at
from ensemble.training.accuracy import taken
from ensemble.training.fit import Fitted, quality_of
from ensemble.training.frontier import lambdas
from ensemble.training.table import FloatArray, Table
from judges.learning.model import sample

NANO = 1e9


def frontier(table: Table, fitted: Fitted) -> Sequence[dict[str, float]]:
    """``points_of`` a model, by what it predicted of rows that it had not seen."""
    return points_of(table, fitted.unseen, fitted.model.bill("nano_usd", sample(table.texts).figures))


def points_of(table: Table, unseen: FloatArray, bill: FloatArray | None) -> Sequence[dict[str, float]]:
    """Points in rising order of lambda (per USD), as ``Point`` reads them.

    ``unseen`` (n, m) is predicted quality, ``bill`` (n, m) expected nano-USD, None where that is unknown. ``cost`` is
    the share of the best single member's cost. What a request costs is what its label says, or what is expected of it
    where the label does not. Only rows count whose qualities are all known; without costs there is the one point of
    lambda 0.
    """
    quality = quality_of(table)
    rows = np.logical_not(np.isnan(quality).any(axis=1))
    if not rows.any():
        return ()
    quality, said = quality[rows], unseen[rows]
    priced = bill is not None and bool(np.isfinite(bill[rows]).all())
    price = bill[rows] if bill is not None and priced else np.zeros_like(quality)
    paid = np.where(np.isnan(table.nano_usd[rows]), price, table.nano_usd[rows])
    best = int(quality.mean(axis=0).argmax())
    grid = lambdas(said, price) if priced else np.zeros(1)
    found = []
    for lam in grid:
        choice = (said - lam * price).argmax(axis=1)
        got, real = taken(quality, choice), taken(price, choice)
        ratio = got.mean() / max(quality[:, best].mean(), 1e-9)
        error = np.std(got - ratio * quality[:, best]) / max(quality[:, best].mean(), 1e-9) / np.sqrt(len(got))
        cost = real.mean() / price[:, best].mean() if priced and price[:, best].mean() > 0 else float("nan")
        point = {"lambda": float(lam * NANO), "quality": float(ratio), "error": float(error), "cost": float(cost)}
        found.append({**point, "mean": float(got.mean()), **(mean_cost(taken(paid, choice)) if priced else {})})
    return [one for one in found if np.isfinite(one["lambda"])]


def mean_cost(nano_usd: FloatArray) -> dict[str, float]:
    """Mean cost of requests with its standard error, as ``Point`` reads it; {} where one is unknown."""
    if not np.isfinite(nano_usd).all():
        return {}
    error = np.std(nano_usd) / np.sqrt(len(nano_usd))
    return {"nano_usd": float(nano_usd.mean()), "nano_usd_error": float(error)}


def lambda_for(points: Sequence[dict[str, float]], target: float) -> float:
    """The highest lambda per USD that kept ``target`` for sure; 0 where none did."""
    found = cheapest_at([Point.read(one, "lambda") for one in points], target)
    return found.at if found else 0.0
