"""The page on disagreement: cases ranked by it, with every filter in the address, and a matrix of the members."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from aiohttp import web

from ensemble.audit.disagreement import PAGE, Ranked, agreeing, matrix, ranked
from ensemble.audit.shapes import Table, Window
from ensemble.errors import InvalidRequest, StoreError, StoreUnavailable
from ensemble.feedback import accepted
from ensemble.money import NANO
from ensemble.plurals import counted
from ensemble.server.auth import CALLER
from ensemble.server.auth import PAGES as ROOT
from ensemble.server.pages.downloads import MOST_ROWS, figures_for
from ensemble.server.pages.frame import href
from ensemble.server.pages.registry import PAGES, Page, Wanted
from ensemble.server.pages.reviewer import reader_of, remember, reviewer_of, told
from ensemble.server.pages.reviews import writer
from ensemble.store.audit.disagreement import (
    MARKS,
    OUTCOMES,
    After,
    Filters,
    Number,
    Outcome,
    count,
    domains,
    unindexed,
)
from ensemble.store.database import Database
from ensemble.store.review_seats import sealed_of
from ensemble.store.reviews import flag

routes = web.RouteTableDef()
HERE = "/disagreement"
RANGES: Mapping[Number, tuple[str, float]] = {
    "index": ("Index", 1.0),
    "confidence": ("Confidence", 1.0),
    "margin": ("Margin", 1.0),
    "nano_usd": ("Cost, $", NANO),
    "seconds": ("Seconds", 1.0),
}
"""Filters with a least and a most: heading, and how many of the log's units are one of the page's."""
TITLES: Mapping[Outcome, str] = {
    "differ": "disagree", "agree": "agree", "a": "first better", "b": "second better", "tie": "neither better",
}  # fmt: skip
IN_FILES = frozenset({"members", "spread", "similarity", "margin", "flips", "conflicts", "answered_s"})
"""Columns that only the files have, since a page is not that wide."""
SEALED = frozenset({"best", "served", "confidence", "margin", "flips", "conflicts", "marks"})
"""Columns that say what was found of a case, and nothing as long as it waits for a blind review."""


async def answers(request: web.Request) -> Mapping[str, object]:
    """The figures, who asks, and what the form came to."""
    flagged = request.query.get("done", "").removeprefix("flagged-")
    done = f"{counted(int(flagged), 'case was', 'cases were')} sent to the review queue." if flagged.isdecimal() else ""
    found = await figures_for(request, partial(figures, reader=reader_of(request)))
    return {**found, "by": reviewer_of(request), "done": done}


@routes.post(HERE + "/flag")
async def send(request: web.Request) -> web.Response:
    """Send the cases that are shown to the review queue."""
    store, by = writer(request), await told(request)
    found = await figures_for(request, partial(figures, reader=reader_of(request)))
    table, now = found["cases"], datetime.now(UTC)
    ids = [str(row["request"]) for row in table.rows] if isinstance(table, Table) else []
    try:
        for id_ in ids:
            accepted(await store.change(partial(flag, id_=id_, by=by, now=now)))
    except StoreError as error:
        raise StoreUnavailable(str(error)) from error
    there = href(f"{ROOT}{HERE}", {**request.query, "done": f"flagged-{len(ids)}"})
    response = web.Response(status=303, headers={"Location": there})
    if request[CALLER].key is None:
        remember(response, by)
    return response


async def whole(request: web.Request) -> Mapping[str, object]:
    """Every case that the filters let through, for a file. Raises as ``figures`` does."""
    reader = reader_of(request)

    def ask(db: Database, window: Window, query: Mapping[str, str]) -> Mapping[str, object]:
        return {"cases": _ranked(db, replace(filters_of(window, query), reader=reader), None, MOST_ROWS).table}

    return await figures_for(request, ask)


def reported(db: Database, wanted: Wanted) -> Mapping[str, object]:
    """The same for a report, with the number of all cases."""
    found, of = figures(db, wanted.window, {}, limit=wanted.cases), count(db, Filters(window=wanted.window))
    tables = {name: replace(table, of=of) for name in ("cases", "shown") if isinstance(table := found[name], Table)}
    return {**found, **tables}


def figures(
    db: Database, window: Window, query: Mapping[str, str], *, limit: int | None = None, reader: str | None = None
) -> Mapping[str, object]:
    """What the page shows to ``reader``; None for what nobody decides on, of which nothing is sealed.

    Raises:
        InvalidRequest: a filter makes no sense.
    """
    filters = replace(filters_of(window, query), reader=reader)
    found = _ranked(db, filters, _after(query.get("after", "")), limit or PAGE)
    cases, pairs = _linked(found.table, query), agreeing(db, filters)
    names, cells = matrix(pairs)
    return {
        # Under one name: the whole of it, which comes second, is what can be downloaded.
        "shown": replace(cases, columns=[column for column in cases.columns if column.name not in IN_FILES]),
        "cases": cases,
        "following": None if found.after is None else f"{found.after.disagreement!r}~{found.after.id}",
        "pairs": pairs,
        "matrix": {"rows": names, "columns": names, "cells": cells, "hrefs": _cells(names, query)},
        "domains": domains(db, window),
        "behind": unindexed(db) if filters.text else 0,
        "ranges": RANGES,
        "marks": MARKS,
        "pair": filters.pair,
        "outcomes": TITLES,
        "filtered": any(query.get(name) for name in _KNOWN),
    }


def _ranked(db: Database, filters: Filters, after: After | None, limit: int) -> Ranked:
    """A page of cases, of which those that are sealed to the reader say nothing of what was found."""
    try:
        found = ranked(db, filters, after, limit)
    except StoreError as error:
        raise InvalidRequest(f"text: {error}", param="text") from error
    if filters.reader is None:
        return found
    hidden = sealed_of(db, [str(row["request"]) for row in found.table.rows], filters.reader)
    if not hidden:
        return found
    rows = [
        {name: None if name in SEALED and row["request"] in hidden else value for name, value in row.items()}
        for row in found.table.rows
    ]
    told = "What was found of cases that wait for a blind review is told once they are decided."
    return replace(found, table=replace(found.table, rows=rows, note=f"{found.table.note} {told}"))


def filters_of(window: Window, query: Mapping[str, str]) -> Filters:
    """The filters of an address.

    Raises:
        InvalidRequest: one of them makes no sense.
    """
    marks = tuple(mark for mark in MARKS if query.get(mark) == "1")
    between = {name: (_number(query, name, "from"), _number(query, name, "to")) for name in RANGES}
    members = tuple(dict.fromkeys(one.strip() for one in query.get("members", "").split(",") if one.strip()))
    if len(members) > 10:
        raise InvalidRequest("members: name ten at most", param="members")
    domain = query.get("domain") or None
    return Filters(
        window=window,
        members=members,
        pair=_pair(query),
        domain="" if domain == "-" else domain,
        judge=query.get("judge") or None,
        flag=query.get("flag") or None,
        marks=marks,
        between=between,
        text=query.get("text", "").strip(),
    )


_ENDS = tuple(f"{name}_{end}" for name in RANGES for end in ("from", "to"))
_KNOWN = ("members", "domain", "judge", "flag", "text", *MARKS, *_ENDS)
"""Filters of the form, all but those that every page has."""


def _pair(query: Mapping[str, str]) -> tuple[str, str, Outcome] | None:
    one, other, outcome = query.get("a", ""), query.get("b", ""), query.get("pair") or "differ"
    if not one and not other:
        return None
    found = next((each for each in OUTCOMES if each == outcome), None)
    if found is None:
        raise InvalidRequest(f"pair: must be one of {', '.join(OUTCOMES)}", param="pair")
    if not one or not other or one == other:
        raise InvalidRequest("b: name two members, in a and in b", param="b")
    if one > other:  # the log has each pair once, in alphabetical order
        swapped: Mapping[Outcome, Outcome] = {"a": "b", "b": "a"}
        one, other, found = other, one, swapped.get(found, found)
    return one, other, found


def _number(query: Mapping[str, str], name: Number, end: str) -> float | None:
    key = f"{name}_{end}"
    text = query.get(key, "").strip()
    if not text:
        return None
    try:
        value = float(text)
        if not abs(value) < 1e12:
            raise ValueError
    except ValueError:
        raise InvalidRequest(f"{key}: {text!r} is no number; write it as 0.5", param=key) from None
    return value * RANGES[name][1]


def _after(text: str) -> After | None:
    if not text:
        return None
    number, _, id_ = text.partition("~")
    try:
        return After(float(number), id_)
    except ValueError:
        raise InvalidRequest("after: begins no page of the ranking; start with the first", param="after") from None


def _linked(table: Table, query: Mapping[str, str]) -> Table:
    """The table with the address of each case, from which the next one can be found."""
    kept = {name: value for name, value in query.items() if name not in ("after", "done")}
    rows = [
        {**row, "href": href(f"{ROOT}/requests/{row['request']}", {**kept, "from": "disagreement"})}
        for row in table.rows
    ]
    return replace(table, rows=rows)


def _cells(names: list[str], query: Mapping[str, str]) -> list[list[str]]:
    """The address of the cases on which two members disagree, for each cell."""
    kept = {name: value for name, value in query.items() if name not in ("after", "done", "a", "b", "pair")}
    return [[href(f"{ROOT}{HERE}", {**kept, "a": one, "b": other}) for other in names] for one in names]


PAGES.add(
    Page(
        name="disagreement",
        title="Disagreement",
        order=20,
        told="Every judged request, those first on which the members differ most.",
        answers=answers,
        reported=reported,
        whole=whole,
        template="disagreement.html",
    )
)
