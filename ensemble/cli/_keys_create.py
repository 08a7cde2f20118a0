"""``ensemble keys create``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from ensemble.allowance import Limit
from ensemble.cli import _options
from ensemble.cli._keys_shared import key_log, show_secret
from ensemble.cli._log_shared import length, log_options
from ensemble.keys.issuing import SCOPES, a_key, create
from ensemble.store.address import Address
from ensemble.store.keeping.connect import transaction, writing


def _limits(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[Limit, ...]:
    try:
        return tuple(Limit.parse(text) for text in given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(epilog="Example: ensemble keys create app --scope use --limit usd=5/day --limit requests=60/minute")
@click.argument("name")
@log_options
@click.option(
    "--scope", "scopes", type=click.Choice(list(SCOPES)), multiple=True, default=("use",), show_default=True,
    help="What it may do; may be given several times.",
)  # fmt: skip
@click.option("--tenant", help="On whose behalf it asks; keys of one tenant see the same requests.")
@click.option("--data-class", help="Class of the data that it sends, where a request states none.")
@click.option(
    "--limit", "limits", multiple=True, callback=_limits, help="Such as usd=5/day; may be given several times."
)
@click.option("--expires", callback=length, help="Length of its life, such as 90d.  [default: for ever]")
@_options.as_json
def command(
    name: str,
    config: Path,
    *,
    db: Address | None,
    scopes: tuple[str, ...],
    tenant: str | None,
    data_class: str | None,
    limits: tuple[Limit, ...],
    expires: timedelta | None,
    as_json: bool,
) -> None:
    """Make a key called NAME and show it, this once: the log holds its hash alone.

    Limits are on `requests`, `tokens` (input and output) and `usd`, per `minute`, `day` and `month` of the UTC
    calendar, or in `total`. As soon as there is one key, nobody is served without one.
    """
    ends = None if expires is None else datetime.now(UTC) + expires
    key = a_key(name, scopes, tenant=tenant, data_class=data_class, limits=limits, expires_at=ends)
    with writing(key_log(config, db)) as log, transaction(log):
        secret = create(log, key)
    show_secret(key, secret, as_json=as_json)
