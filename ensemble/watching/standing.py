"""How a watched router stands, as follows from what was seen of it: no clock, no log, no calls."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from ensemble.router import Shadow
from ensemble.routers._tasks import Task
from ensemble.store.watched import Seen

if TYPE_CHECKING:
    from ensemble.watching.betting import Betting

EVERYTHING = "all requests"
_TESTS = len(get_args(Task)) + 1
"""Each kind of task is tested apart, and all requests together: so the error rate is shared out (Bonferroni)."""
State = Literal["watched", "judge_drift", "demoted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Where a router stands, for people and metrics.

    Attributes:
        state: ``demoted`` is served by the whole panel; with ``judge_drift`` nothing is drawn and nothing decided.
        since: when that began, UTC as text; empty while ``watched``.
        labels: judged against the panel so far.
        kept: mean quality kept; None where there are no labels.
        at_most: upper end of its anytime-valid interval at the router's ``alpha``, over the worst stretch.
        agreement: share of the anchors on which the judge found the same again; None before the first.
    """

    state: State
    since: str
    why: str
    labels: int
    kept: float | None
    at_most: float
    floor: float
    agreement: float | None


@dataclass(slots=True)
class Standing:
    """The state of one router; ``take`` brings it up to date.

    ``last`` is the id of the last row that counted, ``promotions`` that of the last promotion, at ``promoted_at``.
    """

    options: Shadow
    last: int = 0
    state: State = "watched"
    since: str = ""
    why: str = ""
    promotions: int = 0
    promoted_at: str = ""
    _kinds: "dict[str, Betting]" = field(default_factory=dict)
    _judge: "Betting" = field(init=False)

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.state, self.since, self.why = "watched", "", ""
        self._kinds = {EVERYTHING: self._betting()}
        self._judge = _betting(self.options.judge_floor, self.options.alpha)

    def _betting(self) -> "Betting":
        return _betting(self.options.floor, self.options.alpha / _TESTS)

    def take(self, rows: Iterable[Seen]) -> None:
        """Count ``rows``, which come in order and after those that were counted before."""
        for row in rows:
            self.last = row.id
            match row.event:
                case "promoted":
                    self.promotions, self.promoted_at = row.id, row.at
                    self._begin()
                case "label":
                    self._kinds[EVERYTHING].add(row.value)
                    self._kinds.setdefault(row.task, self._betting()).add(row.value)
                case "anchor":
                    self._judge.add(row.value)
                case "demoted" | "judge_drift":
                    self.state, self.since, self.why = row.event, row.at, row.why

    @property
    def suspicion(self) -> str | None:
        """Why the router should be demoted, if its judge can be believed; None where its quality is kept."""
        fallen = {kind: seen for kind, seen in self._kinds.items() if seen.fell}
        if not fallen:
            return None
        kind = min(fallen, key=lambda kind: fallen[kind].at_most)
        return (
            f"{kind}: quality kept is at most {fallen[kind].at_most:.2f}, below {self.options.floor:g}; "
            f"mean {fallen[kind].mean:.2f} of {fallen[kind].n} labels"
        )

    @property
    def doubt(self) -> str | None:
        """Why the judge cannot be believed any more, from the anchors that were judged again; None where it can."""
        if not self._judge.fell:
            return None
        return (
            f"agreement with its own anchors is at most {self._judge.at_most:.2f}, below {self.options.judge_floor:g}; "
            f"mean {self._judge.mean:.2f} of {self._judge.n}"
        )

    def report(self) -> Report:
        """The state with its figures."""
        everything = self._kinds[EVERYTHING]
        return Report(
            state=self.state,
            since=self.since,
            why=self.why,
            labels=everything.n,
            kept=everything.mean,
            at_most=everything.at_most,
            floor=self.options.floor,
            agreement=self._judge.mean,
        )


def _betting(floor: float, alpha: float) -> "Betting":
    # Late, since it takes numpy along, of which a service without a watch has no need.
    from ensemble.watching.betting import Betting

    return Betting(floor, alpha)
