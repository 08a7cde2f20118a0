"""The page of the review queue, over real HTTP: list, filters, claim, draw, downloads, read-only."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ensemble.audit import drawing
from ensemble.audit.queue import PAGE as PAGE_ROWS
from ensemble.server.pages import reviews
from ensemble.simulator.script import reply
from tests.ensemble.server.pages.browser import Browser
from tests.ensemble.server.pages.conftest import Browse
from tests.served import SERVER, Served, a_question, serving

PANEL = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta"]
judge = "same"

[routers.panel.trust]
min_score = 0.9
on_low = "review"

[judges.same]
use = "agreement"

[routers.calm]
use = "parallel"
members = ["alpha", "beta"]
judge = "longest"
"""
PAGE = "/ui/reviews"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A service whose router ``panel`` doubts its answers."""
    async with serving(tmp_path, PANEL + SERVER) as opened:
        yield opened


async def reviewed(served: Served, doubtful: int, calm: int = 0) -> Browser:
    """``doubtful`` answers wait on its queue; ``calm`` ones were judged besides."""
    for name in ("alpha", "beta"):
        served.simulator.always(name, reply(f"the answer of {name}, which nobody else gives"))
    for model, count in (("panel", doubtful), ("calm", calm)):
        for at in range(count):
            assert (await served.post(a_question(f"Question {at}?", model=model)))[0] == 200
    return Browser(served.http, served.root)


async def test_what_waits_is_listed_with_why(served: Served) -> None:
    browser = await reviewed(served, 2, 1)
    page = (await browser.get(PAGE)).page
    listed = page.one("figure", id="table-waiting")
    assert len(listed.all("tr")) == 3
    assert "min_score 0.9" in listed.text
    links = [one.attrs["href"] for one in listed.all("a", class_="id")]
    assert all(link.endswith("?from=queue&blind=1") for link in links)
    assert "all 2 overturned 0 low confidence or score 2" in page.text
    none = (await browser.get(f"{PAGE}?why=overturned")).page.one("figure", id="table-waiting")
    assert "Nothing waits here." in none.text
    other = (await browser.get(f"{PAGE}?router=calm")).page.one("figure", id="table-waiting")
    assert "Nothing waits here." in other.text


async def test_who_begins_claims_the_first_and_gets_it_blind(served: Served) -> None:
    browser = await reviewed(served, 1)
    csrf = (await browser.get(PAGE)).csrf
    there = await browser.post(f"{PAGE}/next", {"csrf": csrf, "by": "ann"})
    assert there.status == 303
    assert there.headers["Location"].startswith("/ui/requests/")
    assert there.headers["Location"].endswith("?from=queue&blind=1")
    listed = (await browser.get(PAGE)).page.one("figure", id="table-waiting")
    assert "claimed by ann" in listed.text
    there = await browser.post(f"{PAGE}/next", {"csrf": csrf, "by": "bob"})
    assert there.headers["Location"] == f"{PAGE}?done=none"
    assert "Nothing waits for you" in (await browser.get(f"{PAGE}?done=none")).page.one(class_="done").text
    refused = await browser.post(f"{PAGE}/next", {"csrf": csrf})
    assert (refused.status, "say who you are" in refused.body) == (400, True)
    assert (await browser.post(f"{PAGE}/next", {"by": "ann"})).status == 403


async def test_cases_are_drawn_by_the_form(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "SETTLED", timedelta(seconds=-1))
    browser = await reviewed(served, 0, 6)
    csrf = (await browser.get(PAGE)).csrf
    there = await browser.post(f"{PAGE}/draw", {"csrf": csrf, "cases": "4"})
    assert there.headers["Location"] == f"{PAGE}?done=drawn-4"
    page = (await browser.get(there.headers["Location"])).page
    assert page.one(class_="done").text == "4 cases were drawn and wait now."
    assert len(page.one("figure", id="table-waiting").all("tr")) == 5
    assert "drawn at random 4" in page.text
    assert len(page.one("figure", id="table-draws").all("tr")) == 2
    again = await browser.post(f"{PAGE}/draw", {"csrf": csrf, "cases": "4"})
    assert again.headers["Location"] == f"{PAGE}?done=empty"
    refused = await browser.post(f"{PAGE}/draw", {"csrf": csrf, "cases": "0"})
    assert (refused.status, "cases: must be a whole number" in refused.body) == (400, True)


async def test_what_is_shown_can_be_downloaded(served: Served) -> None:
    browser = await reviewed(served, 2)
    told = await browser.get(f"{PAGE}/waiting.csv?why=confidence")
    rows = list(csv.DictReader(io.StringIO(told.body)))
    assert (len(rows), rows[0]["state"]) == (2, "free")
    assert (await browser.get(f"{PAGE}/waiting.csv?why=blind")).body.count("\n") <= 1
    assert (await browser.get(f"{PAGE}/trust.json")).status == 200
    assert (await browser.get(f"{PAGE}/decided.csv?show=decided")).status == 200


async def test_a_file_has_every_row_however_few_a_page_shows(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = await reviewed(served, PAGE_ROWS + 2)
    page = (await browser.get(PAGE)).page
    assert len(page.one("figure", id="table-waiting").all("tr")) == PAGE_ROWS + 1
    following = page.one("a", rel="next").attrs["href"].partition("?")[2]
    for query in ("", following):  # wherever in the list one is
        told = await browser.get(f"{PAGE}/waiting.csv?{query}")
        assert len(list(csv.DictReader(io.StringIO(told.body)))) == PAGE_ROWS + 2
        assert 'filename="waiting.csv"' in told.headers["Content-Disposition"]
    monkeypatch.setattr(reviews, "MOST_ROWS", 3)
    cut = await browser.get(f"{PAGE}/waiting.json")
    assert (len(json.loads(cut.body)["rows"]), json.loads(cut.body)["more"]) == (3, True)
    assert 'filename="waiting-first-3.json"' in cut.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("query", "told"),
    [("why=mood", "why: must be one of"), ("show=all", "show: must be"), ("after=x~1", "after: is not where")],
)
async def test_a_filter_that_makes_no_sense_is_named(browse: Browse, query: str, told: str) -> None:
    found = await (await browse()).get(f"{PAGE}?{query}")
    assert found.status == 400
    assert told in found.page.text


async def test_a_log_that_nobody_serves_shows_no_form(browse: Browse) -> None:
    browser = await browse()
    page = (await browser.get(PAGE)).page
    assert page.all("form", method="post") == []
    assert "Nothing waits here." in page.text
    assert "Nothing was drawn yet." in page.text
