"""Learn a router, or a scorer for a cascade, from labels, and write its folder."""

import asyncio
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ensemble.cli import _options
from ensemble.cli._log import log_of
from ensemble.cli._output import columns, put, screen
from ensemble.cli._safe import safe
from ensemble.config import read
from ensemble.plurals import counted
from ensemble.store.address import Address

if TYPE_CHECKING:
    from ensemble.training.held import Held
    from ensemble.training.semantic import Scheme

KINDS = ("stack", "linear", "boosting", "knn", "semantic", "scorer")


@click.command(epilog="Example: ensemble train --out router")
@_options.config
@click.option(
    "--data",
    type=_options.LOG,
    help="A log, or labels: a file, the folder of an export, or 'shards/*.parquet'.  [default: the configured log]",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to write.")
@click.option("--kind", type=click.Choice(KINDS), default="stack", show_default=True, help="What to learn.")
@click.option(
    "--member", "members", multiple=True, metavar="NAME", help="Choose among these alone; labels of others still teach."
)
@click.option(
    "--router", metavar="NAME", help="With --kind semantic: take the domains and vectors of this configured router."
)
@click.option(
    "--sample", type=click.IntRange(100), metavar="N", help="Learn from at most N labels: a sample of conversations."
)
@click.option("--memory", callback=_options.size, metavar="SIZE", help="The same, as many as 500MB or 2GB can hold.")
@click.option("--test", type=click.FloatRange(0.05, 0.5), default=0.2, show_default=True, help="Share to measure on.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the folds and trees.")
@_options.as_json
def command(
    config: Path,
    *,
    data: Address | None,
    out: Path,
    kind: str,
    members: tuple[str, ...],
    router: str | None,
    sample: int | None,
    memory: int | None,
    test: float,
    seed: int,
    as_json: bool,
) -> None:
    """Learn from labels which member answers which request well, and write a folder for `[routers.X] use = "learned"`.

    The last fifth of the requests by time, whole conversations, is held back and measured on; where times are unknown,
    a fifth by conversation. The same labels, options and seed give the same model. With --kind scorer it learns to read
    answers, for a cascade: --member CHEAP --member DEAR, or several cheap ones that a tier asks at once. With --kind
    semantic it learns how near is near enough to a domain, and who is worth asking there, for `use = "semantic"`.
    With --sample or --memory labels are read as a stream, and whole conversations are drawn by hash.
    """
    from dataclasses import replace

    from ensemble.training.held import hold
    from ensemble.training.reading import examples_of, models_of
    from ensemble.training.sampling import LEAST_MEMORY, MEGABYTE, Room, draw
    from ensemble.training.train import CannotLearn, Order, train
    from judges.errors import InvalidOptions

    if memory is not None and memory < LEAST_MEMORY:
        raise click.UsageError(f"--memory: {LEAST_MEMORY // MEGABYTE}MB is the least, most of it for the libraries")
    source = data or log_of(config, None)
    digests = _digests(config)
    room = Room(rows=sample, memory=memory, answers=kind == "scorer")
    drawn = draw(examples_of(source, complete=False), room, seed=seed)
    held = hold(drawn.examples, digests=digests).seen_by(kind)
    notes = {"router": router} if kind == "semantic" else {}
    told = (
        ["ensemble", "train", *sys.argv[2:]] if sys.argv[1:2] == ["train"] else ["ensemble", "train", "--out", str(out)]
    )
    order = Order(
        out=out, kind=kind, members=members, digests=digests, models=models_of(source), source=str(source),
        command=shlex.join(told), seed=seed, test=test, notes=notes, read=drawn.told(),
    )  # fmt: skip
    try:
        if router is not None:
            scheme, held = _scheme(config, router, held)
            order = replace(order, scheme=scheme)
        done = train(held.table, order)
    except (CannotLearn, InvalidOptions) as error:
        hint = f"; this is of {drawn.sentence}, and more room holds more" if drawn.partial else ""
        raise click.ClickException(safe(f"{error}{hint}")) from error
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror or error}") from error
    figures = {name: [one.point, one.low, one.high] for name, one in done.metrics.items()}
    if as_json:
        found = {"out": str(out), "learned": done.learned, "measured": done.measured, "metrics": figures}
        click.echo(json.dumps(found | {"read": drawn.told()}))
    else:
        console = screen()
        put(console, ("Measured on requests that were held back", "bold"), f", by {done.split}: {done.measured}")
        if figures:
            columns(console, [(name, f"{a:.3f} [{b:.3f}, {c:.3f}]") for name, (a, b, c) in figures.items()], {})
        else:
            put(console, "No figure, since none of them knows the quality of every member.", indent=2)
    of = f", of {drawn.sentence}" if drawn.partial else ""
    click.echo(f"{out} is written, learned from {counted(done.learned, 'request')}{of}.", err=True)


def _scheme(config: Path, name: str, held: "Held") -> "tuple[Scheme, Held]":
    """How the semantic router ``name`` sees requests, and the labels that it can see."""
    from ensemble.config import load
    from ensemble.embedding import embedded
    from ensemble.routers.semantic import Semantic
    from ensemble.training.semantic import scheme_of

    settings = load(config)
    found = settings.routers.get(name)
    if not isinstance(found, Semantic) or not found.domains:
        raise click.UsageError(f'--router: there is no [routers.{name}] with use = "semantic" and domains in {config}')
    if found.embedder is None:
        return scheme_of(found), held
    scheme, kept, cost = asyncio.run(embedded(settings, found, held))
    click.echo(f"Asking {found.embedder} for vectors cost {cost}, which is not in the log.", err=True)
    if lost := len(held) - len(kept):
        click.echo(
            f"{counted(lost, 'request is', 'requests are')} left out, which the data class bars from {found.embedder}.",
            err=True,
        )
    return scheme, kept


def _digests(config: Path) -> dict[str, str | None]:
    """Digest by member, where there is a configuration that can be read."""
    from ensemble.fleet import digest_of

    settings = read(config).settings if config.exists() else None
    return {str(name): digest_of(one) for name, one in settings.members.items()} if settings else {}
