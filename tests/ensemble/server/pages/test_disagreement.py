"""The page on disagreement, over real HTTP: the ranking, every filter, paging, the matrix, downloads, the queue."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp.test_utils import TestServer

from ensemble.server.auditing import make_auditing
from ensemble.server.pages import disagreement
from ensemble.simulator.script import reply
from ensemble.store.database import Database
from ensemble.store.feedback import Remark, Statement
from ensemble.store.reading import open_log
from ensemble.store.review_seats import provide
from ensemble.store.reviews import decide
from ensemble.upkeep import derive
from ensemble.upkeep import index as search_index
from tests.ensemble.server.pages.browser import Browser, Element
from tests.ensemble.server.pages.conftest import Browse
from tests.served import SERVER, Served, a_question, serving

PANEL = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "longest"

[routers.pair]
use = "parallel"
members = ["alpha", "beta"]
judge = "longest"
"""
PAGE = "/ui/disagreement"
CASES = (
    ("panel", "What is 1 + 1?", ("The answer is 2.", "The answer is 2.", "The answer is 2.")),
    ("panel", "What is 2 + 1?", ("The answer is 3.", "The answer is 4.", "The answer is 5.")),
    ("panel", "What is 3 + 1?", ("The answer is 4.", "Well, the answer is 4.", "The answer is 7.")),
    ("pair", "What is zebra + 1?", ("The answer is 9.", "Surely the answer is 8.")),
)
"""Router, question, answers of alpha, beta and gamma; ``longest`` names the longest the best."""


@asynccontextmanager
async def answering(tmp_path: Path) -> AsyncIterator[Served]:
    """A service that has answered ``CASES``."""
    async with serving(tmp_path, PANEL + SERVER) as served:
        for router, question, answers in CASES:
            for name, text in zip(("alpha", "beta", "gamma"), answers, strict=False):
                served.simulator.script(name, [reply(text)])
            assert (await served.post(a_question(question, model=router)))[0] == 200
        await caught_up(served)
        yield served


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """A browser on the pages of such a service."""
    async with answering(tmp_path) as served:
        yield Browser(served.http, served.root)


async def caught_up(served: Served) -> None:
    await served.service.idle()
    await derive(served.service.store)
    await search_index(served.service.store)


async def table(browser: Browser, query: str = "") -> list[dict[str, str]]:
    told = await browser.get(f"{PAGE}/cases.csv{query}")
    assert told.status == 200, told.body
    return list(csv.DictReader(io.StringIO(told.body)))


def listed(page: Element) -> list[str]:
    return [one.text for one in page.one("figure", id="table-cases").all("a", class_="id")]


def seen(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{row['router']} {float(row['disagreement']):.2f}" for row in rows]


async def test_the_more_they_differ_the_higher_they_stand(browser: Browser) -> None:
    rows = await table(browser)
    found = [float(row["disagreement"]) for row in rows]
    assert found == sorted(found, reverse=True)
    assert (len(rows), rows[-1]["router"]) == (4, "panel")
    assert rows[-1]["members"] == "alpha, beta, gamma"
    page = (await browser.get(PAGE)).page
    listed = page.one("figure", id="table-cases")
    assert len(listed.all("tr")) == 5
    assert all("from=disagreement" in one.attrs["href"] for one in listed.all("a", class_="id"))


async def test_a_case_that_waits_for_a_blind_review_does_not_tell_who_won(tmp_path: Path) -> None:
    found = ("best", "served", "margin", "flips", "conflicts")
    won = "?a=alpha&b=beta&pair=b"
    async with answering(tmp_path) as served:
        browser = Browser(served.http, served.root)
        (before,) = await table(browser, "?router=pair")
        assert (before["best"], before["served"]) == ("beta", "beta")
        assert len(await table(browser, won)) == 2
        await served.service.store.change(partial(for_two, id_=before["request"]))
        (sealed,) = await table(browser, "?router=pair")
        assert {name: sealed[name] for name in found} == dict.fromkeys(found, "")
        assert (sealed["disagreement"], sealed["members"]) == (before["disagreement"], before["members"])
        page = (await browser.get(f"{PAGE}?router=pair")).page.one("figure", id="table-cases")
        assert "is told once they are decided" in page.text
        assert "beta" not in page.text
        assert [row["router"] for row in await table(browser, won)] == ["panel"]  # who better than whom is a finding
        assert len(await table(browser, "?a=alpha&b=beta&pair=differ")) == 1
        async with (
            open_log(served.service.settings.store.path) as log,
            TestServer(make_auditing(log, about="a")) as alone,
        ):
            (row,) = await table(Browser(served.http, str(alone.make_url("/")).rstrip("/")), "?router=pair")
            assert row["best"] == "beta"  # whoever has the file has all of it
        for by in ("ann", "bob"):
            said = Statement(remarks=(Remark(kind="tie"),), given_by=by, source="review", request=before["request"])
            await served.service.store.change(partial(decide, statement=said, now=datetime.now(UTC)))
        assert await table(browser, "?router=pair") == [before]


def for_two(db: Database, id_: str) -> None:
    db.execute(
        "INSERT INTO reviews (status, request_id, created_at, reason, overturned, blind) "
        "VALUES ('waiting', ?, '2026-11-23T12:00:00.000000Z', 'drawn at random', 0, 1)",
        [id_],
    )
    provide(db, [id_])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?router=pair", 1),
        ("?members=alpha,gamma", 3),
        ("?a=alpha&b=beta", 1),
        ("?a=beta&b=alpha&pair=agree", 3),
        ("?a=alpha&b=beta&pair=b", 2),
        ("?a=beta&b=alpha&pair=a", 2),
        ("?index_from=0.9", 2),
        ("?index_to=0.1", 1),
        ("?confidence_from=0.1", 0),
        ("?nano_usd_to=1000", 4),
        ("?seconds_to=0", 0),
        ("?judge=longest", 4),
        ("?judge=other", 0),
        ("?domain=-", 4),
        ("?domain=law", 0),
        ("?flag=flipped", 0),
        ("?overturned=1", 0),
        ("?incomplete=1", 0),
        ("?text=zebra", 1),
        ("?text=surely+OR+well", 2),
        ("?since=2020-01-01&until=2020-12-31", 0),
        ("?router=panel&a=alpha&b=beta&text=answer", 0),
    ],
)
async def test_filters(browser: Browser, query: str, count: int) -> None:
    assert len(await table(browser, query)) == count


async def test_filters_stay_in_the_form_and_in_the_links(browser: Browser) -> None:
    page = (await browser.get(f"{PAGE}?text=answer&members=alpha&a=alpha&b=beta&router=panel&overturned=1")).page
    form = page.one("form", class_="filters")
    fields = {one.attrs["name"]: one.attrs.get("value", "") for one in form.all("input")}
    assert (fields["text"], fields["members"], fields["a"], fields["router"]) == ("answer", "alpha", "alpha", "panel")
    assert "checked" in form.one("input", name="overturned").attrs
    pills = {one.text: query_of(one) for one in page.one(class_="pills").all("a")}
    assert pills["agree"]["pair"] == ["agree"]
    assert pills["alpha better"]["text"] == ["answer"]
    assert "a" not in pills["all members"]


def query_of(link: Element) -> dict[str, list[str]]:
    return parse_qs(urlsplit(link.attrs["href"]).query)


async def test_cells_of_the_matrix_lead_to_their_cases(browser: Browser) -> None:
    page = (await browser.get(f"{PAGE}?judge=longest")).page
    (heat,) = page.all("figure", class_="heat")
    links = heat.all("a")
    assert len(links) == 6
    one = next(link for link in links if query_of(link)["a"] == ["alpha"] and query_of(link)["b"] == ["beta"])
    assert (one.text, query_of(one)["judge"]) == ("75 %", ["longest"])
    rows = (await browser.get(one.attrs["href"])).page.one("figure", id="table-cases").all("tr")
    assert len(rows) == 2
    pairs = list(csv.DictReader(io.StringIO((await browser.get(f"{PAGE}/pairs.csv")).body)))
    told = {(row["a"], row["b"]): (row["cases"], row["agree"]) for row in pairs}
    assert told[("alpha", "beta")] == ("4", "0.75")


async def test_the_next_case_is_the_next_of_the_ranking(browser: Browser) -> None:
    ids = [row["request"] for row in await table(browser, "?router=panel")]
    csrf = (await browser.get(PAGE)).csrf
    for here, there in pairwise(ids):
        found = await browser.post(f"/ui/requests/{here}?from=disagreement&router=panel", {"csrf": csrf, "act": "next"})
        assert found.headers["Location"] == f"/ui/requests/{there}?from=disagreement&router=panel"
    last = await browser.post(f"/ui/requests/{ids[-1]}?from=disagreement&router=panel", {"csrf": csrf, "act": "next"})
    assert "done=last" in last.headers["Location"]


async def test_pages_follow_one_another_and_a_file_has_all_of_them(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [row["request"] for row in await table(browser)]
    monkeypatch.setattr(disagreement, "PAGE", 3)
    page = (await browser.get(PAGE)).page
    following = page.one("a", rel="next").attrs["href"]
    second = (await browser.get(following)).page
    assert [*listed(page), *listed(second)] == whole
    assert second.all("a", rel="next") == []
    for query in ("", "?" + urlsplit(following).query):  # wherever in the list one is
        assert [row["request"] for row in await table(browser, query)] == whole
    monkeypatch.setattr(disagreement, "MOST_ROWS", 2)
    told = await browser.get(f"{PAGE}/cases.csv")
    assert 'filename="cases-first-2.csv"' in told.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("index_from=much", "index_from: 'much' is no number"),
        ("index_from=nan", "index_from: 'nan' is no number"),
        ("a=alpha", "b: name two members"),
        ("a=alpha&b=beta&pair=best", "pair: must be one of"),
        ("after=x", "after: begins no page"),
        ("text=%22unclosed", "is no query"),
        ("members=" + ",".join(map(str, range(11))), "members: name ten at most"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_named(browse: Browse, query: str, told: str) -> None:
    found = await (await browse()).get(f"{PAGE}?{query}")
    assert found.status == 400
    assert told in found.page.text


async def test_what_is_shown_can_be_sent_to_the_queue(browser: Browser) -> None:
    page = await browser.get(f"{PAGE}?router=pair")
    form = page.page.one("form", method="post")
    sent = await browser.post(form.attrs["action"], {"csrf": page.csrf, "by": "ann"})
    assert sent.status == 303
    assert "1 case was sent" in (await browser.get(sent.headers["Location"])).page.one(class_="done").text
    queue = (await browser.get("/ui/reviews?why=flagged")).page.one("figure", id="table-waiting")
    assert "flagged by ann" in queue.text
    assert len(queue.all("tr")) == 2


async def test_an_empty_log_says_what_to_do(browse: Browse) -> None:
    page = (await (await browse()).get(PAGE)).page
    assert "No case fits." in page.text
    assert page.all("figure", class_="heat") == []
    assert page.all("form", method="post") == []
