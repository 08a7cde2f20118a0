"""``ensemble audit report``."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path

import click

from ensemble.audit.shapes import Window
from ensemble.cli import _options
from ensemble.cli._audit_shared import settings_beside
from ensemble.cli._log import log_of
from ensemble.cli._log_shared import moment
from ensemble.store.address import Address
from ensemble.store.reading import open_log


@click.command(epilog="Example: ensemble audit report ensemble.db --html --out report.html")
@_options.config
@_options.log
@click.option("--html/--json", "html", default=True, show_default=True, help="For people, or for programs.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.  [default: print it]")
@click.option("--since", callback=moment, help="Whole UTC days from then on, such as 7d or 2026-11-23.")
@click.option("--until", callback=moment, help="Whole UTC days up to then.")
@click.option(
    "--cases", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="Most rows of a list of cases."
)
@click.option("--router", help="Requests to this router alone.")
def command(
    config: Path,
    *,
    db: Address | None,
    html: bool,
    out: Path | None,
    since: datetime | None,
    until: datetime | None,
    cases: int,
    router: str | None,
) -> None:
    """Write the figures of all audit pages on the log as one file, which loads nothing and holds no script.

    The log is FILE, or else that of the configuration.
    """
    from ensemble.server.pages import report  # templates and statistics take a second to load
    from ensemble.server.pages.registry import Wanted

    file = log_of(config, db)
    days = ["" if one is None else one.date().isoformat() for one in (since, until)]
    window = Window(since=days[0], until=days[1], router=router)
    wanted = Wanted(window=window, settings=settings_beside(config), cases=cases)

    async def figures() -> report.Told:
        async with open_log(file) as log:
            return await log.read(lambda db: report.figures(db, wanted))

    told = asyncio.run(figures())
    body = (
        report.as_html(told, window, about=file.name).encode(errors="replace")
        if html
        else report.as_json(told, window, about=file.name)
    )
    if out is None:
        sys.stdout.buffer.write(body + b"\n")
        return
    out.write_bytes(body)
    click.echo(f"The report is in {out}", err=True)
