"""A question asked from the page, over real HTTP against the simulated fleet."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ensemble.allowance import Limit
from ensemble.keys.issuing import a_key, create
from ensemble.server.pages.visible import visible
from ensemble.simulator.script import reply, status
from tests import hostile
from tests.ensemble.server.pages.browser import Browser, Element, parsed
from tests.ensemble.server.pages.conftest import Browse
from tests.served import PANEL, SERVER, Served, serving

EVENTS = {"Accept": "text/html, text/event-stream"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, PANEL + SERVER) as running:
        yield running


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Browser(http, served.root)


async def fields(browser: Browser, question: str = "Why?", **more: str) -> dict[str, str]:
    return {"csrf": (await browser.get("/ui/playground")).csrf, "question": question, **more}


def candidates(page: Element) -> dict[str, str]:
    return {one.one("h2").text: one.text for one in page.all("article", class_="candidate")}


async def test_the_form_offers_routers_and_members(browser: Browser) -> None:
    page = (await browser.get("/ui/playground?question=%3Cb%3E&model=beta")).page
    options = page.one("select", name="model").all("option")
    assert [one.text for one in options] == ["panel", "alpha", "beta", "gamma", "critic"]
    assert [one.text for one in options if "selected" in one.attrs] == ["beta"]
    assert page.one("textarea", name="question").text == "<b>"


async def test_without_javascript_a_page_shows_candidates_and_verdict(served: Served, browser: Browser) -> None:
    for name, text in (("alpha", "short"), ("beta", "a **longer** answer"), ("gamma", "middling")):
        served.simulator.script(name, [reply(text)])
    asked = await browser.post("/ui/playground", await fields(browser, model="panel", system="Be brief."))
    assert asked.status == 200
    shown = candidates(asked.page)
    assert list(shown) == ["alpha", "beta", "gamma"]
    assert ("best" in shown["beta"], "served" in shown["beta"], "best" in shown["alpha"]) == (True, True, False)
    assert "beta is served" in asked.page.one(role="status").text
    assert asked.page.one("article", class_="best").one("strong").text == "longer"
    assert "Verdict of longest" in asked.page.one("section", class_="verdict").text
    link = next(a.attrs["href"] for a in asked.page.one(role="status").all("a"))
    record = await served.record(link.rpartition("/")[2])
    assert (record["dialect"], record["member"]) == ("playground", "beta")
    assert asked.page.one("textarea", name="system").text == "Be brief."


async def test_candidates_are_told_as_they_come(served: Served, browser: Browser) -> None:
    gate = served.simulator.hold("gamma", "the longest of them, " * 20)
    form = await fields(browser, model="panel")
    async with browser.http.post(f"{served.root}/ui/playground", data=form, headers=EVENTS) as reply_:
        assert reply_.headers["Content-Type"].startswith("text/event-stream")
        assert "default-src 'none'" in reply_.headers["Content-Security-Policy"]
        told: list[Element] = []
        async for line in _messages(reply_):
            told.append(parsed(line))
            if "2 of 3" in told[-1].one(role="status").text:
                gate.set()
    assert "is writing" in candidates(told[0])["alpha"]
    waiting = next(page for page in told if "2 of 3" in page.one(role="status").text)
    assert "is writing" in candidates(waiting)["gamma"]
    assert "is writing" not in candidates(waiting)["alpha"]
    assert "gamma is served" in told[-1].one(role="status").text
    assert "best" in candidates(told[-1])["gamma"]


async def test_failures_are_told_and_so_is_no_answer_at_all(served: Served, browser: Browser) -> None:
    served.simulator.script("alpha", [status(500)])
    asked = await browser.post("/ui/playground", await fields(browser, model="panel"))
    assert "overloaded" in candidates(asked.page)["alpha"]
    served.simulator.script("alpha", [status(500)])
    form = await fields(browser, model="alpha")
    async with browser.http.post(f"{served.root}/ui/playground", data=form, headers=EVENTS) as reply_:
        last = parsed([message async for message in _messages(reply_)][-1])
    assert "no answer" in last.one(role="status").text
    assert "alpha" in last.one(role="alert").text


async def test_answers_are_inert(served: Served, browser: Browser) -> None:
    texts = (*hostile.SCRIPTS, *hostile.MARKDOWN)
    served.simulator.script("alpha", [reply(text) for text in texts])
    form = await fields(browser, model="alpha")
    for text in texts:
        page = (await browser.post("/ui/playground", {**form, "question": text})).page
        assert page.one("textarea", name="question").text == " ".join(visible(text).split())
        answer = page.one("article", class_="candidate")
        assert {one.tag for one in answer.all()} & {
            "script",
            "img",
            "svg",
            "iframe",
            "form",
            "style",
            "button",
        } == set()
        assert all(a.attrs["href"].startswith(("http", "mailto")) for a in answer.all("a"))


async def test_two_megabytes_are_cut(served: Served, browser: Browser) -> None:
    served.simulator.script("alpha", [reply(hostile.LONG)])
    asked = await browser.post("/ui/playground", await fields(browser, model="alpha"))
    assert len(asked.body) < 60_000
    assert "more characters are not shown here" in candidates(asked.page)["alpha"]


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"question": " \n"}, 400, "question: is empty"),
        ({"model": "nobody"}, 404, "nobody"),
        ({"csrf": ""}, 403, "form"),
    ],
)
async def test_what_cannot_be_asked_says_why(browser: Browser, changes: dict[str, str], code: int, told: str) -> None:
    asked = await browser.post("/ui/playground", {**await fields(browser), **changes})
    assert asked.status == code
    assert told in asked.page.one(role="alert").text


async def test_limits_of_a_key_hold_here_too(served: Served, browser: Browser) -> None:
    key = a_key("ada", ("use",), limits=(Limit.parse("requests=1/day"),))
    secret = await served.service.store.change(lambda db: create(db, key))
    csrf = (await browser.get("/ui/sign-in")).csrf
    await browser.post("/ui/sign-in", {"csrf": csrf, "key": secret})
    asked = [await browser.post("/ui/playground", await fields(browser, model="alpha")) for _ in range(2)]
    assert [one.status for one in asked] == [200, 429]
    assert [
        row["key_id"] for row in await served.service.store.read(lambda db: list(db.query("SELECT * FROM requests")))
    ] == [key.id]
    assert asked[0].page.one(role="status").all("a") == []  # the record is for those who may see it


async def test_over_a_file_nobody_can_be_asked(browse: Browse) -> None:
    browser = await browse()
    page = await browser.get("/ui")
    assert "Playground" not in page.page.one("nav").text
    assert (await browser.get("/ui/playground")).status == 404


async def _messages(reply_: aiohttp.ClientResponse) -> AsyncIterator[str]:
    lines = list[str]()
    async for line in reply_.content:
        text = line.decode().rstrip("\n")
        if text.startswith("data:"):
            lines.append(text.removeprefix("data: "))
        elif not text and lines:
            yield "\n".join(lines)
            lines = []
