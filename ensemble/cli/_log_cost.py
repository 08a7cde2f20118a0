"""``ensemble log cost``."""

from datetime import datetime
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import cost, log_file, moment, put_json, put_table
from ensemble.store.address import Address
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.costs import costs


@click.command(epilog="Example: ensemble log cost --by member,purpose --since 30d")
@_options.config
@_options.log
@click.option("--by", default="member", show_default=True, help="key, tag, tag:NAME, router, member, purpose, day.")
@click.option("--since", callback=moment, help="Whole UTC days from then on, such as 7d or 2026-11-23.")
@click.option("--until", callback=moment, help="Up to and with this UTC day.")
@_options.as_json
def command(
    config: Path, *, db: Address | None, by: str, since: datetime | None, until: datetime | None, as_json: bool
) -> None:
    """Add up what calls cost, by one thing or by several with commas between them.

    Calls of unknown cost are counted and never summed as 0. With tag, a call counts once for each tag of its request.
    """
    names = [one.strip() for one in by.split(",") if one.strip()]
    days = {
        "since": since.date().isoformat() if since else "",
        "until": until.date().isoformat() if until else "9999",
    }
    with reading(log_file(config, db)) as log:
        found = costs(log, names, **days)
        total = (costs(log, [], **days) or [{"calls": 0, "failures": 0, "nano_usd": 0, "unpriced": 0}])[0]
    if as_json:
        put_json({"by": names, "rows": found, "total": total})
        return
    rows = [(*(one[name] for name in names), f"{one['calls']:,}", f"{one['failures']:,}", cost(one)) for one in found]
    whole = (*("all" if not n else "" for n in range(len(names))), f"{total['calls']:,}", f"{total['failures']:,}")
    put_table((*names, "calls", "failures", "cost"), [*rows, (*whole, cost(total))])
