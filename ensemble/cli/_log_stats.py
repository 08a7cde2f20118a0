"""``ensemble log stats``."""

from datetime import datetime
from pathlib import Path
from typing import Any, cast

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import cost, log_file, moment, put_json, put_table
from ensemble.cli._output import put, screen
from ensemble.store.address import Address
from ensemble.store.keeping.browse import stats
from ensemble.store.keeping.connect import reading

_COUNTS = ("requests", "answered", "failed", "cancelled", "fallbacks", "overturned")
_DAYS = 14
"""Days that are printed; JSON has all of them."""


@click.command(epilog="Example: ensemble log stats --since 7d")
@_options.config
@_options.log
@click.option("--since", callback=moment, help="Whole UTC days from then on, such as 7d or 2026-11-23.")
@_options.as_json
def command(config: Path, *, db: Address | None, since: datetime | None, as_json: bool) -> None:
    """Print the log in figures: requests by router and day, calls by member, bytes."""
    path = log_file(config, db)
    with reading(path) as log:
        found = cast("dict[str, Any]", stats(log, path, since.date().isoformat() if since else ""))
    if as_json:
        put_json(found)
        return
    file = found["file"]
    put(screen(), f"{file['path']}  schema {file['schema']}  {(file['bytes'] + file['wal_bytes']) / 1e6:,.1f} MB\n")
    for name, kind in (("routers", "router"), ("days", "day")):
        rows = [{"router": "all", **found["total"]}, *found[name]] if kind == "router" else found[name][-_DAYS:]
        put_table(
            (kind, *_COUNTS, "mean s"),
            [
                (
                    one[kind],
                    *(f"{one[count] or 0:,}" for count in _COUNTS),
                    "-" if one["mean_s"] is None else f"{one['mean_s']:.2f}",
                )
                for one in rows
            ],
        )
        put(screen())
    put_table(
        ("member", "calls", "failures", "cost"),
        [(one["member"], f"{one['calls']:,}", f"{one['failures']:,}", cost(one)) for one in found["members"]],
    )
