"""The overview over HTTP: what stands there, its filters, its files, and what it says where there is nothing."""

import csv
import io
import json
from pathlib import Path

from ensemble.audit.overview import overview
from ensemble.audit.shapes import Window
from ensemble.store.keeping.connect import reading
from tests.ensemble.server.pages.browser import Element
from tests.ensemble.server.pages.conftest import Browse


def _rows(page: Element, table: str) -> list[list[str]]:
    body = page.one("figure", id=f"table-{table}").one("tbody")
    return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in body.all("tr")]


async def test_it_shows_who_wins_and_what_it_cost(log: Path, browse: Browse) -> None:
    page = (await (await browse()).get("/ui/overview")).page
    tiles = {tile.one("dt").text: tile.one("dd").text for tile in page.one("dl", class_="figures").all("div")}
    assert tiles["Requests"] == "61"
    assert tiles["Judged"] == "60"
    assert "calls of unknown cost: 1" in tiles["Known cost"]
    members = _rows(page, "members")
    assert [row[0] for row in members] == ["large", "medium", "small"]
    with reading(log) as db:
        figures = overview(db, Window(), {})
    best = figures["members"].rows[0]
    assert members[0][2].startswith(f"{float(str(best['won'])):.0%}".replace("%", " %"))
    assert [row[0] for row in _rows(page, "cost")] == ["Members, for answers", "Members, for labels alone", "Judging"]
    assert "No router is watched" in _rows(page, "drift")[0][0]
    heat = page.one("figure", class_="heat")
    assert {head.text for head in heat.all("th", scope="row")} == {"maths", "prose", "(none)"}


async def test_filters_of_the_address_hold_for_page_and_files(log: Path, browse: Browse) -> None:
    browser = await browse()
    asked = "?since=2026-11-24&until=2026-11-25&router=panel"
    page = (await browser.get(f"/ui/overview{asked}")).page
    assert [row[:2] for row in _rows(page, "routers")] == [["panel", "15"]]
    worth = page.one("section", id="earnings")
    assert worth.attrs["hx-get"] == worth.one("a").attrs["href"] == f"/ui/worth{asked}"
    (link,) = [one for one in page.all("a") if one.attrs.get("aria-label") == "Win rate per member as CSV"]
    rows = list(csv.DictReader(io.StringIO((await browser.get(link.attrs["href"])).body)))
    assert {row["cases"] for row in rows} == {"15"}
    told = json.loads((await browser.get(f"/ui/overview/members.json{asked}")).body)
    assert [str(row["won"]) for row in told["rows"]] == [row["won"] for row in rows]


async def test_what_each_earns_has_a_page_of_its_own(log: Path, browse: Browse) -> None:
    page = (await (await browse()).get("/ui/worth?router=routed")).page
    worth = page.one("section", id="earnings")
    assert [row[0] for row in _rows(worth, "saved")] == ["routed"]
    assert {row[0] for row in _rows(worth, "earned")} == {"small", "medium", "large", "judge"}
    assert "On 30 requests of which every member was judged" in worth.text


async def test_an_empty_log_says_what_to_do(browse: Browse) -> None:
    browser = await browse()
    page = (await browser.get("/ui/overview")).page
    assert "point a client at this server" in page.one("p", class_="empty").text
    assert "ensemble label" in _rows((await browser.get("/ui/worth")).page, "earned")[0][0]


async def test_a_wrong_filter_is_told(browse: Browse) -> None:
    reply = await (await browse()).get("/ui/overview?since=yesterday")
    assert reply.status == 400
    assert "since: &#39;yesterday&#39; is no day" in reply.body
