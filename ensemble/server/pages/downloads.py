"""Figures of a page, and every table of them as a file."""

import io
import json
from collections.abc import Iterator, Mapping

from aiohttp import web

from ensemble.audit.shapes import Table
from ensemble.errors import NotFound
from ensemble.server.pages.frame import read, reply, window_of
from ensemble.server.pages.registry import Answers, Figures, Page
from ensemble.store.export.fields import Field
from ensemble.store.export.writers import Csv, Sink

MOST_ROWS = 10_000
"""Most rows of a file; one that leaves some out says so in its name."""


def routes_of(page: Page) -> Iterator[web.RouteDef]:
    """The routes of a page of figures: itself, and each of its tables as CSV and JSON."""
    if (answers := _answers(page)) is None:
        return

    async def whole(request: web.Request) -> web.Response:
        """The page."""
        found = await answers(request)
        return await reply(request, page.template, {"figures": found, **found})

    async def one(request: web.Request) -> web.Response:
        """One of its tables, whole."""
        whole = await page.whole(request) if page.whole else {}
        return await table_of(request, {**await answers(request), **whole})

    yield web.get(f"/{page.name}", whole)
    yield web.get(f"/{page.name}/{{table}}.{{kind:csv|json}}", one)


def _answers(page: Page) -> Answers | None:
    figures = page.figures
    if page.answers is not None or figures is None:
        return page.answers

    async def answers(request: web.Request) -> Mapping[str, object]:
        return await figures_for(request, figures)

    return answers


async def figures_for(request: web.Request, figures: Figures) -> Mapping[str, object]:
    """What ``figures`` finds for the request's window and query."""
    window, query = window_of(request), dict(request.query)
    return await read(request, lambda db: figures(db, window, query))


async def table_of(request: web.Request, figures: Mapping[str, object]) -> web.Response:
    """The table that the path names (``table`` and ``kind``), as a file.

    Raises:
        NotFound: there is no such table.
    """
    name, kind = request.match_info["table"], request.match_info["kind"]
    tables = {value.name: value for value in figures.values() if isinstance(value, Table)}
    if name not in tables:
        raise NotFound(f"there is no table {name!r} here; there are: {', '.join(tables) or 'none'}")
    table = tables[name]
    body = as_csv(table) if kind == "csv" else as_json(table)
    called = f"{name}-first-{len(table.rows)}" if table.more else name
    return web.Response(
        body=body,
        content_type="text/csv" if kind == "csv" else "application/json",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{called}.{kind}"'},
    )


def as_csv(table: Table) -> bytes:
    """The table as CSV, exactly: money in nano-USD, shares in [0, 1], empty for unknown; no cell is a formula."""
    body = io.BytesIO()
    csv = Csv(Sink(body), [Field(name=column.name) for column in table.columns])
    for row in table.rows:
        csv.write({column.name: row.get(column.name) for column in table.columns})
    return body.getvalue()


def as_json(table: Table) -> bytes:
    """The table as JSON."""
    return json.dumps(tree_of(table), indent=1).encode()


def tree_of(table: Table) -> dict[str, object]:
    """The table as a tree: what it says of itself, its columns, and its rows as objects; None is unknown.

    ``more`` tells that these are the first rows, and that there are others; ``of`` how many there are, if known.
    """
    return {
        "name": table.name,
        "title": table.title,
        "note": table.note,
        "more": table.more,
        "of": table.of,
        "columns": [{"name": one.name, "title": one.title, "kind": one.kind} for one in table.columns],
        "rows": [{column.name: row.get(column.name) for column in table.columns} for row in table.rows],
    }
