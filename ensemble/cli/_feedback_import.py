"""``ensemble feedback import``."""

import asyncio
import json
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log import log_of
from ensemble.errors import Conflict, InvalidRequest, NotFound
from ensemble.feedback import note, parse
from ensemble.labelling.rejects import Rejects, beside
from ensemble.labelling.rows import Reject, shown
from ensemble.labelling.sources import Raw, open_source
from ensemble.store import Store, open_store
from ensemble.store.address import Address

_NO_TEXT = frozenset({"tie", "all_bad", "cannot_tell", "rating", "tags", "metrics"})


@click.command(epilog="Example: ensemble feedback import feedback.jsonl")
@click.argument("file")
@_options.config
@_options.db
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where bad rows go.")
@_options.as_json
def command(file: str, config: Path, *, db: Address | None, rejects: Path | None, as_json: bool) -> None:
    """Take in FILE (- is standard input): one body of `POST /v1/ensemble/feedback` per line, or per row of CSV.

    Rows with an idempotency_key are stored once, however often the file is taken in.
    """
    log = log_of(config, db)
    bad = rejects or beside(log, "feedback" if file == "-" else Path(file).name)
    told = asyncio.run(_import(log, file, bad))
    if as_json:
        click.echo(json.dumps(dict(told) | {"rejects": str(bad) if told["rejected"] else None}, indent=2))
    else:
        click.echo(f"{told['stored']} stored, {told['known']} known before, {told['rejected']} rejected")
    if told["rejected"]:
        click.echo(f"{bad} has the rejected rows, with line and reason.", err=True)
        raise SystemExit(3)


async def _import(log: Address, file: str, bad: Path) -> Counter[str]:
    told = Counter(stored=0, known=0, rejected=0)
    store = await open_store(log)
    try:
        with Rejects(bad) as rejects, closing(open_source(file)) as rows:
            while (raw := await asyncio.to_thread(next, rows, None)) is not None:
                outcome = await _one(store, raw)
                if isinstance(outcome, Reject):
                    rejects.add(outcome)
                    told["rejected"] += 1
                else:
                    told["stored" if outcome else "known"] += 1
    finally:
        await store.close()
    return told


async def _one(store: Store, raw: Raw) -> bool | Reject:
    """Store one row; returns whether it is new."""
    if isinstance(raw, Reject):
        return raw
    position, tree = raw
    try:
        if not isinstance(tree, dict):
            raise InvalidRequest("the row is no object")
        return (await note(store, parse(_uncelled(tree)).statement("import"))).created
    except (InvalidRequest, NotFound, Conflict) as error:
        return Reject(position=position, reason=str(error), text=shown(tree))


def _uncelled(tree: dict[str, object]) -> dict[str, object]:
    """``tree`` without empty cells of a table; numbers, truth values and lists that came as text become so."""
    out: dict[str, object] = {}
    for name, value in tree.items():
        if value is None or value == "":
            continue
        out[name] = value
        if name in _NO_TEXT and isinstance(value, str):
            with suppress(ValueError):
                out[name] = json.loads(value.lower() if value in ("True", "False", "TRUE", "FALSE") else value)
    return out
