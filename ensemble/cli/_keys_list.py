"""``ensemble keys list``."""

from datetime import UTC, datetime
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._keys_shared import described
from ensemble.cli._log_shared import log_file, log_options, put_json, put_table
from ensemble.cli._output import put, screen
from ensemble.money import usd
from ensemble.store.address import Address
from ensemble.store.api_keys import Key, keys
from ensemble.store.budgets import Standing, standings
from ensemble.store.database import Database
from ensemble.store.keeping.connect import reading


@click.command(epilog="Example: ensemble keys list")
@log_options
@click.option("--all", "ended", is_flag=True, help="Those that have ended, too.")
@_options.as_json
def command(config: Path, *, db: Address | None, ended: bool, as_json: bool) -> None:
    """List keys with their scopes and limits, what is used of these, and their last use; never the keys themselves."""
    now = datetime.now(UTC)
    with reading(log_file(config, db)) as log:
        found = [(key, _standings(log, key, now)) for key in keys(log) if ended or key.ended(now) is None]
    if as_json:
        put_json([described(key) | {"state": key.ended(now) or "valid", "used": _numbers(at)} for key, at in found])
    elif not found:
        others = "" if ended else " that is in force (--all shows those that have ended)"
        put(screen(), f"no key{others}; make one with `ensemble keys create NAME`")
    else:
        put_table(
            ("name", "id", "state", "scopes", "tenant", "data", "used of its limits", "expires", "last use"),
            [_row(key, at, now) for key, at in found],
        )


def _standings(log: Database, key: Key, now: datetime) -> list[Standing]:
    return standings(log, key.id, key.limits, now)


def _row(key: Key, at: list[Standing], now: datetime) -> tuple[object, ...]:
    used = ", ".join(f"{_amount(one)} of {one.limit}" for one in at)
    last = None if key.used_at is None else f"{key.used_at:%Y-%m-%d %H:%M}"
    ends = None if key.expires_at is None else f"{key.expires_at:%Y-%m-%d}"
    scopes = " ".join(sorted(key.scopes))
    return key.name, key.id, key.ended(now) or "valid", scopes, key.tenant, key.data_class, used or None, ends, last


def _amount(one: Standing) -> str:
    return usd(one.used) if one.limit.what == "usd" else str(one.used)


def _numbers(at: list[Standing]) -> dict[str, object]:
    return {str(one.limit): _amount(one) if one.limit.what == "usd" else one.used for one in at}
