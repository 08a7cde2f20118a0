"""Judge stored candidates again: what changes under another judge, or whether a judge drifts."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from ensemble.bench import open_pipeline
from ensemble.cli import _options
from ensemble.cli._rejudge import checked_plain, outcome_plain, put_checked, put_outcome
from ensemble.config import Settings, load
from ensemble.labelling.checks import check
from ensemble.labelling.runner import Options as LabelOptions
from ensemble.pipeline import Pipeline
from ensemble.plurals import counted
from ensemble.rejudging.again import Options
from ensemble.rejudging.anchors import Checked, Checker, Frozen, freeze_set
from ensemble.rejudging.runner import Outcome, Rejudger
from ensemble.store import open_store


@click.command(epilog="Example: ensemble rejudge --judge house --where \"arrived_at >= '2026-11-01'\"")
@_options.config
@click.option("--judge", metavar="NAME", help="Who judges.")
@click.option("--where", default="1", help="Which requests: an SQL condition on the columns of requests.")
@click.option("--freeze", metavar="SET", help="Freeze the findings in force as the anchor set SET, and judge nothing.")
@click.option("--anchors", metavar="SET", help="Judge the cases of the anchor set SET, and compare.")
@click.option("--floor", type=click.FloatRange(0, 1), help="With --anchors: less agreement is drift, too.")
@click.option("--name", help="Of the run in the ledger.  [default: rejudge-JUDGE]")
@click.option("--max-cost", "cap", metavar="USD", callback=_options.nano, help="Most that it may cost.")
@click.option("--concurrency", type=click.IntRange(1, 10_000), default=32, show_default=True, help="Cases at once.")
@_options.as_json
def command(
    config: Path,
    *,
    judge: str | None,
    where: str,
    freeze: str | None,
    anchors: str | None,
    floor: float | None,
    name: str | None,
    cap: int | None,
    concurrency: int,
    as_json: bool,
) -> None:
    """Judge stored candidates again and print how many winners changed, between whom, at which confidence and cost.

    New findings stand beside the old ones, and labels do not take them; a verdict of this judge on the same candidates
    is not paid again. --freeze SET keeps findings (those of people first) as anchors; --anchors SET --judge NAME asks
    about them anew, and exits with status 3 on judge_drift: agreement surely below that of the first check, or --floor.
    """
    if freeze is not None:
        if judge or anchors:
            raise click.UsageError("--freeze judges nothing, so it takes neither --judge nor --anchors")
        frozen = asyncio.run(_freeze(load(config, secrets=False), freeze, where))
        _tell_frozen(frozen, freeze, as_json=as_json)
        return
    if judge is None:
        raise click.UsageError("--judge says who judges")
    settings = load(config)
    if anchors is not None:
        found = asyncio.run(_check(settings, judge, anchors, floor, cap, concurrency))
        _tell_checked(found, judge, anchors, as_json=as_json)
        return
    options = Options(
        judge=judge, run=name or f"rejudge-{judge}", where=where, concurrency=concurrency, max_nano_usd=cap
    )
    outcome = asyncio.run(_rejudge(settings, options))
    if as_json:
        click.echo(json.dumps(outcome_plain(outcome, options), indent=2))
    else:
        put_outcome(outcome, options)
    if outcome.stopped is not None:
        click.echo(f"Stopped: {outcome.stopped}; the same command goes on from there.", err=True)
        raise SystemExit(3)


async def _freeze(settings: Settings, anchor_set: str, where: str) -> Frozen:
    store = await open_store(settings.store.address)
    try:
        return await freeze_set(store, anchor_set, where)
    finally:
        await store.close()


@asynccontextmanager
async def _bench(settings: Settings, judge: str, cap: int | None) -> AsyncIterator[Pipeline]:
    """What judges, over the log, and nothing of a service beside it.

    Raises:
        ConfigError: there is no such judge, or the cap cannot hold it.
    """
    store = await open_store(settings.store.address, spill=settings.store.spill)
    try:
        async with open_pipeline(settings, store) as pipeline:
            check(pipeline, LabelOptions(run="rejudge", judge=judge, max_nano_usd=cap))
            yield pipeline
    finally:
        await store.close()


async def _check(
    settings: Settings, judge: str, anchor_set: str, floor: float | None, cap: int | None, concurrency: int
) -> Checked:
    async with _bench(settings, judge, cap) as pipeline:
        return await Checker(pipeline, judge, anchor_set, floor=floor, max_nano_usd=cap, concurrency=concurrency).run()


async def _rejudge(settings: Settings, options: Options) -> Outcome:
    async with _bench(settings, options.judge, options.max_nano_usd) as pipeline:
        return await Rejudger(pipeline, options).run()


def _tell_frozen(frozen: Frozen, anchor_set: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"set": anchor_set, "added": frozen.added, "looked_at": frozen.looked_at}))
    else:
        click.echo(f"{anchor_set}: {counted(frozen.added, 'case')} added, of {frozen.looked_at} looked at")


def _tell_checked(found: Checked, judge: str, anchor_set: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(checked_plain(found, judge, anchor_set), indent=2))
    else:
        put_checked(found, judge, anchor_set)
    if found.stopped is not None:
        click.echo(f"Stopped: {found.stopped}; a check that is not whole is not stored.", err=True)
        raise SystemExit(3)
    if found.check is None:
        raise click.ClickException(f"{judge} had its say on none of the cases; {found.failed} failed")
    if found.why is not None:
        click.echo(f"judge_drift: {judge} agrees with {anchor_set} {found.why}.", err=True)
        raise SystemExit(3)
