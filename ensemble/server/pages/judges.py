"""The page on judges: whether they can be trusted."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from ensemble.audit.judges import judge_tables
from ensemble.audit.shapes import Cell, Table, Window
from ensemble.config import Settings
from ensemble.judging.agreeing import PEOPLE
from ensemble.server.pages.frame import LOG
from ensemble.server.pages.keeping import Keeper, keep, kept_for
from ensemble.server.pages.registry import PAGES, Page, Wanted
from ensemble.store.database import Database

KEEPER = web.AppKey("judges", Keeper[Mapping[str, Table]])
Row = Mapping[str, Cell]


def prepare(pages: web.Application) -> None:
    """Keep the figures of the application's log, as long as it lives."""
    log = pages[LOG]

    async def find(window: Window, settings: Settings | None) -> Mapping[str, Table]:
        return await log.read(lambda db: _tables(db, window, settings))

    keep(pages, KEEPER, find)


async def answers(request: web.Request) -> Mapping[str, object]:
    """The figures, with the names that the configuration has for seats and families."""
    shown = await kept_for(request, KEEPER)
    return drawn(shown.found or {}) | {"at": shown.at, "under_way": shown.under_way}


def reported(db: Database, wanted: Wanted) -> Mapping[str, object]:
    """The same for a report."""
    return drawn(_tables(db, wanted.window, wanted.settings)) | {"at": None, "under_way": False}


def _tables(db: Database, window: Window, settings: Settings | None) -> Mapping[str, Table]:
    judges = settings.judges if settings else {}
    families = {name: member.family for name, member in settings.members.items()} if settings else {}
    return judge_tables(db, window, judges, families)


def drawn(tables: Mapping[str, Table]) -> dict[str, object]:
    """The tables by their names, as ``tables``, and what is drawn of them."""
    if not tables:
        return {"tables": {}}
    return {
        **tables,
        "tables": tables,
        "trusted": [_trusted(row) for row in tables["judges"].rows if row["accuracy_n"]],
        "matrix": _matrix(tables["agreement"].rows),
        "sure": [_sure(row) for row in tables["certainty"].rows],
    }


def _trusted(row: Row) -> Row:
    label = f"{row['judge']}, {row['seat']}" if row["seat"] else row["judge"]
    return {
        "label": label,
        "value": row["accuracy"],
        "low": row["accuracy_low"],
        "high": row["accuracy_high"],
        "note": f"n={row['accuracy_n']}",
    }


def _sure(row: Row) -> Row:
    return {"label": f"{row['judge']}, n={row['n']}", "x": row["stated"], "y": row["right"], "group": row["judge"]}


def _matrix(rows: Sequence[Row]) -> dict[str, object]:
    """Kappa of each two, people last."""
    kappa = {frozenset((row["one"], row["other"])): row["kappa"] for row in rows}
    names = sorted({str(row[side]) for row in rows for side in ("one", "other")}, key=lambda one: (one == PEOPLE, one))
    cells = [[None if one == other else kappa.get(frozenset((one, other))) for other in names] for one in names]
    return {"rows": names, "columns": names, "cells": cells}


PAGES.add(
    Page(
        name="judges",
        title="Judges",
        order=40,
        told="Whether the judges can be trusted: biases, agreement with people and each other, certainty, cost.",
        answers=answers,
        reported=reported,
        template="judges.html",
    )
)
