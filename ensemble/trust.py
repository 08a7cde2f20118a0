"""When an answer is trusted, and the way out of one that is not: the ``trust`` table of a router."""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, model_validator

from judges.registry import Name

Minimum = Literal["min_panel", "min_confidence", "min_score"]
Way = Literal["warn", "review", "escalate", "refuse"]
WAYS: tuple[Way, ...] = get_args(Way)
"""From the mildest to the one that goes furthest."""
MINIMA: tuple[Minimum, ...] = get_args(Minimum)


class RouterName(Name):
    """Name of a router of the configuration, or of a member, which is a router too."""

    __slots__ = ()
    kind = "router"


def _each(ways: object) -> object:
    return dict.fromkeys(MINIMA, ways) if isinstance(ways, str) else ways


class Trust(BaseModel):
    """What an answer of a router must reach to be trusted, and what happens to one that does not.

    Attributes:
        min_panel: least number of good candidates, of the demanded form, in the stage that brought the answer.
        min_confidence: least confidence of the verdict; one without confidence, or without a decision, is below it.
        min_score: least score of the served candidate by the judge; one without a score is below it.
        on_low: the way out, one for all minima or a table with one for each: `warn` serves the answer with a warning,
            `review` also queues it for a person, `escalate` asks `escalate_to`, `refuse` answers 422 `not_confident`.
            Where several are below, the last of these holds.
        escalate_to: the router with the stronger panel. Its own `trust` table holds for what it answers; without one,
            an answer below the minima of this table is served with a warning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_panel: PositiveInt | None = None
    min_confidence: float | None = Field(None, gt=0, le=1)
    min_score: float | None = Field(None, gt=0, le=1)
    on_low: Annotated[Mapping[Minimum, Way], BeforeValidator(_each)] = Field("warn", validate_default=True)
    escalate_to: RouterName | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.stated:
            raise ValueError(f"min_panel: nothing is demanded of an answer; state one of {', '.join(MINIMA)}")
        escalates = "escalate" in (self.way([name]) for name in self.stated)
        if escalates and self.escalate_to is None:
            raise ValueError("escalate_to: on_low says escalate, so name the router with the stronger panel")
        if not escalates and self.escalate_to is not None:
            raise ValueError('on_low: escalate_to names a router, and nothing leads there; add on_low = "escalate"')
        return self

    @property
    def stated(self) -> tuple[Minimum, ...]:
        """The minima that are demanded; an answer that is not there is below all of them."""
        return tuple(name for name in MINIMA if getattr(self, name) is not None)

    def way(self, below: Collection[Minimum]) -> Way:
        """The way out for an answer that is ``below`` these minima: of theirs, the one that goes furthest."""
        return max((self.on_low.get(name, "warn") for name in below), key=WAYS.index)
