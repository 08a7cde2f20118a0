import csv
import io
import json
from collections.abc import Mapping

import pytest

from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.errors import InvalidRequest
from ensemble.server.pages.registry import Page
from ensemble.server.pages.visible import visible
from ensemble.store.database import Database
from tests import hostile
from tests.ensemble.server.pages.conftest import Browse

ROWS: list[dict[str, Cell]] = [
    {"member": "=SUM(A1)", "won": 0.25, "low": 0.2, "high": 0.31, "nano_usd": 1_234, "id": "a/b", "ok": True},
    {"member": "<b>x</b>\u202e", "won": None, "low": None, "high": None, "nano_usd": None, "id": None, "ok": None},
]
MEMBERS = Table(
    name="members",
    title="Who wins",
    columns=(
        Column(name="member", title="Member"),
        Column(name="won", title="Won", kind="share", low="low", high="high"),
        Column(name="low", title="from", kind="share"),
        Column(name="high", title="to", kind="share"),
        Column(name="nano_usd", title="Cost", kind="usd"),
        Column(name="id", title="Request", kind="request"),
        Column(name="ok", title="OK", kind="truth"),
    ),
    rows=ROWS,
    note="n = 2",
)


def figures(db: Database, window: Window, query: Mapping[str, str]) -> Mapping[str, object]:
    if "wrong" in query:
        raise InvalidRequest("wrong: is never right; leave it out", param="wrong")
    asked = Column(name="since", title="Since")
    rows = [{"since": window.since, "router": window.router, "more": query.get("more", "")}]
    told = Table(
        name="asked", title="Asked", columns=(asked, *(Column(name=n, title=n) for n in ("router", "more"))), rows=rows
    )
    return {
        "members": MEMBERS,
        "asked": told,
        "none": Table(name="none", title="None", columns=(asked,), rows=(), empty="Ask first."),
    }


PAGE = Page(name="demo", title="Demo", order=1, figures=figures)


async def test_a_table_is_shown_as_people_read_it(browse: Browse) -> None:
    browser = await browse(PAGE)
    page = (await browser.get("/ui/demo")).page
    table = page.one("figure", id="table-members").one("table")
    assert [head.text for head in table.all("th", scope="col")] == ["Member", "Won", "Cost", "Request", "OK"]
    assert [cell.text for cell in table.all("td")] == ["25 % 20–31 %", "$0.00000123", "a/b", "yes", "–", "–", "–", "–"]
    assert [cell.text for cell in table.all("th", scope="row")] == ["=SUM(A1)", "<b>x</b>⟨U+202E⟩"]
    assert table.one("a").attrs["href"] == "/ui/requests/a%2Fb"
    assert page.one("figure", id="table-none").one("td").text == "Ask first."


async def test_every_table_is_a_file_with_what_is_shown(browse: Browse) -> None:
    browser = await browse(PAGE)
    page = (await browser.get("/ui/demo?since=2026-11-01&router=a%26b&more=%C3%A9")).page
    links = [a.attrs["href"] for a in page.one("figure", id="table-asked").all("a")]
    told = [await browser.get(link) for link in links]
    assert [reply.headers["Content-Type"] for reply in told] == [
        "text/csv; charset=utf-8", "application/json; charset=utf-8",
    ]  # fmt: skip
    asked = {"since": "2026-11-01", "router": "a&b", "more": "é"}
    assert list(csv.DictReader(io.StringIO(told[0].body))) == [asked]
    assert json.loads(told[1].body)["rows"] == [asked]
    assert "attachment" in told[0].headers["Content-Disposition"]


async def test_files_hold_exact_values_and_no_formula(browse: Browse) -> None:
    browser = await browse(PAGE)
    rows = list(csv.DictReader(io.StringIO((await browser.get("/ui/demo/members.csv")).body)))
    assert (rows[0]["member"], rows[0]["won"], rows[0]["nano_usd"], rows[0]["ok"]) == (
        "'=SUM(A1)",
        "0.25",
        "1234",
        "true",
    )
    assert (rows[1]["won"], rows[1]["nano_usd"], rows[1]["id"]) == ("", "", "")
    assert json.loads((await browser.get("/ui/demo/members.json")).body)["rows"] == ROWS


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/ui/demo/nothing.csv", 404, "there is no table 'nothing' here; there are: members, asked, none"),
        ("/ui/demo?wrong=1", 400, "wrong: is never right; leave it out"),
        ("/ui/demo?since=2026-13-01", 400, "since: '2026-13-01' is no day; write it as 2026-11-23"),
        ("/ui/demo?until=yesterday", 400, "until: 'yesterday' is no day"),
        ("/ui/demo?since=2026-11-02&until=2026-11-01", 400, "since: 2026-11-02 is after until"),
        ("/ui/demo?router=" + "x" * 201, 400, "router: is longer than any name"),
        ("/ui/demos", 404, "there is no such page"),
    ],
)
async def test_an_address_that_makes_no_sense_is_a_page_that_says_so(
    browse: Browse, path: str, status: int, told: str
) -> None:
    browser = await browse(PAGE)
    reply = await browser.get(path)
    assert reply.status == status
    assert told in reply.page.one(role="alert").text


async def test_hostile_texts_are_inert_in_tables_and_files(browse: Browse) -> None:
    text, id_ = Column(name="text", title="Text"), Column(name="id", title="Request", kind="request")
    rows = [{"text": one, "id": one} for one in hostile.TEXTS]
    told = Table(name="hostile", title=hostile.SCRIPTS[0], columns=(text, id_), rows=rows, note=hostile.SCRIPTS[0])
    browser = await browse(Page(name="hostile", title="Hostile", order=1, figures=lambda *_: {"hostile": told}))
    reply = await browser.get("/ui/hostile")
    table = reply.page.one("figure", id="table-hostile")
    assert {one.tag for one in table.all()} == {
        "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "a", "figcaption", "span",
    }  # fmt: skip
    assert [one.text for one in table.all("th", scope="row")] == [
        " ".join(visible(str(row["text"])).split()) for row in rows
    ]
    assert all(a.attrs["href"].startswith("/ui/requests/") for a in table.all("a", class_="id"))
    assert all("?" not in a.attrs["href"] and a.attrs["href"].count("/") == 3 for a in table.all("a", class_="id"))
    cells = list(csv.reader(io.StringIO((await browser.get("/ui/hostile/hostile.csv")).body, newline="")))[1:]
    assert len(cells) == len(rows)
    assert not [cell for row in cells for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    assert json.loads((await browser.get("/ui/hostile/hostile.json")).body)["rows"] == rows
