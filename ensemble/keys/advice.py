"""What of the keys in a log does not go with the configuration that they are used with."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from ensemble.errors import StoreError
from ensemble.member import MemberSettings
from ensemble.money import price_on
from ensemble.store.address import Address
from ensemble.store.api_keys import Key, keys
from ensemble.store.keeping.connect import reading
from ensemble.store.opening import exists


def advise_keys(
    log: Address, members: Mapping[str, MemberSettings], moment: datetime, *, needed: bool
) -> Iterator[str]:
    """One sentence each, as of ``moment`` (an aware time). ``needed``: nobody is served without a key of ``log``."""
    try:
        valid = [key for key in _keys(log) if key.ended(moment) is None]
    except StoreError as error:
        yield f"{error}; so nothing is known of its keys"
        return
    if needed and not valid:
        told = "nobody is served; `ensemble keys create NAME` makes one"
        yield f"[server] keys = true, and the log has no valid key: {told}"
    budgets = {what: [key.name for key in valid if _limits(key, what)] for what in ("tokens", "usd")}
    for name, member in members.items():
        price = price_on(member.price, moment)
        if budgets["usd"] and (price is None or price.input is None or price.output is None):
            told = f"is asked nothing for keys with a budget ({', '.join(budgets['usd'])})"
            yield f"[members.{name}] {told}: its price is not known"
        bounded = dict.fromkeys(budgets["usd"] + budgets["tokens"])
        if bounded and member.max_output_tokens is None:
            told = f"is asked nothing for keys with a budget ({', '.join(bounded)})"
            yield f"[members.{name}] {told} where a request states no limit: it has no max_output_tokens"


def _keys(log: Address) -> list[Key]:
    if not exists(log):
        return []
    with reading(log) as db:
        return keys(db)


def _limits(key: Key, what: str) -> bool:
    return any(limit.what == what for limit in key.limits)
