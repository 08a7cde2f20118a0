"""``ensemble log redact``."""

import shlex
from pathlib import Path
from typing import cast

import click
from pydantic import ValidationError

from ensemble.cli import _options
from ensemble.cli._log_shared import log_file, log_options, put_json, scope_options, spills_of
from ensemble.cli._output import put, screen
from ensemble.cli._safe import safe
from ensemble.plurals import counted
from ensemble.redaction import KINDS, Kind, Redactor
from ensemble.store.address import Address
from ensemble.store.keeping.connect import writing
from ensemble.store.keeping.erase import Scope
from ensemble.store.keeping.redact import redact


@click.command(epilog="Example: ensemble log redact --kind email --where 1 --yes")
@log_options
@scope_options
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="What goes.  [default: all of it]")
@click.option("--pattern", "patterns", multiple=True, metavar="NAME=REGEX", help="Your own, by the name in its place.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_options.as_json
def command(
    config: Path,
    *,
    db: Address | None,
    scope: Scope,
    kinds: tuple[str, ...],
    patterns: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Take personal data and secrets out of stored texts, for good; the rest of each text stays.

    What was spilled is taken into the log first. Files beside the log that hold more of it are named, not changed.
    """
    path = log_file(config, db)
    spills = spills_of(config, path)
    own = dict(each.partition("=")[::2] for each in patterns)
    try:
        redactor = Redactor(kinds=cast("tuple[Kind, ...]", kinds or KINDS), patterns=own)
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    if not yes:
        click.confirm(f"Redact {', '.join((*redactor.kinds, *own))} in {path} for good?", abort=True, err=True)
    with writing(path) as log:
        done = redact(log, path, scope, redactor, spills=spills)
    if as_json:
        put_json({"log": str(path)} | done._asdict() | {"redactor": redactor.digest})
        return
    put(screen(), f"{done.changed:,} of {counted(done.requests, 'request')} changed")
    if done.spilled:
        put(screen(), f"{counted(done.spilled, 'spilled record was', 'spilled records were')} taken into the log first")
    for file in done.left:
        click.echo(
            f"{safe(file)} is no part of the log, is not changed and MAY STILL HOLD what was to go: look into it, or "
            f"`rm -- {safe(shlex.quote(file))}`",
            err=True,
        )
