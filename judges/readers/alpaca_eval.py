"""AlpacaEval 2: the token ``m`` (shown first) or ``M`` (shown second), weighted by its probability; or a ranking.

Source: tatsu-lab/alpaca_eval, completion_parsers.py (``logprob_parser``, ``ranking_parser``).
"""

import json
import math
import re
from collections.abc import Mapping

from judges.readers.labels import Label, Reading

FIRST, SECOND = "m", "M"

_LONGEST = 80  # characters of a line that says no more than its verdict; longer ones would also take the pattern long
_SIDES = {FIRST: Label(side="first"), SECOND: Label(side="second")}
_AROUND = r"[\s*_`\"'()\[\]:.]*"
_NAMED = r"(?i:(?:so |therefore,? )?(?:the )?(?:final |best |better )*(?:verdict|label|answer|output|model)?(?: is)?)"
_TOKEN = re.compile(rf"{_AROUND}{_NAMED}{_AROUND}\b([{FIRST}{SECOND}])\b{_AROUND}")


def second_preferred(top_logprobs: Mapping[str, float]) -> float | None:
    """P(the answer shown second is better): the probability of M over that of m and M together.

    A token that is missing among the alternatives weighs nothing. None where both are missing, or where a logprob is no
    finite number.
    """
    first, second = top_logprobs.get(FIRST, -math.inf), top_logprobs.get(SECOND, -math.inf)
    if first == second == -math.inf or not all(map(math.isfinite, top_logprobs.values())):
        return None
    # The difference first: exp of each alone can underflow to 0 over 0, and 700 is the most that exp bears.
    return 1 / (1 + math.exp(min(first - second, 700.0))) if math.isfinite(first) else 1.0


def token_strict(text: str) -> Reading | None:
    """The verdict of a reply that is one of the two tokens and nothing else."""
    label = _SIDES.get(text.strip())
    return Reading(label=label, path="alpaca_eval:token") if label else None


def token_robust(text: str) -> Reading | None:
    """The token on the last line or the first, in markup or named as the best; None where the two lines differ."""
    lines = [line for line in text.splitlines() if line.strip()]
    short = [line for line in (*lines[:1], *lines[-1:]) if len(line) <= _LONGEST]
    named = {found.group(1) for line in short if (found := _TOKEN.fullmatch(line))}
    return Reading(label=_SIDES[named.pop()], path="alpaca_eval:robust") if len(named) == 1 else None


def ranking(reply: object) -> Reading | None:
    """The verdict of a ``make_leaderboard`` call: JSON text or the parsed object with ``ordered_models``."""
    if isinstance(reply, str):
        try:
            reply = json.loads(reply)
        except (ValueError, RecursionError):
            return None
    ordered = reply.get("ordered_models") if isinstance(reply, Mapping) else None
    if not isinstance(ordered, list):
        return None
    ranks = {one.get("model"): one.get("rank") for one in ordered if isinstance(one, Mapping) and _named(one)}
    first, second = ranks.get(FIRST), ranks.get(SECOND)
    if not isinstance(first, int) or not isinstance(second, int) or len(ordered) != 2:
        return None
    side = Label(side="tie" if first == second else "first" if first < second else "second")
    return Reading(label=side, path="alpaca_eval:ranking")


def _named(one: Mapping[object, object]) -> bool:
    return isinstance(one.get("model"), str)
