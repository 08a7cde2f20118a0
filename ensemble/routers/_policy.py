"""Where between quality and cost a trained router stands: one point of the frontier that training measured.

Whatever is trained maximizes quality minus lambda times cost, so every lambda (or every threshold of a cascade) is one
point: a quality, a cost. A policy pins one of them by what it keeps, by what it may cost, or by lambda itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator

from ensemble.money import NANO, Usd
from ensemble.router import Router
from judges.errors import InvalidOptions

MARGIN = 1.0
"""Standard errors by which a point must have kept in training what a policy wants of it, where it states no other."""
QUALITY = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point as measured on labels that the model had not seen. NaN is unknown.

    Attributes:
        at: lambda, quality per US dollar, or the score from which an answer stands.
        quality: as a share of that of the best single member (of a cascade: of the dear one), and its standard error.
        mean: quality in [0, 1].
        nano_usd: mean cost of a request, and its standard error.
    """

    at: float
    quality: float
    error: float
    mean: float = math.nan
    nano_usd: float = math.nan
    nano_usd_error: float = math.nan

    @classmethod
    def read(cls, row: Mapping[str, Any], at: str) -> "Point":
        """A row of a manifest whose ``at`` stands under that key.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        # Folders of before costs were measured, or without known costs, lack some of them.
        rest = {name: float(row[name]) for name in ("mean", "nano_usd", "nano_usd_error") if row.get(name) is not None}
        return cls(at=float(row[at]), quality=float(row["quality"]), error=float(row["error"]), **rest)


def cheapest_at(points: Sequence[Point], target: float, margin: float = MARGIN) -> Point | None:
    """Of ``points``, the dearest first, the last that kept the share ``target`` of the quality; None where none did."""
    return next((one for one in reversed(points) if one.quality - margin * one.error >= target), None)


class Pinned(Router):
    """A router with a policy: exactly one of the three is in force, the target quality where no other is stated.

    Attributes:
        target_quality: share of the best single member's quality to keep (of a cascade: of the last tier's), at the
            least cost that did so in training.
        max_cost: most US dollars that a request may cost in the mean, at the best quality that did so in training.
        lambda_per_usd: quality that one US dollar must buy; also written `lambda`.
        margin: standard errors by which training must have kept `target_quality` or `max_cost`. With 0 the target is
            aimed at itself: more is saved, and with some half of all training sets a little too much.
    """

    target_quality: float = Field(QUALITY, gt=0, le=1.5)
    max_cost: Usd | None = Field(None, gt=0)
    lambda_per_usd: float | None = Field(None, ge=0)
    margin: float = Field(MARGIN, ge=0, le=4)

    @model_validator(mode="before")
    @classmethod
    def _by_its_short_name(cls, options: Any) -> Any:
        if not isinstance(options, Mapping) or "lambda" not in options or "lambda_per_usd" in options:
            return options
        return {"lambda_per_usd" if key == "lambda" else key: value for key, value in options.items()}

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        stated = {
            "target_quality": self.target_quality != QUALITY,
            "max_cost": self.max_cost is not None,
            "lambda": self.lambda_per_usd is not None,
        }
        names = [name for name, there in stated.items() if there]
        if len(names) > 1:
            raise ValueError(f"{names[0]}: state one policy, not {' and '.join(names)}")
        return self

    def pinned(self, points: Sequence[Point], place: str, again: str) -> Point | None:
        """The point of ``points``, the dearest first, that the policy pins; None where none keeps the target quality.

        ``place`` is the folder that they come from, ``again`` the command that trains it.

        Raises:
            InvalidOptions: costs are wanted and were not measured, or none is low enough.
        """
        if self.max_cost is None and self.lambda_per_usd is None:
            return cheapest_at(points, self.target_quality, self.margin)
        key = "max_cost" if self.max_cost is not None else "lambda"
        priced = [one for one in points if math.isfinite(one.nano_usd) and math.isfinite(one.mean)]
        if not priced:
            raise _refused(key, f"{place} has measured no costs; train it again on labels with costs: {again}")
        if self.lambda_per_usd is not None:
            price = self.lambda_per_usd / NANO
            return max(reversed(priced), key=lambda one: one.mean - price * one.nano_usd)
        most = int((self.max_cost or 0) * NANO)
        fitting = [one for one in priced if one.nano_usd + self.margin * one.nano_usd_error <= most]
        if not fitting:
            least = min(one.nano_usd + self.margin * one.nano_usd_error for one in priced) / NANO
            raise _refused(key, f"the cheapest point that {place} has measured costs up to {least:.9f} USD a request")
        # The dearest is not always the best; of equals the cheapest is taken.
        return max(reversed(fitting), key=lambda one: one.mean)

    def lambda_at(self, points: Sequence[Point], place: str, again: str) -> float:
        """The lambda per US dollar of the policy; 0 where no point keeps the target quality. Raises as ``pinned``."""
        if self.lambda_per_usd is not None:
            return self.lambda_per_usd
        point = self.pinned(points, place, again)
        return point.at if point else 0.0


def _refused(key: str, told: str) -> InvalidOptions:
    return InvalidOptions(f"{key}: {told}", ((key, told),))
