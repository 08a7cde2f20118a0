"""From a verdict's raw signs of certainty to the probability that it is right: fit on labels, stored in a file.

A signal only ranks verdicts; isotonic regression (Zadrozny and Elkan 2002) turns the ranks into probabilities and
keeps their order. Fitting needs scipy; reading and applying a file is plain Python, quick enough for every request.
"""

import hashlib
import json
import math
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from judges.errors import InvalidOptions
from judges.types import CandidateId, Preference, Verdict

Knot = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]
_WORTH = 2.0
"""What one page or one ballot of full strength is taken to be worth: right twice as often as wrong."""
STAGE = "stage:"
"""Flag of a staged verdict: which of its ballots, counted from 1, decided."""


class Fitted(BaseModel):
    """What is known of one judge.

    ``n`` labelled verdicts named winners, ``right`` of them the right one; a tie that holds it counts half. ``knots``
    are (signal, probability) pairs in rising order; none where only the accuracy is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = ""
    n: int = Field(ge=0)
    right: float = Field(ge=0)
    knots: tuple[Knot, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> "Fitted":
        if self.right > self.n:
            raise ValueError(f"right: {self.right:g} of {self.n} verdicts cannot be right")
        if any(left[0] >= right[0] or left[1] > right[1] for left, right in pairwise(self.knots)):
            raise ValueError("knots: signals must rise and probabilities must not fall")
        return self


class Calibration(BaseModel):
    """A calibration file: what labels say of judges, by digest. ``made`` tells where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    made: Mapping[str, object] = Field(default_factory=dict)
    judges: Mapping[str, Fitted]

    @property
    def hash(self) -> str:
        """Version of the content, 12 hex digits: what a verdict that used it is marked with."""
        held = {digest: [one.n, one.right, one.knots] for digest, one in self.judges.items()}
        return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:12]


def read(path: Path) -> Calibration:
    """Read a calibration file. Blocks.

    Raises:
        OSError: it cannot be read.
        InvalidOptions: it is no calibration file; the sentence names the first key that is wrong.
    """
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        told = f"{path} is not a calibration file: {f'{place}: ' if place else ''}{first['msg']}; fit it again"
        raise InvalidOptions(f"calibration: {told}", (("calibration", told),)) from None


def write(path: Path, held: Calibration) -> None:
    """Write ``held`` to ``path`` in one step, so that a reader sees the old file or the new one. Blocks."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(held.model_dump_json(indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def signal(verdict: Verdict) -> float | None:
    """Raw confidence in [0, 1] that the winners hold the best candidate; None where nothing speaks for or against.

    Read from comparisons (both orders, label strength), else ballots, else the margin of scores. Each page or ballot
    multiplies the odds by two, less where it is weak, so agreement adds up and contradiction cancels; against several
    opponents the hardest counts. A tie is never surer than 0.5. Its order means something, its size nothing: calibrate.
    """
    if not verdict.winners:
        return None
    # A staged verdict is as sure as the stage that decided.
    place = next((flag.removeprefix(STAGE) for flag in verdict.flags if flag.startswith(STAGE)), "")
    if place.isdecimal() and 0 < int(place) <= len(verdict.ballots):
        return signal(verdict.ballots[int(place) - 1])
    raw = _from_preferences(verdict)
    if raw is None:
        raw = _from_ballots(verdict)
    if raw is None:
        raw = _from_scores(verdict)
    return min(raw, 0.5) if raw is not None and verdict.outcome == "tie" else raw


def fit(signals: Sequence[float], right: Sequence[float]) -> tuple[Knot, ...]:
    """Knots of a rising curve from signal to probability.

    ``right`` holds 1 for a right verdict, 0 for a wrong one and 0.5 for a tie with the right one. Each step of the
    curve is drawn towards the overall accuracy by two imagined verdicts, so that a few labels never make a certainty.

    Raises:
        ValueError: the lengths differ, there are no verdicts, or a number is outside [0, 1].
    """
    if len(signals) != len(right) or not signals:
        raise ValueError("fit: give as many outcomes as signals, and at least one")
    if not all(0 <= number <= 1 for number in (*signals, *right)):
        raise ValueError("fit: signals and outcomes lie between 0 and 1")
    from scipy.optimize import isotonic_regression

    grouped: dict[float, list[float]] = {}
    for place, outcome in sorted(zip(signals, right, strict=True)):
        grouped.setdefault(float(place), []).append(outcome)
    counts = [len(group) for group in grouped.values()]
    means = [math.fsum(group) / len(group) for group in grouped.values()]
    rising = isotonic_regression(means, weights=counts)
    overall = (math.fsum(right) + 1) / (len(right) + 2)
    steps = [(int(a), int(b)) for a, b in pairwise(rising.blocks)]
    sizes = [sum(counts[a:b]) for a, b in steps]
    drawn = [(float(rising.x[a]) * n + 2 * overall) / (n + 2) for (a, _), n in zip(steps, sizes, strict=True)]
    smooth = isotonic_regression(drawn, weights=sizes).x
    at = list(grouped)
    knots: dict[float, float] = {}
    for (a, b), level in zip(steps, smooth, strict=True):
        knots[at[a]] = knots[at[b - 1]] = min(1.0, max(0.0, float(level)))
    return tuple(knots.items())


def apply(knots: Sequence[Knot], raw: float) -> float | None:
    """The probability at ``raw``: linear between knots, level beyond them; None without knots."""
    if not knots:
        return None
    place = bisect_right(knots, raw, key=lambda knot: knot[0])
    if place == 0:
        return knots[0][1]
    if place == len(knots):
        return knots[-1][1]
    (x0, y0), (x1, y1) = knots[place - 1], knots[place]
    # Clamped, since rounding could leave the interval by a hair, and order must be kept.
    return min(y1, max(y0, y0 + (y1 - y0) * (raw - x0) / (x1 - x0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One stretch of a reliability curve: ``n`` verdicts, their mean stated probability and the share that was right.

    Both are None in an empty bin.
    """

    low: float
    high: float
    n: int
    stated: float | None
    right: float | None


def reliability(stated: Sequence[float], right: Sequence[float], bins: int = 10) -> tuple[Bin, ...]:
    """The reliability curve over ``bins`` stretches of equal width; empty ones are there, with their count of 0.

    Raises:
        ValueError: the lengths differ, or ``bins`` is below 1.
    """
    if len(stated) != len(right) or bins < 1:
        raise ValueError("reliability: give as many outcomes as probabilities, and at least one bin")
    held: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for said, outcome in zip(stated, right, strict=True):
        held[min(bins - 1, max(0, int(said * bins)))].append((said, outcome))
    return tuple(
        Bin(
            low=place / bins,
            high=(place + 1) / bins,
            n=len(pairs),
            stated=math.fsum(said for said, _ in pairs) / len(pairs) if pairs else None,
            right=math.fsum(outcome for _, outcome in pairs) / len(pairs) if pairs else None,
        )
        for place, pairs in enumerate(held)
    )


def ece(curve: Sequence[Bin]) -> float | None:
    """Expected calibration error in [0, 1]: mean distance of stated from true, by count; None without verdicts."""
    total = sum(one.n for one in curve)
    gaps = (one.n * abs(one.stated - one.right) for one in curve if one.stated is not None and one.right is not None)
    return math.fsum(gaps) / total if total else None


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, log_odds))))


def _from_preferences(verdict: Verdict) -> float | None:
    against: dict[tuple[CandidateId, CandidateId], list[float]] = {}
    for preference in verdict.preferences:
        for mine, other in (preference.shown, preference.shown[::-1]):
            if mine in verdict.winners and other not in verdict.winners and preference.outcome != "none":
                against.setdefault((mine, other), []).append(_lean(preference, mine))
    if against:
        return _probability(math.log(_WORTH) * min(map(math.fsum, against.values())))
    compared = any(preference.outcome != "none" for preference in verdict.preferences)
    return 0.5 if compared and len(verdict.winners) > 1 else None


def _lean(preference: Preference, mine: CandidateId) -> float:
    """How much one page speaks for ``mine``, in [-1, 1]."""
    if preference.winner is None:
        return 0.0
    size = 1.0 if preference.strength is None else preference.strength
    return size if preference.winner == mine else -size


def _from_ballots(verdict: Verdict) -> float | None:
    heard = [ballot for ballot in verdict.ballots if ballot.winners]
    if not heard:
        return None
    wanted = frozenset(verdict.winners)
    return _probability(math.fsum(_support(ballot, wanted) for ballot in heard))


def _support(ballot: Verdict, wanted: frozenset[CandidateId]) -> float:
    """Log-odds that one ballot adds for ``wanted``, by how sure the ballot itself is."""
    if ballot.outcome == "tie":
        return 0.0
    own = signal(ballot)
    size = math.log(_WORTH) if own is None else math.log(max(own, 1e-6) / max(1 - own, 1e-6))
    return size if ballot.winners[0] in wanted else -size


def _from_scores(verdict: Verdict) -> float | None:
    mine = [verdict.scores[one] for one in verdict.winners if one in verdict.scores]
    others = [score for one, score in verdict.scores.items() if one not in verdict.winners]
    if not mine:
        return None
    if not others:
        return 0.5 if len(verdict.winners) > 1 else None
    return 0.5 + max(-1.0, min(1.0, min(mine) - max(others))) / 2
