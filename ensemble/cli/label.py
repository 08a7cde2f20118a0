"""Have every member of a panel answer every prompt and a judge judge it, resumably."""

import asyncio
from pathlib import Path
from typing import Literal

import click

from ensemble.cli import _label, _options
from ensemble.cli._interrupt import undelayed
from ensemble.config import load
from ensemble.labelling.opening import Prompts, run_name
from ensemble.labelling.rows import FIELDS
from ensemble.labelling.runner import Options
from ensemble.labelling.sources import Format

CONCURRENCY = {"online": 32, "batch": 10_000}
"""Prompts at once; those of a wave wait for one another, so there are more of them."""


def _columns(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(each.partition("=")[::2] for each in given)
    if wrong := [name for name, column in pairs.items() if name not in FIELDS or not column]:
        raise click.BadParameter(f"{wrong[0]!r}: give FIELD=COLUMN with a field of {', '.join(FIELDS)}")
    return pairs


@click.command(epilog="Example: ensemble label prompts.jsonl --router best")
@click.argument("prompts", required=False)
@_options.config
@click.option("--router", help="Whose panel answers and whose judge judges.")
@click.option("--judge", help="Judge to ask in the place of the router's.")
@click.option("--member", "members", multiple=True, help="Call this member beside the panel, and nobody else.")
@click.option("--name", help="Of the run and its data set; the same name goes on.  [default: the file's name]")
@click.option("--from-log", is_flag=True, help="Fill prompts that are in the log, in the place of a file.")
@click.option("--where", default="1", help="Which of them: an SQL condition on the columns of requests.")
@click.option(
    "--max-cost", "cap", metavar="USD", callback=_options.nano, help="Most that the run may cost, restarts included."
)
@click.option(
    "--dry-run", is_flag=True, help="Read all prompts; tell what is there, who is to be called, and the cost."
)
@click.option(
    "--estimate", type=click.IntRange(1), is_flag=False, flag_value=1000, help="The same from a sample of so many."
)
@click.option("--via", type=click.Choice(["online", "batch"]), default="online", help="Batch: cheaper, within a day.")
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", help="Ray: many labellers, on a cluster."
)
@click.option("--labellers", type=click.IntRange(1, 10_000), default=2, show_default=True, help="With --engine ray.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="With --engine ray: shards of labels.")
@click.option("--cancel", is_flag=True, help="Cancel the run's batches that are at work; take in what they have done.")
@click.option("--concurrency", type=click.IntRange(1, 100_000), help="Prompts at once.  [default: 32; batch: 10000]")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv", "parquet"]), help="Where no file name tells it.")
@click.option("--split", help="Split of a data-set folder.")
@click.option("--subset", help="Subset of a data-set folder.")
@click.option("--column", "columns", multiple=True, metavar="FIELD=COLUMN", callback=_columns, help="Other names.")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where bad rows go.")
@_options.as_json
def command(
    prompts: str | None,
    config: Path,
    *,
    router: str | None,
    judge: str | None,
    members: tuple[str, ...],
    name: str | None,
    from_log: bool,
    where: str,
    cap: int | None,
    dry_run: bool,
    estimate: int | None,
    via: Literal["online", "batch"],
    engine: Literal["local", "ray"],
    labellers: int,
    out: Path | None,
    cancel: bool,
    concurrency: int | None,
    kind: Format | None,
    split: str | None,
    subset: str | None,
    columns: dict[str, str],
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Label PROMPTS, a file or folder of prompts (- reads JSON lines from standard input), into the log.

    Rows hold a prompt or messages, and may hold id, reference, schema, domain, conversation, metadata, tools, options.
    Run it again to go on: what is stored is never paid again, and a call that failed is made again.
    """
    if (prompts is None) != from_log:
        raise click.UsageError("name a file of prompts, or take those of the log with --from-log")
    if router is None and not from_log:
        raise click.UsageError("--router says whose panel is to answer")
    if from_log and (dry_run or estimate):
        raise click.UsageError("--dry-run and --estimate look at a file of prompts")
    if cancel and via != "batch":
        raise click.UsageError("--cancel is about batches: give --via batch too")
    if dry_run and estimate:
        raise click.UsageError("--dry-run reads all prompts, --estimate a sample: give one of them")
    if engine == "ray" and (from_log or prompts == "-"):
        raise click.UsageError("--engine ray labels a file or folder that every machine can read")
    if out is not None and engine != "ray":
        raise click.UsageError("--out is where --engine ray writes labels; take `ensemble export` of the log here")
    settings = undelayed(load(config, secrets=not (dry_run or estimate)))  # what was paid is stored by then
    run = name or ("from-log" if from_log else run_name(prompts or "-"))
    options = Options(
        run=run,
        router=router,
        judge=judge,
        members=members,
        concurrency=concurrency or CONCURRENCY[via],
        max_nano_usd=cap,
        via=via,
        cancel=cancel,
        classifier=settings.labelling.domain,
    )
    source = Prompts(name=prompts, kind=kind, split=split, subset=subset, columns=columns) if prompts else None
    shards = _label.Shards(labellers=labellers, out=out or Path(f"labels-{run}")) if engine == "ray" else None
    given = _label.Given(prompts=source, where=where, rejects=rejects, as_json=as_json, settle=cancel, shards=shards)
    if dry_run or estimate:
        asyncio.run(_label.forecast(settings, options, given, estimate))
    else:
        raise SystemExit(asyncio.run(_label.label(settings, options, given)))
