"""How sure a judge was of its label, by the probabilities of the token that names it."""

import math
import re
from collections.abc import Mapping, Sequence

from judges.readers.labels import THREE_WAY, Label, Side
from judges.types import Completion, TokenLogprob

_LABEL = re.compile(r"\[\[\s*([ABC])\s*\]\]")
_LEAST = 1e-6
_AROUND = " \t\n[]"


def strength(reply: Completion, label: Label) -> float | None:
    """P(winner) - P(loser), of what the three labels weigh together, in (0, 1]; for MT-Bench's labels A, B and C.

    None for a tie, without token logprobs, and where no token of the reply is the label. A label that was drawn against
    the odds has the least strength there is.
    """
    if label.side == "tie" or reply.logprobs is None:
        return None
    places = [m.start(1) for m in _LABEL.finditer(reply.text) if THREE_WAY[m.group(1)].side == label.side]
    token = token_at(reply.logprobs, places[-1]) if places else None
    if token is None:
        return None
    weights = _weights({**dict(token.top), token.token: token.logprob})
    total = math.fsum(weights.values())
    if not total or label.side not in weights:
        return None
    other: Side = "second" if label.side == "first" else "first"
    return min(1.0, max(_LEAST, (weights[label.side] - weights.get(other, 0.0)) / total))


def token_at(logprobs: Sequence[TokenLogprob], place: int) -> TokenLogprob | None:
    """The token that covers the character at ``place``; None where the tokens end before it."""
    past = 0
    for token in logprobs:
        past += len(token.token)
        if past > place:
            return token
    return None


def _weights(alternatives: Mapping[str, float]) -> dict[Side, float]:
    """The probability of each side among ``alternatives``; tokens that are no label weigh nothing."""
    weights: dict[Side, float] = {}
    for text, logprob in alternatives.items():
        label = THREE_WAY.get(text.strip(_AROUND))
        if label is not None and math.isfinite(logprob):
            weights[label.side] = weights.get(label.side, 0.0) + math.exp(min(logprob, 0.0))
    return weights
