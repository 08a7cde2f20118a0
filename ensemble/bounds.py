"""The most that one call can cost: what a hard cap sets aside before the call leaves."""

import math
from datetime import datetime
from decimal import Decimal

from ensemble.fitness import is_text
from ensemble.fleet import Member
from ensemble.money import Price
from ensemble.store.content import messages_json, options_json
from ensemble.types import Purpose
from judges.types import Prompt

_PER_TURN = 16  # tokens by which chat templates frame a turn; the ones in use need 3 to 8
_TOOL_SYSTEM = 1024  # tokens of the instructions that a provider adds where there are tools (Anthropic: up to 700)


def most_tokens(prompt: Prompt) -> int | None:
    """Tokens that ``prompt`` has at most: no more than its bytes. None where it shows images or files."""
    if not is_text(prompt):
        return None
    size = len(messages_json(prompt.messages)) + len(options_json(prompt))
    return size + _PER_TURN * len(prompt.messages) + (_TOOL_SYSTEM if prompt.tools else 0)


def most_nano_usd(
    member: Member, prompt: Prompt, purpose: Purpose, moment: datetime, *, batch: bool = False
) -> int | None:
    """Nano-USD of one attempt at the most; None where price, output limit or size is unknown."""
    ready, _ = member.prepare(prompt, purpose)
    price, size, limit = member.price(moment), most_tokens(ready), ready.max_output_tokens
    return None if price is None else dearest_nano_usd(price, size, limit, batch=batch)


def dearest_nano_usd(price: Price, given: float | None, made: float | None, *, batch: bool = False) -> int | None:
    """Nano-USD of ``given`` tokens in, billed in the dearest way, and ``made`` out; None where a figure is unknown."""
    dearest, output = (price.batch_input, price.batch_output) if batch else (_dearest(price), price.output)
    if dearest is None or output is None or given is None or made is None:
        return None
    # USD per million tokens are 1000 nano-USD per token.
    return math.ceil((math.ceil(given) * dearest + math.ceil(made) * output) * 1000)


def _dearest(price: Price) -> Decimal | None:
    """The dearest way in which an input token can be billed; None where a fresh one has no price."""
    if price.input is None:
        return None
    return max(price.input, price.cache_read or Decimal(0), price.cache_write or Decimal(0))


def unbounded(member: Member, moment: datetime, *, judge: bool = False, batch: bool = False) -> str | None:
    """Why calls of ``member`` cannot stand under a cap, or None. A judge states its own limit of output."""
    price = member.price(moment)
    known = () if price is None else (price.batch_input, price.batch_output) if batch else (price.input, price.output)
    if not known or None in known:
        told = "batch price" if batch else "price for input and output"
        mend = "batch_input and batch_output in its price" if batch else "price"
        return f"{member.name}: it has no {told}, so a capped run cannot call it; set {mend}"
    if member.settings.max_output_tokens is None and not judge:
        return f"{member.name}: nothing limits its output, so a capped run cannot call it; set max_output_tokens"
    return None
