"""``ensemble audit serve`` in a process of its own, over the log of a service that still writes to it."""

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner, Result

from ensemble.cli import main
from ensemble.store import open_store
from tests.ensemble.server.pages.browser import Browser
from tests.process import Running, started
from tests.served import Served


@asynccontextmanager
async def auditing(log: Path, *options: str, **environment: str) -> AsyncIterator[tuple[Running, Browser]]:
    command = ("audit", "serve", log.name, "--port", "0", *options)
    async with (
        started(log.parent, *command, env={**os.environ, **environment}) as running,
        aiohttp.ClientSession() as http,
    ):
        yield running, Browser(http, running.url)


def copied(path: Path, to: Path) -> None:
    with closing(sqlite3.connect(path)) as log, closing(sqlite3.connect(to)) as copy:
        log.backup(copy)


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


async def test_it_shows_a_log_that_a_service_writes_to(served: Served) -> None:
    await served.post()
    await served.service.idle()
    path = served.service.settings.store.path
    async with auditing(path) as (running, browser):
        assert f"{running.url}/ui" in running.line
        first = await browser.get("/")
        assert (first.status, first.headers["Location"]) == (303, "/ui")
        page = await browser.get("/ui")
        assert (page.status, "read-only" in page.page.one("footer").text) == (200, True)
        links = [a.attrs["href"] for a in page.page.one("nav").all("a")]
        assert "/ui/playground" not in links
        for link in links:
            assert (await browser.get(link)).status == 200, link
        running.process.send_signal(signal.SIGTERM)
        assert await running.stopped() == (0, "")


async def test_with_a_key_readers_sign_in_and_nothing_is_written(served: Served) -> None:
    await served.post()
    await served.service.idle()
    path = served.service.settings.store.path.with_name("copy.db")
    copied(served.service.settings.store.path, path)
    before = rows(path)
    async with auditing(path, "--key-env", "THE_KEY", THE_KEY="s3cret") as (running, browser):
        assert (await browser.get("/ui")).status == 303
        page = await browser.get("/ui", Authorization="Bearer s3cret")
        for link in page.page.one("nav").all("a"):
            assert (await browser.get(link.attrs["href"], Authorization="Bearer s3cret")).status == 200
        running.process.send_signal(signal.SIGINT)
        status, errors = await running.stopped()
    assert (status, "s3cret" in errors) == (0, False)
    assert rows(path) == before


@pytest.mark.parametrize("named", [False, True])
async def test_it_reads_the_configuration_that_is_named(served: Served, tmp_path: Path, named: bool) -> None:
    path = tmp_path / "apart" / "copy.db"
    path.parent.mkdir()
    copied(served.service.settings.store.path, path)
    options = ("--config", str(tmp_path / "ensemble.toml")) if named else ()
    async with auditing(path, *options) as (_, browser):
        told = await browser.get("/ui/routers/measured.json")  # which waits until it is there
    assert ("needs the configuration" in json.loads(told.body)["note"]) == (not named)


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["audit", "serve", *args])


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--db", "missing.db"), "missing.db: there is no log; see what the command line names or"),
        (("missing.db",), "missing.db: there is no log; see what the command line names or"),
        (("log.db", "--host", "192.0.2.1"), "--host: 192.0.2.1 can be reached from outside; name a key with --key-env"),
        (("log.db", "--key-env", "NO_SUCH_KEY"), "--key-env: the environment has no NO_SUCH_KEY"),
        (("log.db", "--host", "192.0.2.1", "--key-env", "PATH"), "cannot listen on 192.0.2.1"),
    ],
)
async def test_what_cannot_be_served_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    await (await open_store(tmp_path / "log.db")).close()
    done = await asyncio.to_thread(run, *args)
    assert (done.exit_code, told in done.output) == (1, True), done.output
