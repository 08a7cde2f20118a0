"""The figures of all pages in one file: HTML without a script or anything from elsewhere, or JSON."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from ensemble.audit.shapes import Table, Window
from ensemble.server.pages.downloads import tree_of
from ensemble.server.pages.registry import PAGES, Page, Wanted, found
from ensemble.server.pages.rendering import HOME, environment
from ensemble.store.database import Database

Told = Mapping[str, Mapping[str, object]]
"""By page, its figures by their names."""
_ELSEWHERE = re.compile(r'(<a\b[^>]*?)\s+href="(?!#)[^"]*"')
"""Where a page would lead to: in a file there is no such place."""


def figures(db: Database, wanted: Wanted) -> Told:
    """The figures of every page that has some. Blocks for seconds."""
    return {page.name: told for page in _pages() if (told := _figures(page, db, wanted)) is not None}


def _figures(page: Page, db: Database, wanted: Wanted) -> Mapping[str, object] | None:
    if page.reported is not None:
        return page.reported(db, wanted)
    return None if page.figures is None else page.figures(db, wanted.window, {})


def as_html(told: Told, window: Window, *, about: str) -> str:
    """One file for people, by the templates of the pages. ``about`` is the name of the log."""
    sections = [_section(page, told[page.name], window, about) for page in _pages() if page.name in told]
    css = (HOME / "static" / "ui.css").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("report/whole.html")
        .render(
            sections=[(page.name, page.title) for page in _pages() if page.name in told],
            # The templates have escaped what they were given, and the sheet is ours.
            body=Markup("\n").join(map(Markup, sections)),
            css=Markup(css),  # nosec B704 # noqa: S704
            window=window,
            about=about,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )


def as_json(told: Told, window: Window, *, about: str) -> bytes:
    """The same tables for programs: null is unknown, money in nano-USD, shares in [0, 1]."""
    tree = {
        "log": about,
        "window": {"since": window.since or None, "until": window.until or None, "router": window.router},
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "pages": {
            page: {one.name: tree_of(one) for one in values.values() if isinstance(one, Table)}
            for page, values in told.items()
        },
    }
    return json.dumps(tree, indent=1).encode()


def _pages() -> list[Page]:
    found()
    return [page for page in PAGES if page.scope == "audit"]


@cache
def _environment() -> Environment:
    """The templates of the pages, with a frame that is a section of a file."""
    templates = HOME / "templates"
    return environment().overlay(loader=FileSystemLoader([templates / "report", templates]))


def _section(page: Page, values: Mapping[str, object], window: Window, about: str) -> str:
    html = (
        _environment()
        .get_template(page.template)
        .render(
            {
                "report": True,
                "page": page,
                "pages": [],
                "figures": values,
                "window": window,
                "about": about,
                "query": {},
                "caller": None,
                "may": dict.fromkeys(("audit", "review", "use"), False),
                "signed_in": False,
                "writable": False,
                "csrf": "",
                # Without an address there is nothing to download and nowhere to go.
                "here": "",
                "root": "",
                "routers": [],
                "periods": [],
                "href": lambda path="", **changes: "",
                "kept": lambda path: "",
                **values,
            }
        )
    )
    # Two pages may have a table of the same name.
    html = html.replace(' id="table-', f' id="{page.name}-table-')
    html = html.replace(' role="region" aria-label="', f' role="region" aria-label="{escape(page.title)}: ')
    return _ELSEWHERE.sub(r"\1", html)
