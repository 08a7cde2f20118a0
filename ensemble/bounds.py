"""The most that one call can cost: what a hard cap sets aside before the call leaves."""

from datetime import datetime

from ensemble.fleet import Member
from ensemble.spending import dearest_nano_usd, most_tokens
from ensemble.types import Purpose
from judges.types import Prompt

__all__ = ["dearest_nano_usd", "most_nano_usd", "most_tokens", "unbounded"]


def most_nano_usd(
    member: Member, prompt: Prompt, purpose: Purpose, moment: datetime, *, batch: bool = False
) -> int | None:
    """Nano-USD of one attempt at the most; None where price, output limit or size is unknown."""
    ready, _ = member.prepare(prompt, purpose)
    price, size, limit = member.price(moment), most_tokens(ready), ready.max_output_tokens
    return None if price is None else dearest_nano_usd(price, size, limit, batch=batch)


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
