"""What a plan can cost and how long it can take, told before anything is called: from prices and logged habits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensemble.bounds import dearest_nano_usd, most_tokens
from ensemble.families import asked_by
from ensemble.fitness import estimate_tokens, is_text
from ensemble.fleet import Fleet
from ensemble.habits import Sittings
from ensemble.money import add
from ensemble.types import Stage
from judges.judge import Judge
from judges.types import Prompt


@dataclass(frozen=True, slots=True)
class Need:
    """What something will hardly exceed; None where that is not known."""

    nano_usd: int | None = 0
    seconds: float | None = 0.0

    def then(self, other: "Need") -> "Need":
        """Both in turn."""
        return Need(add(self.nano_usd, other.nano_usd), _after(self.seconds, other.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Estimates for one ``prompt`` at one ``moment`` (UTC, for the price in force)."""

    fleet: Fleet
    judges: Mapping[str, Judge]
    sittings: Sittings
    prompt: Prompt
    moment: datetime

    def stage(self, stage: Stage) -> Need:
        """All of its calls, made at once, and its judge after the slowest. Retries of failed calls are not counted."""
        seats = [member for member, _ in stage.seats()]
        needs = [self.call(member, of=len(seats), timeout_s=stage.call_timeout_s) for member in seats]
        cost = add(*(one.nano_usd for one in needs))
        hedged = cost * 2 if cost is not None and stage.hedge else cost
        panel = Need(hedged, _slowest(one.seconds for one in needs))
        return panel.then(self.judging(stage.judge, len(seats))) if stage.judge else panel

    def call(self, name: str, *, of: int = 1, timeout_s: float | None = None) -> Need:
        """One answer of member ``name``, as one of ``of``.

        Input tokens are estimated from the prompt as the log has known estimates to grow, else counted as its bytes;
        output tokens are what the log has seen, else the limit of the request or of the member.
        """
        if name not in self.fleet:
            return Need(0, 0.0)  # never called
        member = self.fleet[name]
        ready, _ = member.prepare(self.prompt, "candidate")
        growth, made = member.habits.growth.upper(of), member.habits.output_tokens.upper(of)
        known = growth is not None and is_text(ready)
        given = estimate_tokens(ready) * growth if growth is not None and known else most_tokens(ready)
        limits = [tokens for tokens in (made, ready.max_output_tokens) if tokens is not None]
        price = member.price(self.moment)
        cost = dearest_nano_usd(price, given, min(limits, default=None)) if price else None
        waits = [s for s in (member.habits.seconds.upper(of), timeout_s) if s is not None]
        return Need(cost, min(waits, default=None))

    def judging(self, name: str, candidates: int) -> Need:
        """A verdict of the judge ``name``. Of one that asks no model nothing need be known: it is taken to be free."""
        judge = self.judges[name]
        cost, seconds = self.sittings.upper(judge.digest, candidates)
        if not asked_by(judge, self.fleet):
            cost, seconds = cost or 0, seconds or 0.0
        return Need(None if cost is None else round(cost), seconds)


def _after(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _slowest(times: Iterable[float | None]) -> float | None:
    known: Sequence[float | None] = list(times)
    return None if None in known else max((time for time in known if time is not None), default=0.0)
