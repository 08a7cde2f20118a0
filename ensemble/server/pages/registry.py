"""Which pages there are: the modules of this folder add theirs when they are imported."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from aiohttp import web

from ensemble.audit.shapes import Window
from ensemble.config import Settings
from ensemble.server import pages
from ensemble.store.database import Database

Figures = Callable[[Database, Window, Mapping[str, str]], Mapping[str, object]]
"""What a page shows: a function of the log, the window and the query of its address, run in a reader's thread.

Every ``shapes.Table`` among the values of what it returns can be downloaded, by its name, as CSV and JSON. A query that
makes no sense raises ``InvalidRequest``, which names the field and the mend.
"""
Answers = Callable[[web.Request], Awaitable[Mapping[str, object]]]
"""The same where the log alone does not do: asked on the event loop, with the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a report is to be about.

    Attributes:
        settings: the configuration; None where there is none.
        cases: most rows of a list of cases.
    """

    window: Window
    settings: Settings | None = None
    cases: int = 50


Reported = Callable[[Database, Wanted], Mapping[str, object]]
"""What a section of a report shows. Blocks, for seconds if need be."""
Scope = Literal["audit", "review", "use"]
"""What a key needs to have to see a page; ``audit`` is that of all pages that show the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of figures, served at ``/ui/NAME``.

    Attributes:
        title: in the navigation and as heading.
        order: pages stand in this order in the navigation.
        told: what it answers, one sentence for the index.
        figures: None for a page whose module answers under ``/ui/NAME`` itself.
        answers: what a server asks instead of ``figures``.
        reported: what a report asks instead of ``figures``; a page with neither is in none.
        whole: tables that the page shows a part of at a time, from the first row on, for a file; None for none.
        template: file in ``templates``, which gets the figures by their names, and all of them as ``figures``.
        windowed: whether the filters for period and router stand on top.
        asks: whether it needs a service that answers; over a file alone there is no such page.
    """

    name: str
    title: str
    order: int
    told: str = ""
    figures: Figures | None = None
    answers: Answers | None = None
    reported: Reported | None = None
    whole: Answers | None = None
    template: str = "figures.html"
    scope: Scope = "audit"
    windowed: bool = True
    asks: bool = False


class Pages:
    """Pages by their names, in their order."""

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}

    def add(self, page: Page) -> None:
        """Add ``page``, once.

        Raises:
            ValueError: another one has its name.
        """
        if self._pages.setdefault(page.name, page) is not page:
            raise ValueError(f"there are two pages called {page.name!r}")

    def get(self, name: str) -> Page | None:
        """The page with that name."""
        return self._pages.get(name)

    def __iter__(self) -> Iterator[Page]:
        return iter(sorted(self._pages.values(), key=lambda page: (page.order, page.name)))


PAGES = Pages()


def found() -> list[ModuleType]:
    """Every module of this folder, imported, so that ``PAGES`` is complete; but none whose name begins with ``_``.

    One may have ``routes`` of its own, and a function ``prepare`` that puts into the application what its pages keep.
    """
    names = (one.name for one in pkgutil.iter_modules(pages.__path__))
    return [importlib.import_module(f"{pages.__name__}.{name}") for name in names if not name.startswith("_")]
