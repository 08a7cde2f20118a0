"""What a page's module needs: the log, the window, who asks, and how a template becomes a reply."""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from ensemble.audit.shapes import Window
from ensemble.config import Settings
from ensemble.errors import InvalidRequest
from ensemble.server.auth import CALLER
from ensemble.server.auth import PAGES as ROOT
from ensemble.server.pages.registry import PAGES, Page
from ensemble.server.pages.rendering import render
from ensemble.server.pages.sessions import CSRF, SIGNED_IN
from ensemble.server.pages.static import STATIC, address
from ensemble.service import Service
from ensemble.store import Store
from ensemble.store.audit.window import routers
from ensemble.store.database import Database

T = TypeVar("T")


class Log(Protocol):
    """What pages read from: a ``Store``, or a file that nobody serves."""

    async def read(self, question: Callable[[Database], T]) -> T:
        """Answer ``question`` from one snapshot, in a worker thread. Raises StoreError."""
        ...


LOG = web.AppKey("log", Log)
WRITER = web.AppKey[Store | None]("writer")
"""What decisions are written to; None where the pages are read-only."""
SERVICE = web.AppKey[Service | None]("pages-service")
"""The service behind the pages; None where there is only a file."""
CONFIGURED = web.AppKey[Settings | None]("pages-settings")
"""The configuration that is known where there is no service; None where there is only a file."""
ABOUT = web.AppKey("about", str)
"""What the pages show: the name of the log."""
PAGE = web.RequestKey("page", Page)
DAYS = (("7 days", 7), ("30 days", 30), ("90 days", 90))
"""Periods that are offered, all of which end today."""


async def read(request: web.Request, question: Callable[[Database], T]) -> T:
    """Answer ``question`` from one snapshot of the log, in a reader's thread. Raises StoreError."""
    return await request.app[LOG].read(question)


def writer_of(request: web.Request) -> Store | None:
    """What a reviewer's decision is written to; None, and then no form is shown, where the caller may not decide."""
    return request.app[WRITER] if request[CALLER].may("review") else None


def settings_of(request: web.Request) -> Settings | None:
    """The configuration in force, which names seats, families and routers; None where there is none."""
    service = request.app[SERVICE]
    return service.settings if service else request.app[CONFIGURED]


def adjudicators_of(request: web.Request) -> tuple[str, ...]:
    """Who settles what two reviewers find differently; empty for anybody else than the two."""
    settings = settings_of(request)
    return settings.reviews.adjudicators if settings else ()


def window_of(request: web.Request) -> Window:
    """The filters in the address: ``since``, ``until`` and ``router``.

    Raises:
        InvalidRequest: one of them makes no sense.
    """
    since, until = (_day(request, name) for name in ("since", "until"))
    if since and until and since > until:
        raise InvalidRequest(f"since: {since} is after until, {until}; give the earlier day first", param="since")
    router = request.query.get("router", "")
    if len(router) > 200:
        raise InvalidRequest("router: is longer than any name; choose one of the list", param="router")
    return Window(since=since, until=until, router=router or None)


async def show(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """``template``, which extends ``frame.html``, with ``values`` as a reply."""
    return await reply(request, template, values, status)


async def reply(request: web.Request, template: str, values: Mapping[str, object], status: int = 200) -> web.Response:
    """As ``show``, for values of any names."""
    known = context(request)
    if (page := request.get(PAGE)) is not None and page.windowed and status < 400:
        known["router_names"] = await read(request, routers)
    html = await asyncio.to_thread(render, template, **{**known, **values})
    return web.Response(text=html, status=status, content_type="text/html", charset="utf-8")


def context(request: web.Request) -> dict[str, object]:
    """What every template has beside its own values."""
    caller = request.get(CALLER)
    service = request.app[SERVICE]
    try:
        window = window_of(request)
    except InvalidRequest:
        window = Window()
    return {
        "caller": caller,
        "may": {scope: caller is not None and caller.may(scope) for scope in ("audit", "review", "use")},
        "signed_in": request.get(SIGNED_IN, False),
        "writable": caller is not None and writer_of(request) is not None,
        "csrf": request.get(CSRF, ""),
        "about": request.app[ABOUT],
        "page": request.get(PAGE),
        "pages": [
            one for one in PAGES if caller is not None and caller.may(one.scope) and not (one.asks and service is None)
        ],
        "report": False,
        "query": dict(request.query),
        "here": request.rel_url.raw_path,
        "root": ROOT,
        "window": window,
        "periods": _periods(),
        "router_names": [],
        "static": lambda name: address(request.app[STATIC], name),
        "href": lambda path="", **changes: href(path or request.rel_url.raw_path, {**request.query, **changes}),
        "kept": lambda path: href(path, {name: request.query.get(name) for name in ("since", "until", "router")}),
    }


def href(path: str, query: Mapping[str, object]) -> str:
    """``path`` with what of ``query`` is neither None nor empty."""
    told = urlencode({name: value for name, value in query.items() if value not in (None, "")}, errors="replace")
    return f"{path}?{told}" if told else path


def _day(request: web.Request, name: str) -> str:
    text = request.query.get(name, "")
    try:
        if text and not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            raise ValueError
        return text and date.fromisoformat(text).isoformat()
    except ValueError:
        raise InvalidRequest(f"{name}: {text!r} is no day; write it as 2026-11-23", param=name) from None


def _periods() -> list[tuple[str, str, str]]:
    today = datetime.now(UTC).date()
    return [(told, (today - timedelta(days=days - 1)).isoformat(), "") for told, days in DAYS]
