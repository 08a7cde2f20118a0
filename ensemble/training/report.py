"""What is told of routers that were measured on held-out labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Literal

from ensemble.training.intervals import Interval
from ensemble.training.readings import Accuracy, Reading
from judges.calibration import Bin

Kind = Literal["router", "baseline", "member"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """What lambda makes of a router's predictions, and of the score "strong better than cheapest" that lies in them.

    Attributes:
        points: (nano-USD, quality) per request, from the most to the least quality asked for.
        saved: by share of the best single member's quality, the cost saved at it; read off this very frontier.
        aiq: in the paper's form over the costs of the cheapest to the dearest member; ``aiq_code`` as in its code.
        apgr: between the cheapest and the best single member; with ``cpt50`` and ``cpt80`` the share of calls of the
            latter. NaN where these are one member.
    """

    points: tuple[tuple[float, float], ...]
    saved: Mapping[float, Interval]
    aiq: Interval
    aiq_code: Interval
    apgr: Interval
    cpt50: Interval
    cpt80: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Misroute:
    """One request on which a router lost much quality. Texts are hostile: escape them."""

    id: str
    text: str
    taken: str
    best: str
    lost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One router, baseline or member.

    Attributes:
        accuracy: by reading, on labels of judges or references; ``people`` on what people said, where enough did.
        quality: mean per request, as ``nano_usd`` of all its calls and ``seconds`` until the answer.
        ratio: quality as a share of the best single member's; ``saved`` is the share of its cost that is not spent.
        regret: mean quality lost against the best member of each request.
        frontier: where the router predicts the quality of every member.
        calibration: predicted against true quality, and ``ece`` the mean distance of the two; none without predictions.
        confusion: requests by the cheapest best member (rows) and the member served (columns).
        without_plan: requests without a plan, or with one that the labels cannot tell of; ``problem`` is one reason.
        judged: requests on which a judge would have been asked, whose cost is not counted.
        trust: the router has a ``trust`` table, whose ways out are in no figure.
    """

    name: str
    kind: Kind
    rows: int
    accuracy: Mapping[Reading, Accuracy]
    quality: Interval
    nano_usd: Interval
    seconds: Interval
    ratio: Interval
    saved: Interval
    regret: Interval
    people: Mapping[Reading, Accuracy] = field(default_factory=dict)
    frontier: Frontier | None = None
    calibration: tuple[Bin, ...] = ()
    ece: float | None = None
    confusion: tuple[tuple[float, ...], ...] = ()
    misroutes: tuple[Misroute, ...] = ()
    digest: str = ""
    without_plan: int = 0
    problem: str = ""
    judged: int = 0
    trust: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Routers and baselines on the same rows.

    Attributes:
        members: columns of every confusion table.
        rows: requests measured on; ``groups`` of them are independent.
        incomplete: labels left out because the quality of a member is unknown.
        seen: labels left out because a router was fitted on them.
        left_out: members left out because most labels know nothing of them.
        cheapest_best: share of requests on which the cheapest member is among the best.
        people: requests of which people said what is best.
        seed, draws: of the bootstrap.
    """

    members: tuple[str, ...]
    lines: tuple[Line, ...]
    rows: int
    groups: int
    incomplete: int
    seen: int
    left_out: tuple[str, ...]
    cheapest: str
    best_single: str
    cheapest_best: Interval
    people: int
    seed: int
    draws: int

    @property
    def routers(self) -> tuple[Line, ...]:
        """The lines of routers alone."""
        return tuple(line for line in self.lines if line.kind == "router")

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Members of whose cost nothing is known, so that ``cheapest`` is found among the others; any, if all are."""
        return tuple(line.name for line in self.lines if line.kind == "member" and isnan(line.nano_usd.point))
