"""The most that one attempt can use: what a cap or a budget sets aside before it leaves."""

import json
import math
from dataclasses import asdict
from decimal import Decimal

from ensemble.allowance import Allowance, Amount
from ensemble.errors import CallFailed
from ensemble.fitness import is_text
from ensemble.money import Price
from ensemble.types import Call
from judges.types import Prompt

_PER_TURN = 16  # tokens by which chat templates frame a turn; the ones in use need 3 to 8
_MOST = 10**15  # of tokens: more than any limit, and few enough to be added up in the log
_TOOL_SYSTEM = 1024  # tokens of the instructions that a provider adds where there are tools (Anthropic: up to 700)


def most_tokens(prompt: Prompt) -> int | None:
    """Tokens that ``prompt`` has at most: no more than its bytes. None where it shows images or files."""
    if not is_text(prompt):
        return None
    tree = asdict(prompt, dict_factory=_stated)
    size = len(json.dumps(tree, default=str, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return size + _PER_TURN * len(prompt.messages) + (_TOOL_SYSTEM if prompt.tools else 0)


def _stated(fields: list[tuple[str, object]]) -> dict[str, object]:
    # What is not stated is not sent; the names of it would count for more than a short question.
    return {name: value for name, value in fields if value not in (None, (), {})}


def dearest_nano_usd(price: Price, given: float | None, made: float | None, *, batch: bool = False) -> int | None:
    """Nano-USD of ``given`` tokens in, billed in the dearest way, and ``made`` out; None where a figure is unknown."""
    dearest, output = (price.batch_input, price.batch_output) if batch else (_dearest(price), price.output)
    output = Decimal(0) if made == 0 else output
    if dearest is None or output is None or given is None or made is None:
        return None
    # USD per million tokens are 1000 nano-USD per token.
    return math.ceil((math.ceil(given) * dearest + math.ceil(made) * output) * 1000)


def _dearest(price: Price) -> Decimal | None:
    """The dearest way in which an input token can be billed; None where a fresh one has no price."""
    if price.input is None:
        return None
    return max(price.input, price.cache_read or Decimal(0), price.cache_write or Decimal(0))


async def set_aside(allowance: Allowance | None, price: Price | None, prompt: Prompt, member: str) -> Amount | None:
    """Take the most that one attempt at ``prompt`` can use out of ``allowance``; None where nothing of it is limited.

    Raises:
        CallFailed: there is no room for it, or nobody can know how much it may use. Nothing was sent.
    """
    if allowance is None or not allowance.bounded & {"tokens", "usd"}:
        return None
    size, limit = most_tokens(prompt), prompt.max_output_tokens
    cost = None if price is None else dearest_nano_usd(price, size, limit)
    tokens = None if size is None or limit is None else min(size + limit, _MOST)
    unknown = tokens is None or ("usd" in allowance.bounded and cost is None)
    if unknown:
        told = "no known price" if tokens is not None else "images or files" if size is None else "no max_output_tokens"
        raise CallFailed(f"{member} has {told}, so no budget can bound what it uses", failure="unbounded", sent=False)
    most = Amount(tokens=tokens or 0, nano_usd=cost or 0)
    if not await allowance.take(most):
        raise CallFailed(str(allowance.refused), failure="over_budget", sent=False)
    return most


def used_of(most: Amount, call: Call, *, unbilled: bool) -> Amount:
    """What ``call`` used of ``most``; what cannot be known to be less counts in full.

    ``unbilled``: it was never sent, or refused. That it cost nothing does not tell, since a model may be free.
    """
    usage = call.usage
    if unbilled and usage.nano_usd == 0:
        return Amount()
    known = usage.input_tokens is not None and usage.output_tokens is not None
    tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0) if known else most.tokens
    return Amount(tokens=tokens, nano_usd=most.nano_usd if usage.nano_usd is None else usage.nano_usd)
