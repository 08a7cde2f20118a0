"""Show how watched routers stand, and promote one that was demoted."""

import asyncio
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._output import columns, screen
from ensemble.cli._safe import safe
from ensemble.config import Settings, load
from ensemble.store import Store, open_store
from ensemble.store.watched import Seen, Watched, note, seen_since
from ensemble.watching.standing import Report, Standing


@click.command(epilog="Example: ensemble watch --promote routed")
@_options.config
@click.option("--promote", metavar="ROUTER", help="Serve it again and begin anew, with its judge as it is now.")
@_options.as_json
def command(config: Path, *, promote: str | None, as_json: bool) -> None:
    """Show what is known of every router with a `shadow` table: its state, labels, the quality that it kept.

    --promote ends a demotion or judge_drift: labels and anchors are gathered anew. A running service takes it up within
    seconds.
    """
    settings = load(config, secrets=False)
    about = {
        name: Watched(router=name, digest=router.digest, judge=settings.judges[router.shadow.judge].digest)
        for name, router in settings.routers.items()
        if router.shadow is not None
    }
    if promote is not None and promote not in about:
        known = ", ".join(about) or "none"
        raise click.ClickException(f"{safe(promote)} is no router with a shadow table; watched are: {known}")
    found = asyncio.run(_look(settings, about, promote))
    if as_json:
        click.echo(json.dumps({name: asdict(report) for name, report in found.items()}, indent=2))
        return
    if not found:
        click.echo("No router is watched; add a table [routers.NAME.shadow].", err=True)
        return
    columns(screen(), [("router", "state", "since", "labels", "kept", "at most", "floor", "agreement"),
                       *(_row(name, report) for name, report in found.items())], {})  # fmt: skip
    for name, report in found.items():
        if report.why:
            click.echo(f"{safe(name)}: {safe(report.why)}", err=True)


async def _look(settings: Settings, about: dict[str, Watched], promote: str | None) -> dict[str, Report]:
    store = await open_store(settings.store.address)
    try:
        if promote is not None:
            await store.change(partial(note, about=about[promote], seen=Seen(event="promoted", why="by hand")))
        return {name: await _report(store, settings, one) for name, one in about.items()}
    finally:
        await store.close()


async def _report(store: Store, settings: Settings, about: Watched) -> Report:
    options = settings.routers[about.router].shadow
    assert options is not None  # noqa: S101 - only such routers are asked for
    standing = Standing(options)
    standing.take(await store.read(partial(seen_since, about=about, after=0)))
    return standing.report()


def _row(name: str, report: Report) -> tuple[str, ...]:
    figures = [report.kept, report.at_most if report.labels else None, report.floor, report.agreement]
    told = ("" if one is None else f"{one:.3f}" for one in figures)
    return (safe(name), report.state, report.since[:19], str(report.labels), *told)
