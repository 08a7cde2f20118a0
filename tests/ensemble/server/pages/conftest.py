from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from ensemble.server.auth import PAGES
from ensemble.server.pages.access import FileGate
from ensemble.server.pages.app import make_pages
from ensemble.server.pages.downloads import routes_of
from ensemble.server.pages.registry import Page
from ensemble.server.shape import shaped
from ensemble.store import open_store
from ensemble.store.reading import open_log
from tests.ensemble.audit.conftest import log as log
from tests.ensemble.server.pages.browser import Browser

Browse = Callable[..., Awaitable[Browser]]


@pytest.fixture
async def browse(tmp_path: Path) -> AsyncIterator[Browse]:
    """Opens a browser on the pages of an empty log, and on pages that a test adds, until it ends."""
    async with AsyncExitStack() as stack:

        async def start(*pages: Page, key: str | None = None) -> Browser:
            path = tmp_path / "log.db"
            await (await open_store(path)).close()
            log = await stack.enter_async_context(open_log(path))
            made = make_pages(log, FileGate(SecretStr(key) if key else None), about="log.db")
            for page in pages:
                made.add_routes(list(routes_of(page)))
            app = web.Application(middlewares=[shaped])
            app.add_subapp(PAGES, made)
            server = await stack.enter_async_context(TestServer(app))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Browser(http, str(server.make_url("/")).rstrip("/"))

        yield start
