"""The page of the review queue: what waits for people, what they have decided, and what that says of the judges."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from aiohttp import web

from ensemble.audit.drawing import SETTLED, ReviewSettings, draw
from ensemble.audit.queue import TITLES, Asked, Listed, decided_list, waiting_list, why_counts
from ensemble.audit.reviewed import reviewed_tables
from ensemble.audit.shapes import Cell, Table, Window
from ensemble.config import Settings
from ensemble.errors import Forbidden, InvalidRequest, StoreError, StoreUnavailable
from ensemble.feedback import accepted
from ensemble.plurals import counted
from ensemble.server.auth import CALLER
from ensemble.server.auth import PAGES as ROOT
from ensemble.server.pages.downloads import MOST_ROWS, figures_for
from ensemble.server.pages.frame import LOG, SERVICE, adjudicators_of, href, writer_of
from ensemble.server.pages.keeping import Keeper, keep, kept_for
from ensemble.server.pages.registry import PAGES, Page, Wanted
from ensemble.server.pages.reviewer import remember, reviewer_of, told
from ensemble.store import Store
from ensemble.store.audit.queue import FIRST, WHYS, After, decided_count
from ensemble.store.database import Database
from ensemble.store.reviews import claim, next_review

routes = web.RouteTableDef()
KEEPER = web.AppKey("reviews", Keeper[Mapping[str, Table]])
HERE = "/reviews"
MOST = 1000
"""Most cases of a draw that somebody asks for."""
DONE = {
    "none": "Nothing waits for you: everything is decided, or somebody else is at it.",
    "empty": "Nothing was drawn: every judged request with two candidates is part of an earlier draw, or "
    f"arrived less than {SETTLED.total_seconds() / 60:.0f} minutes ago, so that late verdicts may still come.",
}
"""What the page says after a form, by ``done`` in its address; "drawn-N" tells how many were drawn."""


def prepare(pages: web.Application) -> None:
    """Keep the weighted figures of the log: a thousand cases take half a second."""
    log = pages[LOG]

    async def find(window: Window, _: Settings | None) -> Mapping[str, Table]:
        return await log.read(lambda db: reviewed_tables(db, window))

    keep(pages, KEEPER, find)


async def answers(request: web.Request) -> Mapping[str, object]:
    """The figures, who asks, and what a form came to."""
    done = request.query.get("done", "")
    count = done.removeprefix("drawn-")
    said = (
        f"{counted(int(count), 'case was drawn and waits', 'cases were drawn and wait')} now."
        if count.isdecimal()
        else DONE.get(done, "")
    )
    found, shown = await figures_for(request, lists), await kept_for(request, KEEPER)
    kept = {**drawn(shown.found or {}), "at": shown.at, "under_way": shown.under_way}
    return {**found, **kept, "by": reviewer_of(request), "done": said, "most": MOST}


@routes.post(HERE + "/next")
async def start(request: web.Request) -> web.Response:
    """Claim what is next for who asks, and go there."""
    store, by = writer(request), await told(request)
    now, adjudicators = datetime.now(UTC), adjudicators_of(request)
    try:
        id_ = await store.read(partial(next_review, by=by, now=now, sight=None, adjudicators=adjudicators))
        if id_ is not None:
            accepted(await store.change(partial(claim, id_=id_, by=by, now=now, adjudicators=adjudicators)))
    except StoreError as error:
        raise StoreUnavailable(str(error)) from error
    there = href(f"{ROOT}{HERE}", {"done": "none"})
    if id_ is not None:
        there = href(f"{ROOT}/requests/{id_}", {"from": "queue", "blind": "1"})
    response = web.Response(status=303, headers={"Location": there})
    if request[CALLER].key is None:
        remember(response, by)
    return response


@routes.post(HERE + "/draw")
async def lot(request: web.Request) -> web.Response:
    """Draw cases from what arrived since the last draw."""
    store = writer(request)
    text = str((await request.post()).get("cases", ""))
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 0 < int(text) <= MOST):
        raise InvalidRequest(f"cases: must be a whole number from 1 to {MOST}", param="cases")
    service = request.app[SERVICE]
    settings = service.settings.reviews if service else ReviewSettings()
    try:
        drawn = await draw(store, settings, datetime.now(UTC), int(text))
    except StoreError as error:
        raise StoreUnavailable(str(error)) from error
    there = href(f"{ROOT}{HERE}", {"done": f"drawn-{drawn}" if drawn else "empty"})
    return web.Response(status=303, headers={"Location": there})


def reported(db: Database, wanted: Wanted) -> Mapping[str, object]:
    """The figures of a report: what waits and what was decided, with the number of each."""
    asked = Asked(window=wanted.window, limit=wanted.cases)
    waits, decided = waiting_list(db, asked, datetime.now(UTC)).table, decided_list(db, asked).table
    (_, _, of), *_ = why_counts(db, asked)
    return {
        "listed": replace(waits, of=of),
        "decided": replace(decided, of=decided_count(db, asked.window)),
        **drawn(reviewed_tables(db, asked.window)),
        "at": None,
        "under_way": False,
    }


def drawn(tables: Mapping[str, Table]) -> dict[str, object]:
    """The weighted tables by their names, and what is drawn of them; nothing while they are first worked out."""
    if not tables:
        return {"known": False}
    return {**tables, "known": True, "bars": {name: _bars(tables["trust"], name) for name in ("agrees", "errs")}}


def lists(db: Database, window: Window, query: Mapping[str, str]) -> Mapping[str, object]:
    """What waits or was decided, and how much waits.

    Raises:
        InvalidRequest: a filter makes no sense.
    """
    asked, show = _asked(window, query), _show(query)
    listed = _listed(db, asked, show)
    return {
        "listed": _linked(listed.table, show),
        "following": None if listed.after is None else written(listed.after),
        "show": show,
        "counts": why_counts(db, asked),
        "why": asked.why or "",
    }


async def whole(request: web.Request) -> Mapping[str, object]:
    """All that waits or was decided, for a file. Raises as ``lists`` does."""
    return await figures_for(request, _whole)


def _whole(db: Database, window: Window, query: Mapping[str, str]) -> Mapping[str, object]:
    asked = replace(_asked(window, query), after=FIRST, limit=MOST_ROWS)
    return {"listed": _listed(db, asked, _show(query)).table}


def _show(query: Mapping[str, str]) -> str:
    show = query.get("show", "waiting")
    if show not in ("waiting", "decided"):
        raise InvalidRequest("show: must be waiting or decided", param="show")
    return show


def _listed(db: Database, asked: Asked, show: str) -> Listed:
    return waiting_list(db, asked, datetime.now(UTC)) if show == "waiting" else decided_list(db, asked)


def _linked(table: Table, show: str) -> Table:
    """The table with the address of each case, which is shown blind as long as it waits."""
    query = {"from": "queue", "blind": "1"} if show == "waiting" else {}
    rows = [{**row, "href": href(f"{ROOT}/requests/{row['request']}", query)} for row in table.rows]
    return replace(table, rows=rows)


def _bars(table: Table, name: str) -> list[dict[str, Cell]]:
    """The rows of a chart of intervals."""
    return [
        {
            "label": row["judge"],
            "value": row[name],
            "low": row[f"{name}_low"],
            "high": row[f"{name}_high"],
            "note": f"n={row[f'{name}_n']}",
        }
        for row in table.rows
    ]


def written(after: After) -> str:
    """``after`` as it stands in an address."""
    return "~".join(str(part) for part in after)


def _asked(window: Window, query: Mapping[str, str]) -> Asked:
    why = next((one for one in WHYS if one == query.get("why")), None)
    if why is None and query.get("why"):
        raise InvalidRequest(f"why: must be one of {', '.join(TITLES)}", param="why")
    return Asked(window=window, why=why, after=_read(query.get("after", "")))


def _read(text: str) -> After:
    if not text:
        return FIRST
    parts = text.split("~")
    try:
        id_, at, least, place = parts
        return After(id_, at, int(least), int(place))
    except ValueError:
        raise InvalidRequest(
            "after: is not where a page of the queue begins; start with the first", param="after"
        ) from None


def writer(request: web.Request) -> Store:
    """What decisions are written to.

    Raises:
        Forbidden: the pages are read-only for who asks.
    """
    store = writer_of(request)
    if store is None:
        raise Forbidden("nothing can be decided here: the log is read-only, or your key lacks the scope 'review'")
    return store


PAGES.add(
    Page(
        name="reviews",
        title="Review queue",
        order=60,
        told="What waits for a person, and what people's findings say of the judges for all traffic.",
        answers=answers,
        reported=reported,
        whole=whole,
        template="reviews.html",
    )
)
