"""``ensemble feedback add``."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from ensemble.cli import _options
from ensemble.cli._log import log_of
from ensemble.cli._safe import safe
from ensemble.feedback import note, parse
from ensemble.store import open_store
from ensemble.store.address import Address
from ensemble.store.feedback import Noted, Statement


def _metrics(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, object]:
    out: dict[str, object] = {}
    for one in given:
        name, _, value = one.partition("=")
        try:
            out[name] = {"true": True, "false": False}[value] if value in ("true", "false") else float(value)
        except ValueError:
            raise click.BadParameter(f"{one!r}: give NAME=true, NAME=false or NAME=NUMBER") from None
    return out


@click.command(epilog="Example: ensemble feedback add REQUEST --preferred large --by ann")
@click.argument("request_id", metavar="REQUEST", required=False)
@_options.config
@_options.db
@click.option("--conversation", help="Say it of this conversation, in the place of a request.")
@click.option("--preferred", metavar="CANDIDATE", help="The best one, by its id or by its member.")
@click.option("--tie", is_flag=True, help="No candidate is better than another.")
@click.option("--all-bad", is_flag=True, help="No candidate is acceptable.")
@click.option("--cannot-tell", is_flag=True, help="You looked and could not tell.")
@click.option("--rating", type=float, help="In [0, 1].")
@click.option("--correction", help="The text that the answer should have been.")
@click.option("--candidate", help="Which one is rated or corrected.  [default: the served answer]")
@click.option("--comment", help="Why.")
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=VALUE", callback=_metrics, help="May be repeated.")
@click.option("--by", "given_by", help="Alias of who says it.  [default: anonymous]")
@click.option("--key", "idempotency_key", help="Said once, however often it is sent under this key.")
@_options.as_json
def command(config: Path, *, db: Address | None, as_json: bool, **said: Any) -> None:
    """Say something of the answer to REQUEST, or of a conversation. The id of what is stored is printed."""
    body = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value}
    if said["rating"] is not None:
        body["rating"] = said["rating"]
    statement = parse(body).statement("cli")
    noted = asyncio.run(_note(log_of(config, db), statement))
    if as_json:
        click.echo(json.dumps({"id": noted.id, "rows": noted.rows, "created": noted.created}))
        return
    click.echo(noted.id)
    if not noted.created:
        click.echo(f"It was stored before under the key {safe(statement.idempotency_key or '')!r}.", err=True)


async def _note(log: Address, statement: Statement) -> Noted:
    store = await open_store(log)
    try:
        return await note(store, statement)
    finally:
        await store.close()
