"""``ensemble log prune``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import length, log_file, log_options, put_json
from ensemble.cli._output import put, screen
from ensemble.plurals import counted
from ensemble.store.address import Address
from ensemble.store.keeping.connect import transaction, writing
from ensemble.store.keeping.engines import tidy
from ensemble.store.keeping.erase import prune
from ensemble.store.keeping.search import optimize


@click.command(epilog="Example: ensemble log prune --older-than 90d")
@log_options
@click.option("--older-than", "age", required=True, callback=length, help="Such as 90d or 36h.")
@click.option("--vacuum", is_flag=True, help="Then rebuild the file, so that it shrinks.")
@_options.as_json
def command(config: Path, *, db: Address | None, age: timedelta, vacuum: bool, as_json: bool) -> None:
    """Take the texts out of requests that arrived longer ago; numbers, verdicts and costs stay.

    `keep_content = "90d"` in the [store] table has the service do so by itself, every day.
    """
    path = log_file(config, db)
    with writing(path) as log:
        count = prune(log, datetime.now(UTC) - age)
        with transaction(log):
            optimize(log)
        if vacuum:
            tidy(log, path)
    if as_json:
        put_json({"log": str(path), "requests": count})
        return
    put(screen(), f"{counted(count, 'request lost its texts', 'requests lost their texts')}")
