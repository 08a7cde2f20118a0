"""The page on routers: what each would have got on labels that it has not seen, and how those that serve hold."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from aiohttp import web
from anyio import to_process

from ensemble.audit.routers import Measured, labels, router_tables, without_routers
from ensemble.audit.shapes import Cell, Table, Window
from ensemble.audit.trained import trained_table
from ensemble.audit.watching import watch_tables
from ensemble.config import Settings
from ensemble.config.folders import readers
from ensemble.server.pages.frame import LOG, read, settings_of, window_of
from ensemble.server.pages.keeping import Keeper, keep, kept_for
from ensemble.server.pages.registry import PAGES, Page, Wanted
from ensemble.server.pages.reviewer import reader_of
from ensemble.store.database import Database
from ensemble.store.review_seats import sealed_of

KEEPER = web.AppKey("routers", Keeper[Measured])
SAME = frozenset({"cheapest", "best single"})
"""Baselines that are members under another name, whose mark would lie upon theirs."""
Row = Mapping[str, Cell]


def prepare(pages: web.Application) -> None:
    """Keep what is measured on the application's log, as long as it lives."""
    log = pages[LOG]

    async def find(window: Window, settings: Settings | None) -> Measured:
        if settings is None:
            return await log.read(lambda db: without_routers(db, window))
        held, sample = await log.read(lambda db: labels(db, window))
        from ensemble.server.pages._measuring import apart  # late: it takes numpy along

        # In a thread it would take the interpreter from the event loop for a tenth of a second at a time.
        return await to_process.run_sync(apart(settings), held, sample, cancellable=True)

    keep(pages, KEEPER, find)


async def answers(request: web.Request) -> Mapping[str, object]:
    """The routers of the configuration measured anew, and what the log and their folders tell of them."""
    shown = await kept_for(request, KEEPER)
    window, settings = window_of(request), settings_of(request)
    watched = await read(request, lambda db: watch_tables(db, window))
    trained = await asyncio.to_thread(trained_table, folders(settings) if settings else {})
    found = router_tables(shown.found) if shown.found else {}
    if found and (reader := reader_of(request)) is not None:
        found |= {"misroutes": await read(request, lambda db: _unsealed(db, found["misroutes"], reader))}
    return drawn(found, watched | {"trained": trained}) | {"at": shown.at, "under_way": shown.under_way}


def reported(db: Database, wanted: Wanted) -> Mapping[str, object]:
    """The same for a report."""
    settings = wanted.settings
    if settings is None:
        found = without_routers(db, wanted.window)
    else:
        from ensemble.server.pages._measuring import measured  # late, as above

        found = measured(*labels(db, wanted.window), settings)
    more = watch_tables(db, wanted.window) | {"trained": trained_table(folders(settings) if settings else {})}
    return drawn(router_tables(found), more) | {"at": None, "under_way": False}


def _unsealed(db: Database, table: Table, reader: str) -> Table:
    """``table`` without the cases that wait for a blind review, since it says who is best."""
    hidden = sealed_of(db, [str(row["request"]) for row in table.rows], reader)
    return replace(table, rows=[row for row in table.rows if row["request"] not in hidden])


def folders(settings: Settings) -> dict[str, Path]:
    """The folder that each router of the configuration reads, where it reads one."""
    return {name: folder for name, router in settings.routers.items() for folder, _ in readers(router)}


def drawn(found: Mapping[str, Table], more: Mapping[str, Table]) -> dict[str, object]:
    """The tables by their names, those that were measured as ``found`` too, and what is drawn of them."""
    shadow = [{"label": name, "points": points} for name, points in _series(more["shadow"].rows, "day", "kept")]
    values: dict[str, object] = {**found, **more, "found": found, "shadows": shadow}
    if not found:
        return values
    curves = _series(found["curves"].rows, "labels", "quality")
    return values | {
        "ratios": [_ratio(row) for row in found["measured"].rows if row["kind"] != "baseline"],
        "marks": [_mark(row) for row in found["frontier"].rows if row["kind"] != "frontier" and _apart(row)],
        "paths": list(_paths(found["frontier"].rows)),
        "predicted": [_predicted(row) for row in found["calibration"].rows],
        "learning": [{"label": name, "points": points} for name, points in curves],
    }


def _apart(row: Row) -> bool:
    return row["router"] not in SAME or row["kind"] != "baseline"


def _ratio(row: Row) -> Row:
    return {
        "label": f"always {row['router']}" if row["kind"] == "member" else row["router"],
        "value": row["ratio"],
        "low": row["ratio_low"],
        "high": row["ratio_high"],
    }


def _mark(row: Row) -> dict[str, object]:
    return {"label": row["router"], "x": _thousand(row["nano_usd"]), "y": row["quality"], "group": row["kind"]}


def _thousand(nano_usd: Cell) -> int | None:
    """Of so many requests, since one costs too little to read."""
    return 1000 * nano_usd if isinstance(nano_usd, int) else None


def _paths(rows: Iterable[Row]) -> Iterable[dict[str, object]]:
    fronts = [row for row in rows if row["kind"] == "frontier"]
    for name, points in groupby(fronts, key=lambda row: row["router"]):
        yield {
            "label": f"frontier of {name}",
            "points": [(_thousand(row["nano_usd"]), row["quality"]) for row in points],
        }


def _predicted(row: Row) -> dict[str, object]:
    return {"label": f"{row['router']}, n={row['n']}", "x": row["stated"], "y": row["right"], "group": row["router"]}


def _series(rows: Iterable[Row], step: str, value: str) -> list[tuple[str, list[tuple[Cell, Cell]]]]:
    """By router, its values in the order of the rows."""
    found: dict[str, list[tuple[Cell, Cell]]] = {}
    for row in rows:
        found.setdefault(str(row["router"]), []).append((row[step], row[value]))
    return list(found.items())


PAGES.add(
    Page(
        name="routers",
        title="Routers",
        order=50,
        told="What each router would have got on labels that it has not seen, beside every member; how it holds.",
        answers=answers,
        reported=reported,
        template="routers.html",
    )
)
