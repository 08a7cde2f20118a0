"""``ensemble log search``."""

from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import log_file, log_options, put_json, put_table
from ensemble.errors import StoreError
from ensemble.plurals import counted
from ensemble.store.address import Address
from ensemble.store.keeping.connect import reading, transaction, writing
from ensemble.store.keeping.search import behind, catch_up, search
from ensemble.store.keeping.searchable import SOURCES, Source

_BATCH = 2000
_BEFORE = 16


@click.command(epilog="Example: ensemble log search sky")
@click.argument("query")
@log_options
@click.option("-n", "--number", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@click.option("--in", "where", type=click.Choice(["prompts", "answers"]), help="Search these alone.")
@_options.as_json
def command(query: str, *, config: Path, db: Address | None, number: int, where: str | None, as_json: bool) -> None:
    """Search prompts and answers for QUERY, the newest first.

    QUERY is FTS5: words that all have to be there, "a phrase", OR, NOT, the beginning of a word with a star.
    """
    path = log_file(config, db)
    _update(path)
    sources: tuple[Source, ...] = {"prompts": SOURCES[:1], "answers": SOURCES[1:]}.get(where or "", SOURCES)
    with reading(path) as log:
        found = search(log, query, number, sources)
    if as_json:
        put_json({"query": query, "hits": found})
        return
    if not found:
        click.echo("Nothing found.", err=True)
        return
    rows = [(hit["id"], hit["model"], hit["member"] or "(prompt)", _around(str(hit["snippet"]))) for hit in found]
    put_table(("id", "model", "by", "text"), rows)


def _around(snippet: str) -> str:
    """``snippet`` from a little before the first word that was found: a cell of a table ends early."""
    text = " ".join(snippet.split())
    start = max(0, text.find("[") - _BEFORE)
    return f"...{text[start:]}" if start else text


def _update(path: Address) -> None:
    """Bring the indexes up to date; where the file cannot be written, say what is not searched."""
    with reading(path) as log:
        missing = behind(log)
    if not missing:
        return
    if missing > 20_000:
        click.echo(f"{missing:,} new texts go into the search index first; this is done once.", err=True)
    try:
        with writing(path) as log:
            while True:
                with transaction(log):
                    if not catch_up(log, _BATCH):
                        return
    except StoreError as error:
        click.echo(f"The newest {counted(missing, 'text is', 'texts are')} not searched: {error}", err=True)
