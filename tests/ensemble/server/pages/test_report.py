"""The report: every page's tables in one file that loads nothing and does nothing."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ensemble.audit.shapes import Table, Window
from ensemble.cli import main
from ensemble.server.pages import report
from ensemble.server.pages.downloads import tree_of
from ensemble.server.pages.registry import Wanted
from ensemble.store import open_store
from ensemble.store.feedback import Remark, Statement
from ensemble.store.keeping.connect import reading
from ensemble.store.reviews import decide, flag, waiting
from tests.ensemble.server.pages.browser import parsed
from tests.ensemble.store.builders import NOON, a_request


async def _run(*arguments: str) -> Result:
    """The command, which needs an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["audit", "report", *arguments])


async def test_it_holds_the_tables_of_the_pages_and_nothing_that_acts(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    told = await _run(str(log), "--out", str(out))
    assert told.exit_code == 0, told.output
    html = out.read_text(encoding="utf-8")
    page = parsed(html)
    with reading(log) as db:
        figures = report.figures(db, Wanted(window=Window()))
    for name, tables in figures.items():
        section = page.one("section", id=name)
        shown = {one.attrs["id"] for one in section.all("figure", class_="table")}
        told_of = {f"{name}-table-{one.name}" for one in tables.values() if isinstance(one, Table) and one.rows}
        assert told_of <= shown
    for tag in ("script", "form", "img", "iframe", "object", "link", "button", "input"):
        assert page.all(tag) == [], tag
    assert {one.attrs["href"][:1] for one in page.all("a") if "href" in one.attrs} == {"#"}
    assert not [name for one in page.all() for name in one.attrs if name.startswith(("on", "hx-", "src"))]
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy.attrs["content"].startswith("default-src 'none'")


async def test_json_has_the_same_figures(log: Path) -> None:
    told = await _run(str(log), "--json", "--since", "2026-11-24", "--router", "panel")
    assert told.exit_code == 0, told.output
    tree = json.loads(told.stdout)
    window = Window(since="2026-11-24", router="panel")
    assert tree["window"] == {"since": "2026-11-24", "until": None, "router": "panel"}
    with reading(log) as db:
        figures = report.figures(db, Wanted(window=window))
    assert set(tree["pages"]) == set(figures) >= {"overview", "worth"}
    assert tree["pages"]["overview"]["calls"] == json.loads(json.dumps(tree_of(figures["overview"]["calls"])))  # type: ignore[arg-type]
    assert [row["router"] for row in tree["pages"]["overview"]["routers"]["rows"]] == ["panel"]


async def test_it_says_how_many_cases_there_are_and_lists_as_many_as_asked_for(log: Path, tmp_path: Path) -> None:
    store = await open_store(log)
    sql = "SELECT id FROM requests WHERE model = 'panel' ORDER BY id LIMIT 9"
    for at, id_ in enumerate(await store.read(lambda db: [one for (one,) in db.execute(sql)])):
        await store.change(partial(flag, id_=id_, by="ann", now=NOON))
        if at < 5:
            said = Statement(remarks=(Remark(kind="tie"),), given_by="ann", source="review", request=id_)
            await store.change(partial(decide, statement=said, now=NOON))
    waits = sum((await store.read(waiting)).values())  # those that were overturned, too
    await store.close()
    out = tmp_path / "report.html"
    for arguments, rows in (([], (50, waits, 5)), (["--cases", "2"], (2, 2, 2)), (["--cases", "99"], (60, waits, 5))):
        tree = json.loads((await _run(str(log), "--json", *arguments)).stdout)["pages"]
        tables = tree["disagreement"]["cases"], tree["reviews"]["waiting"], tree["reviews"]["decided"]
        assert tuple(len(table["rows"]) for table in tables) == rows
        assert [table["of"] for table in tables] == [60, waits, 5]
    assert (await _run(str(log), "--cases", "2", "--out", str(out))).exit_code == 0
    page = parsed(out.read_text(encoding="utf-8"))
    assert "The first 2 of 60" in page.one("figure", id="disagreement-table-cases").text
    assert "The first 2 of 5" in page.one("figure", id="reviews-table-decided").text


async def test_names_are_escaped_and_shown(tmp_path: Path) -> None:
    from tests.ensemble.audit.conftest import a_failure

    path = tmp_path / "log.db"
    store = await open_store(path)
    await store.record(a_failure(a_request(model="<script>alert(1)</script>\u202e")))
    await store.close()
    html = (await _run(str(path))).stdout
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in html


async def test_a_configuration_that_was_named_must_be_there(log: Path) -> None:
    told = await _run(str(log), "--config", "nowhere.toml")
    assert (told.exit_code, "nowhere.toml" in told.output) == (1, True)


@pytest.mark.parametrize("arguments", [["nothing.db"], ["nothing.db", "--json"]])
async def test_a_log_that_is_not_there_is_one_sentence(arguments: list[str]) -> None:
    told = await _run(*arguments)
    assert (told.exit_code, "nothing.db: there is no log" in told.output) == (1, True)
