"""How sure a model was of its answer, by the log-probabilities of the tokens, as bounded figures.

The mean of a whole answer (the log of one over its perplexity) hides the few tokens that matter, so the least, a low
quantile, the last line and the last number stand beside it. Source: Kadavath et al. 2022, Language Models (Mostly) Know
What They Know; Gupta et al. 2024, Language Model Cascades: Token-level Uncertainty and Beyond (quantiles).
"""

import math
import re
from collections.abc import Iterator, Sequence

from judges.types import TokenLogprob

WIDTH = 6
LEAST = -12.0
"""Log-probabilities below it, infinite ones included, count as this."""
_UNKNOWN = (0.0,) * WIDTH
_NUMBER = re.compile(r"\d[\d.,]*")


def sureness(logprobs: Sequence[TokenLogprob] | None) -> tuple[float, ...]:
    """``WIDTH`` figures, nats: 1 for known, mean, least, lowest tenth, mean of the last line, least of the last number.

    All are 0 where nothing is known. An answer without a number has the least of its last line instead.
    """
    values = [_bounded(one.logprob) for one in logprobs or ()]
    if not logprobs or not values:
        return _UNKNOWN
    text = "".join(one.token for one in logprobs)
    line = text.rstrip().rfind("\n") + 1
    last = list(_inside(logprobs, values, line, len(text.rstrip()))) or values
    numbers = list(_NUMBER.finditer(text))
    number = list(_inside(logprobs, values, *numbers[-1].span())) if numbers else last
    return (
        1.0,
        math.fsum(values) / len(values),
        min(values),
        sorted(values)[len(values) // 10],
        math.fsum(last) / len(last),
        min(number),
    )


def _bounded(logprob: float) -> float:
    return LEAST if math.isnan(logprob) else max(LEAST, min(0.0, logprob))


def _inside(logprobs: Sequence[TokenLogprob], values: Sequence[float], begin: int, end: int) -> Iterator[float]:
    """Values of the tokens that reach into the characters from ``begin`` to ``end``."""
    place = 0
    for one, value in zip(logprobs, values, strict=True):
        if place < end and place + len(one.token) > begin:
            yield value
        place += len(one.token)
