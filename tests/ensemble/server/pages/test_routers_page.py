"""The page on routers, over real HTTP: with a service behind it, on a file alone, and where there is nothing yet."""

import asyncio
import csv
import io
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from ensemble.audit.routers import Measured
from ensemble.cli import main
from ensemble.config.operations import StoreSettings
from ensemble.errors import EnsembleError
from ensemble.server.app import make_app
from ensemble.server.auditing import make_auditing
from ensemble.server.pages import _measuring
from ensemble.service import open_service
from ensemble.store.audit.drawn import Drawn
from ensemble.store.reading import open_log
from ensemble.training.held import Held
from tests.ensemble.audit.routed import CONFIG, make, ran
from tests.ensemble.server.pages.browser import Browser
from tests.ensemble.server.pages.conftest import Browse
from tests.ensemble.server.pages.test_disagreement import for_two

ROOT = Path(__file__).parents[4]
ATTACK = "=1+1<script>alert(1)</script>\u202e"
MEASURED = ("measured", "accuracy", "whole", "misroutes", "picks", "calibration", "curves", "frontier")
ALWAYS = ("trained", "drift", "shadow", "decisions")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("page"))


def rows(body: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body)))


@pytest.fixture
def hostile(made: Path, tmp_path: Path) -> Path:
    """A copy of that log in which what was asked is an attack on whoever reads it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "ensemble.db")) as db:
        db.execute("UPDATE requests SET messages = replace(messages, 'Prove that', ?)", [ATTACK])
        db.commit()
    return tmp_path


async def test_a_service_measures_its_routers(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile)
    said: Any = json.loads(await asyncio.to_thread(ran, "evaluate", "only", "cheap", "--json"))
    async with (
        open_service(hostile / "ensemble.toml") as service,
        TestServer(make_app(service)) as server,
        aiohttp.ClientSession() as http,
    ):
        browser = Browser(http, str(server.make_url("/")).rstrip("/"))
        told = rows((await browser.get("/ui/routers/measured.csv")).body)
        trained = rows((await browser.get("/ui/routers/trained.csv")).body)
        page = (await browser.get("/ui/routers")).page
        lost = rows((await browser.get("/ui/routers/misroutes.csv")).body)
        await service.store.change(lambda db: for_two(db, lost[0]["request"]))
        unsealed = rows((await browser.get("/ui/routers/misroutes.csv")).body)
    assert unsealed == [row for row in lost if row["request"] != lost[0]["request"]]  # it says who is best
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
    misroutes = page.one("figure", id="table-misroutes")
    assert misroutes.all("a", class_="id")
    assert "=1+1<script>alert(1)</script>⟨U+202E⟩" in misroutes.text
    assert [one for one in page.all("script") if "src" not in one.attrs] == []


PLUGIN = """
from judges.judge import JUDGES, Judge


@JUDGES.register("whim")
class Whim(Judge):
    async def judge(self, case, models):
        raise NotImplementedError
"""


async def test_nothing_that_only_the_service_has_is_needed_to_measure_its_routers(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what a router remembers, nor the plugin of a file, nor the key of a provider."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    (tmp_path / "whim.py").write_text(PLUGIN)
    config = tmp_path / "ensemble.toml"
    keyed = CONFIG.replace('use = "openai"', 'use = "openai"\napi_key_env = "KEY_OF_A_TEST"')
    config.write_text(keyed + '\n[judges.whim]\nuse = "./whim.py"\n')
    monkeypatch.setenv("KEY_OF_A_TEST", "secret")
    monkeypatch.chdir(tmp_path)
    async with (
        open_service(config) as service,
        TestServer(make_app(service)) as server,
        aiohttp.ClientSession() as http,
    ):
        with pytest.raises(EnsembleError, match="no member brought an answer"):
            await service.ask("Which is careful?", model="asks")
        monkeypatch.delenv("KEY_OF_A_TEST")
        browser = Browser(http, str(server.make_url("/")).rstrip("/"))
        told = rows((await browser.get("/ui/routers/measured.csv")).body)
        assert {row["router"] for row in told} >= {"only", "cheap", "small"}
        await asyncio.to_thread(config.write_text, CONFIG)
        page = (await browser.get("/ui/routers?router=cheap")).page
    assert "have it read that file again" in page.one("figure", id="table-measured").text


def told_by_whom(path: Path, digest: str, store: StoreSettings, held: Held, sample: Drawn) -> Measured:
    return Measured(drawn=sample, why=f"by process {os.getpid()}")


async def test_routers_are_measured_apart_from_the_event_loop(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_measuring, "_read_anew", told_by_whom)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(made)
    async with (
        open_service(made / "ensemble.toml") as service,
        TestServer(make_app(service)) as server,
        aiohttp.ClientSession() as http,
    ):
        browser = Browser(http, str(server.make_url("/")).rstrip("/"))
        await browser.get("/ui/routers/measured.csv")  # which waits until they are found
        page = (await browser.get("/ui/routers")).page
    said = page.one("figure", id="table-measured").one("td", class_="empty").text
    assert "by process" in said
    assert str(os.getpid()) not in said


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
    assert "that needs the configuration (--config)" in page.one("figure", id="table-measured").text


@pytest.mark.parametrize("config", [[], ["--config", "ensemble.toml"]])
async def test_a_report_measures_the_routers_of_its_configuration(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: list[str]
) -> None:
    monkeypatch.chdir(made if config else tmp_path)
    log = str(made / "ensemble.db")
    told = await asyncio.to_thread(CliRunner().invoke, main, ["audit", "report", log, "--json", *config])
    assert told.exit_code == 0, told.output
    tables = json.loads(told.stdout)["pages"]["routers"]
    routers = {row["router"] for row in tables["measured"]["rows"] if row["kind"] == "router"}
    assert routers == ({"only", "cheap"} if config else set())
    assert bool(tables["trained"]["rows"]) == bool(config)
    assert ("There is no ensemble.toml" in told.stderr, "needs the configuration" in tables["measured"]["note"]) == (
        not config,
        not config,
    )


async def test_an_empty_log_says_what_to_do(browse: Browse) -> None:
    page = (await (await browse()).get("/ui/routers")).page
    assert "routers need two" in page.one("figure", id="table-measured").one("td", class_="empty").text
    assert all(figure.one("td", class_="empty").text for figure in page.all("figure", class_="table"))
