"""``ensemble log incident``."""

from datetime import datetime
from pathlib import Path
from typing import Any, cast

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import log_file, log_options, moment, put_json
from ensemble.cli._output import put, screen
from ensemble.cli._safe import brief, safe
from ensemble.plurals import counted
from ensemble.store.address import Address
from ensemble.store.content import stamp
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.incident import incident

_TITLES = {
    "failed_calls": "Failed calls, by kind and member",
    "refused_requests": "Requests without an answer, by error and model",
    "fallbacks": "Answers that no judge chose, by rule and model",
    "judge_failures": "Verdicts that decided nothing, by outcome and judge",
    "overturned": "Answers that a full verdict overturned, by judge",
}


@click.command(epilog="Example: ensemble log incident --since 1h")
@log_options
@click.option("--since", callback=moment, default="1h", show_default=True, help="Such as 1h, 7d, 2026-11-23T14:00.")
@_options.as_json
def command(config: Path, *, db: Address | None, since: datetime, as_json: bool) -> None:
    """Summarize what went wrong with requests since a moment: kinds, members, first and last time, example ids."""
    with reading(log_file(config, db)) as log:
        found = cast("dict[str, Any]", incident(log, stamp(since)))
    if as_json:
        put_json(found)
        return
    console = screen()
    late = f"{found['deadlines']:,} missed the deadline"
    put(console, f"Since {found['since']}: {counted(found['requests'], 'request')}, {late}")
    for name, title in _TITLES.items():
        if found[name]:
            put(console, (f"\n{title}", "bold"))
        for one in found[name]:
            put(console, f"{one['count']:,} x {safe(one['kind'])}  {safe(one['who'])}", indent=2)
            put(console, f"{one['first']} to {one['last']}; such as {', '.join(one['examples'])}", indent=4)
            if one["detail"]:
                put(console, brief(one["detail"]), indent=4)
