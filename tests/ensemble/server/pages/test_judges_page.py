"""The page on judges, over real HTTP: on a service, on a file that nobody serves, and where there is nothing yet."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from ensemble.audit.judges import TITLES, judge_tables
from ensemble.audit.shapes import Window
from ensemble.cli import main
from ensemble.config import load
from ensemble.server.app import make_app
from ensemble.store.keeping.connect import reading
from tests.ensemble.judging.fleet import ask_all, label, simulated, tasks
from tests.ensemble.server.pages.browser import Browser
from tests.ensemble.server.pages.conftest import Browse

TABLES = ("judges", "biases", "agreement", "juries", "certainty", "churn", "moved", "anchors")


@asynccontextmanager
async def served(folder: Path, number: int = 4) -> AsyncIterator[Browser]:
    """A browser on a service whose jury has judged some requests, all of which a person told of."""
    asked = tasks(number)
    async with simulated(folder, judge="panel", family="birch") as service:
        await ask_all(service, asked)
        label(folder / "ensemble.db", asked)
        async with TestServer(make_app(service)) as server, aiohttp.ClientSession() as http:
            yield Browser(http, str(server.make_url("/")).rstrip("/"))


async def test_the_figures_are_those_of_the_log_and_seats_have_their_names(tmp_path: Path) -> None:
    async with served(tmp_path) as browser:
        page = (await browser.get("/ui/judges")).page
        told = {name: await browser.get(f"/ui/judges/{name}.csv") for name in ("judges", "agreement")}
    settings = load(tmp_path / "ensemble.toml")
    with reading(tmp_path / "ensemble.db") as db:
        families = {name: member.family for name, member in settings.members.items()}
        tables = judge_tables(db, Window(), settings.judges, families)
    for name, reply in told.items():
        rows = list(csv.DictReader(io.StringIO(reply.body)))
        assert [list(row.values()) for row in rows] == [
            ["" if (cell := row[column.name]) is None else str(cell) for column in tables[name].columns]
            for row in tables[name].rows
        ]
    shown = page.one("figure", id="table-judges").all("tbody")[0]
    assert [row.all("td")[0].text for row in shown.all("tr")] == ["", "longest", "once"]
    assert [figure.attrs["id"] for figure in page.all("figure", class_="table")] == [f"table-{one}" for one in TABLES]
    assert {row.one("th", scope="row").text for row in page.all("figure", class_="heat")[0].one("tbody").all("tr")} == {
        "longest", "once", "panel", "people",
    }  # fmt: skip
    assert "Of 20" in page.one("main").text


async def test_a_window_without_verdicts_says_what_to_do(tmp_path: Path) -> None:
    async with served(tmp_path, 2) as browser:
        reply = await browser.get("/ui/judges?until=2020-01-01")
    assert "a router with a judge makes them" in reply.page.one("figure", id="table-judges").text
    assert not reply.page.all("figure", class_="chart")


async def test_a_report_with_the_configuration_tells_of_seats_and_own_families(tmp_path: Path) -> None:
    async with served(tmp_path):
        pass
    told = {}
    for name in ("ensemble.toml", None):
        arguments = ["audit", "report", str(tmp_path / "ensemble.db"), "--json"]
        arguments += ["--config", str(tmp_path / name)] if name else []
        done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
        assert done.exit_code == 0, done.output
        tables = json.loads(done.stdout)["pages"]["judges"]
        seats = {row["seat"] for row in tables["judges"]["rows"]}
        own = TITLES["own"] in {row["figure"] for row in tables["biases"]["rows"]}
        told[name] = ({"longest", "once"} <= seats, own, "own families" in done.stderr)
    assert told == {"ensemble.toml": (True, True, False), None: (False, False, True)}


async def test_a_file_alone_is_read_without_a_configuration(browse: Browse) -> None:
    reply = await (await browse()).get("/ui/judges")
    assert reply.status == 200
    page = reply.page
    assert [figure.attrs["id"] for figure in page.all("figure", class_="table")] == [f"table-{one}" for one in TABLES]
    assert all(figure.one("td", class_="empty").text for figure in page.all("figure", class_="table"))
