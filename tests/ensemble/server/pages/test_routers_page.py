"""The page on routers, over real HTTP: with a service behind it, on a file alone, and where there is nothing yet."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from ensemble.server.app import make_app
from ensemble.server.auditing import make_auditing
from ensemble.service import open_service
from ensemble.store.reading import open_log
from tests.ensemble.audit.routed import make, ran
from tests.ensemble.server.pages.browser import Browser
from tests.ensemble.server.pages.conftest import Browse

pytestmark = pytest.mark.timeout(120)
MEASURED = ("measured", "accuracy", "whole", "misroutes", "picks", "calibration", "curves", "frontier")
ALWAYS = ("trained", "drift", "shadow", "decisions")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("page"))


def rows(body: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body)))


async def test_a_service_measures_its_routers(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    said: Any = json.loads(await asyncio.to_thread(ran, "evaluate", "only", "cheap", "--json"))
    async with (
        open_service(made / "ensemble.toml") as service,
        TestServer(make_app(service)) as server,
        aiohttp.ClientSession() as http,
    ):
        browser = Browser(http, str(server.make_url("/")).rstrip("/"))
        told = rows((await browser.get("/ui/routers/measured.csv")).body)
        trained = rows((await browser.get("/ui/routers/trained.csv")).body)
        page = (await browser.get("/ui/routers")).page
    assert [(row["router"], row["kind"], int(row["rows"])) for row in told] == [
        (line["name"], line["kind"], line["rows"]) for line in said["lines"]
    ]
    for row, line in zip(told, said["lines"], strict=True):
        assert float(row["quality"]) == pytest.approx(line["quality"]["point"], abs=1e-6)
        assert float(row["cheapest_best"]) == pytest.approx(
            line["accuracy"]["cheapest_best"]["value"]["point"], abs=1e-6
        )
    assert {row["router"] for row in trained} == {"cheap"}
    shown = {one.attrs["id"] for one in page.all("figure", class_="table")}
    assert shown == {f"table-{name}" for name in (*MEASURED, *ALWAYS)}
    assert "Not measured: asks" in page.one("figure", id="table-measured").text
    assert len(page.all("figure", class_="plot")) == 3  # frontier, predictions, learning curve
    assert page.all("a", class_="id")  # misroutes lead to their requests


async def test_a_file_alone_shows_members_and_baselines(made: Path) -> None:
    async with (
        open_log(made / "ensemble.db") as log,
        TestServer(make_auditing(log, about="ensemble.db")) as server,
        aiohttp.ClientSession() as http,
    ):
        browser = Browser(http, str(server.make_url("/")).rstrip("/"))
        told = rows((await browser.get("/ui/routers/measured.csv")).body)
        page = (await browser.get("/ui/routers")).page
    assert {row["kind"] for row in told} == {"baseline", "member"}
    assert "makes one from the labels of the log" in page.one("figure", id="table-trained").text


async def test_an_empty_log_says_what_to_do(browse: Browse) -> None:
    page = (await (await browse()).get("/ui/routers")).page
    assert "routers need two" in page.one("figure", id="table-measured").one("td", class_="empty").text
    assert all(figure.one("td", class_="empty").text for figure in page.all("figure", class_="table"))
