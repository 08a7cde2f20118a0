"""Write the log as a data set: routing labels, preferences, comparisons, conversations, verdicts or the ledger."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from ensemble.cli import _options
from ensemble.cli._export import biases_of, kind_of, moment, redactor_of, settings_of, training_use
from ensemble.cli._safe import safe
from ensemble.errors import StoreError
from ensemble.plurals import counted
from ensemble.store.address import address_of
from ensemble.store.export import (
    FORMATS,
    KINDS,
    Filters,
    Shape,
    Spec,
    export_file,
    export_folder,
    export_stream,
    splits_of,
)
from ensemble.store.export.names import unheard_of
from ensemble.store.keeping.connect import reading

LABELS_ONLY = ("judge", "min_confidence", "usable_only", "dedupe", "split")
PAIRED = {"preferences": "best", "pairwise": "all"}
"""Formats of pairs, and which pairs they have by default."""


@click.command(epilog="Example: ensemble export --format routing --out routing.jsonl")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), required=True, help="What a row is.")
@click.option("--out", type=click.Path(path_type=Path), help="A file (.jsonl, .csv, .parquet), else a folder.")
@click.option("--as", "kind", type=click.Choice(KINDS), help="File format.  [default: by --out, else jsonl]")
@_options.config
@_options.db
@click.option("--judge", metavar="NAME", help="Findings of this judge, by name or digest; later ones count too.")
@click.option("--router", metavar="NAME", help="Requests to this router.")
@click.option("--dataset", metavar="NAME", help="Prompts of this data set.")
@click.option(
    "--since",
    type=click.DateTime(),
    metavar="TIME",
    help="Requests that arrived then or later, UTC: 2026-11-23[T14:00:00].",
)
@click.option("--until", type=click.DateTime(), metavar="TIME", help="Requests that arrived before then, UTC.")
@click.option("--domain", metavar="NAME", help="Requests on this subject.")
@click.option("--min-confidence", type=click.FloatRange(0, 1), help="Findings at least as confident.")
@click.option("--usable-only", is_flag=True, help="Only what a router may learn from.")
@click.option("--people", type=click.Choice(["ignore", "first"]), default="ignore", show_default=True,
              help="Whether people outrank judges.")  # fmt: skip
@click.option("--dedupe", is_flag=True, help="One request per prompt, the newest.")
@click.option("--split", metavar="NAME=SHARE,...", help="Splits of a folder, such as train=0.8,test=0.2.")
@click.option("--pairs", type=click.Choice(["one", "best", "all"]),
              help="The best against the worst, the best against each, or all.")  # fmt: skip
@click.option(
    "--min-margin", type=click.FloatRange(0, 1), default=0.0, help="Least difference of the scores of a pair."
)
@click.option("--shard-rows", type=click.IntRange(1), help="Most rows of a file of a folder.")
@click.option("--license", "license_", metavar="ID", help="For the data card, such as cc-by-4.0; a folder needs one.")
@click.option("--redact", metavar="KINDS", help="Take out all, or some of key,email,iban,card,phone.")
@click.option("--redact-pattern", "patterns", metavar="NAME=RE2", multiple=True, help="Take this out too.")
@click.option("--redact-region", "regions", metavar="CC", multiple=True, help="Whose phone numbers.  [default: US]")
@click.option("--withhold", metavar="MEMBER", multiple=True, help="Leave out the texts of this member.")
@click.option("--all-texts", is_flag=True, help="Take texts of members that the configuration does not know.")
@click.option("--force", is_flag=True, help="Replace an earlier export.")
def command(**given: Any) -> None:
    """Export the log; nothing is called and nothing in it is changed.

    Rows go to standard output, to one file with FILE.manifest.json beside it, or to a folder of shards with a manifest
    and a data card that Hugging Face and `datasets` read. The same command on the same log gives the same bytes.
    Texts of providers with training_use = false stay; their scores go.
    """
    _check(given)
    settings = settings_of(given["config"], given["db"])
    log = given["db"] or (settings.store.address if settings else given["config"])
    out: Path | None = given["out"]
    kind, is_folder = kind_of(out, given["kind"])
    for name in ("split", "shard_rows"):
        if given[name] and not is_folder:
            raise click.UsageError(f"--{name.replace('_', '-')} needs a folder; give --out a name without suffix")
    spec = Spec(
        format=FORMATS[given["form"]],
        kind=kind,
        filters=_filters(given),
        shape=Shape(pairs=given["pairs"] or PAIRED.get(given["form"]), min_margin=given["min_margin"]),  # type: ignore[arg-type]
        training_use=training_use(settings),
        withhold=frozenset(given["withhold"]),
        all_texts=given["all_texts"],
        redactor=redactor_of(given["redact"], given["patterns"], given["regions"]),
        shard_rows=given["shard_rows"],
        license=given["license_"],
    )
    if out is None:
        tree = export_stream(log, spec, _stdout(spec.kind))
    elif is_folder:
        biases = biases_of(log, settings, given["judge"]) if spec.format.made_of != "all" else []
        tree = export_folder(log, spec, out, force=given["force"], biases=biases)
    else:
        tree = export_file(log, spec, out, force=given["force"])
    _tell(tree, out)
    if not tree["rows"]:
        with reading(address_of(log)) as db:
            for told in unheard_of(db, spec.filters):
                click.echo(safe(told), err=True)


def _check(given: dict[str, Any]) -> None:
    form = given["form"]
    if FORMATS[form].made_of == "all":
        for name in (*LABELS_ONLY, *(["people"] if given["people"] == "first" else [])):
            if given[name]:
                raise click.UsageError(f"--{name.replace('_', '-')} chooses among findings, and {form} has none")
    if FORMATS[form].made_of == "verdicts" and given["people"] == "first":
        raise click.UsageError(f"--people first chooses among findings, and {form} has all of a judge's")
    if form not in PAIRED and (given["pairs"] or given["min_margin"]):
        raise click.UsageError(f"--pairs and --min-margin are for {' and '.join(PAIRED)}")


def _filters(given: dict[str, Any]) -> Filters:
    try:
        splits = splits_of(given["split"]) if given["split"] else {}
    except StoreError as error:
        raise click.UsageError(str(error)) from error
    return Filters(
        judge=given["judge"],
        router=given["router"],
        dataset=given["dataset"],
        since=moment(given["since"]),
        until=moment(given["until"]),
        domain=given["domain"],
        min_confidence=given["min_confidence"],
        usable_only=given["usable_only"],
        people=given["people"],
        dedupe=given["dedupe"],
        splits=splits,
    )


def _stdout(kind: str) -> Any:
    if kind == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is no text for a terminal; name a file with --out")
    return sys.stdout.buffer


def _tell(tree: dict[str, Any], out: Path | None) -> None:
    where = f" to {out}" if out else ""
    left = ", ".join(f"{count} {reason}" for reason, count in tree["coverage"]["left_out"].items())
    click.echo(safe(f"{counted(tree['rows'], 'row')} of {counted(tree['requests'], 'request')}{where}."), err=True)
    if left:
        click.echo(f"Left out: {left}.", err=True)
    if tree["withheld"]:
        click.echo(safe(f"Texts withheld: {json.dumps(tree['withheld'])}."), err=True)
