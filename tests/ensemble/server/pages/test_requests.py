"""The page of one request, over real HTTP: whole, blind, and what a reviewer says on it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ensemble.keys.issuing import a_key, create
from ensemble.server.pages.access import FileGate
from ensemble.server.pages.app import make_pages
from ensemble.server.pages.rendering import number
from ensemble.server.shape import shaped
from ensemble.simulator import reply
from ensemble.simulator.talk import ToolUse
from ensemble.store.anchors import anchors
from ensemble.store.audit.facts import facts_of, replace_facts, stale
from ensemble.store.audit.reviewed import said
from ensemble.store.audit.sums import COLUMNS
from ensemble.store.database import Database
from ensemble.store.reading import open_log
from ensemble.store.review_seats import provide
from ensemble.store.reviews import review
from ensemble.store.texts import blank
from tests.ensemble.server.pages.browser import Browser, Element
from tests.served import PANEL, SERVER, Served, a_question, serving

DOUBT = PANEL + '[routers.panel.trust]\nmin_confidence = 0.9\non_low = "review"\n'
"""Every answer waits for a person: the judge of this panel knows no confidence."""
TEXTS = (
    "The sky is blue because of scattering of light.",
    "The sky looks blue because of scattering, mostly.",
    "The sky is blue because of Rayleigh scattering of light.",
)
"""By alpha, beta and gamma; the judge goes by length, so gamma's is best."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, DOUBT + SERVER) as running:
        yield running


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:  # of addresses, too
        yield Browser(http, served.root)


async def asked(served: Served, texts: Sequence[Any] = TEXTS, question: str = "Why?") -> dict[str, Any]:
    """The record of a question that alpha, beta and gamma answered with ``texts``."""
    for name, text in zip(("alpha", "beta", "gamma"), texts, strict=True):
        served.simulator.script(name, [reply(text) if isinstance(text, str) else text])
    status, _, headers = await served.post(a_question(question))
    assert status == 200
    return await served.record(headers["x-ensemble-request-id"])


def address(record: Mapping[str, Any], query: str = "") -> str:
    return f"/ui/requests/{record['id']}{query}"


def by_member(record: Mapping[str, Any]) -> dict[str, str]:
    return {one["member"]: one["id"] for one in record["candidates"]}


def cards(page: Element) -> list[Element]:
    return page.all("article", class_="candidate")


async def say(browser: Browser, path: str, by: str = "ann", **fields: str) -> tuple[int, str]:
    """Send a form of the page at ``path``; the status and where it leads."""
    csrf = (await browser.get(path)).csrf
    sent = await browser.post(path, {"csrf": csrf, "by": by, **fields})
    return sent.status, sent.headers.get("Location", "")


async def test_the_whole_case_is_on_one_page(served: Served, browser: Browser) -> None:
    record = await asked(served)
    page = (await browser.get(address(record))).page
    first, *others = cards(page)
    assert "gamma" in first.one("h3").text
    assert {tag.text for tag in first.all("span", class_="tag")} == {"best", "served"}
    shown = {card.one("h3").text.split()[1]: card for card in others}
    assert [one.text for one in shown["beta"].all("ins")] == ["looks", ", mostly"]
    assert [one.text for one in shown["beta"].all("del")] == ["is", "Rayleigh", "of light"]
    for wanted in ("Why?", "Judge longest", "waits for a person", record["config"], record["prompt_hash"]):
        assert wanted in page.text
    assert len(page.one("figure", id="table-ledger").all("tr")) == 1 + len(record["calls"])
    assert {row.one("th").text for row in page.one("figure", class_="waterfall").one("tbody").all("tr")} >= {
        "the answer", "alpha (candidate)", "verdict of longest (served)",
    }  # fmt: skip


async def test_the_signs_of_disagreement_stand_with_the_case_once_they_are_made(
    served: Served, browser: Browser
) -> None:
    record = await asked(served)
    store = served.service.store
    (made,) = await store.read(partial(facts_of, ids=[record["id"]]))
    await store.change(lambda db: replace_facts(db, [made], stale(db, 100)))
    told = {
        item.one("dt").text: item.one("dd").text
        for item in (await browser.get(address(record))).page.one("dl", class_="figures").all("div")
    }
    assert told["Disagreement"].startswith(number(float(str(made.case[COLUMNS["audit_cases"].index("disagreement")]))))
    assert "texts alike" in told["Disagreement"]


async def test_words_are_compared_with_any_candidate(served: Served, browser: Browser) -> None:
    record = await asked(served)
    page = (await browser.get(address(record))).page
    link = next(card for card in cards(page) if "alpha" in card.one("h3").text).all("a")[-1].attrs["href"]
    again = (await browser.get(link.partition("#")[0])).page
    alpha = next(card for card in cards(again) if "alpha" in card.one("h3").text)
    assert alpha.all("ins") == alpha.all("del") == []
    assert next(card for card in cards(again) if "gamma" in card.one("h3").text).all("ins") != []


async def test_every_table_of_the_page_is_a_file(served: Served, browser: Browser) -> None:
    record = await asked(served)
    page = (await browser.get(address(record))).page
    links = [link.attrs["href"] for link in page.all("a") if "download" in link.attrs]
    assert {link.rpartition("/")[2] for link in links} == {
        f"{name}.{kind}" for name in ("candidates", "costs", "ledger", "provenance") for kind in ("csv", "json")
    }
    for link in links:
        assert (await browser.get(link)).status == 200
    ledger = await browser.get(address(record) + "/ledger.csv")
    assert len(ledger.body.splitlines()) == 1 + len(record["calls"])


async def test_blind_no_byte_tells_who_wrote_what_or_who_won(served: Served, browser: Browser) -> None:
    record = await asked(served)
    filters = "?blind=1&from=queue&members=alpha,beta&winner=gamma&judge=longest&router=panel&against=1"
    reply_ = await browser.get(address(record, filters))
    assert reply_.status == 200
    told = reply_.body + str(dict(reply_.headers))
    secrets = [
        "alpha",
        "beta",
        "gamma",
        "longest",
        "panel",
        record["config"],
        record["prompt_hash"],
        record["arrived_at"],
    ]
    secrets += [record["plan"]["router"], f"{record['answered_s']:.3f}", str(record["cost"]["nano_usd"])]
    secrets += [str(call[name]) for call in record["calls"] for name in ("id", "member_digest", "price", "nano_usd")]
    secrets += [call["provider_request_id"] for call in record["calls"]]
    secrets += [record["verdicts"][0][name] for name in ("id", "judge_digest", "reason")]
    secrets += ["best<", "served", "$", " ms", "min_confidence"]
    assert [one for one in secrets if one in told] == []
    shown = [radio.attrs["value"] for radio in reply_.page.all("input", type="radio")]
    assert shown == [*sorted(by_member(record).values()), "tie", "all_bad", "cannot_tell"]
    texts = {one["id"]: one["text"] for one in record["candidates"]}
    assert [card.one("div", class_="plain").text for card in cards(reply_.page)] == [
        texts[id_] for id_ in sorted(texts)
    ]


async def test_once_chosen_all_is_shown_and_the_review_is_decided(served: Served, browser: Browser) -> None:
    record = await asked(served)
    path = address(record, "?blind=1&from=queue")
    assert "alpha" not in (await browser.get(path)).body
    status, there = await say(browser, path, act="decide", finding=by_member(record)["beta"], comment="shorter")
    assert (status, there) == (303, f"{path}&done=decided")
    page = (await browser.get(there)).page
    assert page.one("p", class_="done").text == "Your finding is in the log."
    assert "best by people" in next(card for card in cards(page) if "beta" in card.one("h3").text).text
    store = served.service.store
    (word,) = await store.read(partial(said, request=record["id"]))
    assert (word["kind"], word["given_by"], word["source"], word["text"]) == ("preferred", "ann", "review", "shorter")
    row = await store.read(partial(review, id_=record["id"], now=datetime.now(UTC)))
    assert row is not None
    assert (row["status"], row["decided_by"]) == ("decided", "ann")
    browser.http.cookie_jar.clear()
    assert "alpha" not in (await browser.get(path)).body  # somebody else has not chosen yet


@pytest.mark.parametrize(("finding", "kind"), [("tie", "tie"), ("all_bad", "all_bad"), ("cannot_tell", "cannot_tell")])
async def test_there_may_be_no_best_one(served: Served, browser: Browser, finding: str, kind: str) -> None:
    record = await asked(served)
    assert (await say(browser, address(record), act="decide", finding=finding))[0] == 303
    (word,) = await served.service.store.read(partial(said, request=record["id"]))
    assert (word["kind"], word["candidate_id"]) == (kind, None)


async def test_a_choice_that_is_none_is_refused_without_naming_anybody(served: Served, browser: Browser) -> None:
    record = await asked(served)
    path = address(record, "?blind=1")
    csrf = (await browser.get(path)).csrf
    for wrong in ("delta", "beta", "", "preferred"):
        refused = await browser.post(path, {"csrf": csrf, "act": "decide", "finding": wrong, "by": "ann"})
        assert refused.status == 400
        assert "gamma" not in refused.body
    nobody = await browser.post(path, {"csrf": csrf, "act": "decide", "finding": "tie", "by": " "})
    assert (nobody.status, "say who you are" in nobody.body) == (400, True)
    strange = await browser.post(path, {"act": "decide", "finding": "tie", "by": "ann"})
    assert strange.status == 403
    assert await served.service.store.read(partial(said, request=record["id"])) == []


async def test_next_goes_through_the_queue_and_round(served: Served, browser: Browser) -> None:
    first, second, third = [await asked(served, question=f"Why {number}?") for number in range(3)]
    here, there, last = (address(one, "?from=queue&blind=1") for one in (first, second, third))
    assert (await say(browser, f"{here}&done=decided&against=1", act="next")) == (303, there)
    assert (await say(browser, there, act="next"))[1] == last
    assert (await say(browser, last, act="next"))[1] == here
    assert (await say(browser, there, act="decide", finding="tie"))[0] == 303
    assert (await say(browser, here, act="next"))[1] == last
    row = await served.service.store.read(partial(review, id_=third["id"], now=datetime.now(UTC)))
    assert row is not None
    assert (row["status"], row["claimed_by"]) == ("claimed", "ann")  # so that nobody else is sent there
    for one in (here, last):
        assert (await say(browser, one, act="decide", finding="tie"))[0] == 303
    end = (await say(browser, last, act="next"))[1]
    assert end == f"{last}&done=last"
    assert "no other case" in (await browser.get(end)).page.one("p", class_="done").text


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("?from=queue&blind=1&why=flagged&view=markdown", "/ui/reviews?why=flagged"),
        ("?members=alpha%2Cbeta&from=disagreement&against=2", "/ui/disagreement?members=alpha,beta"),
        ("?from=elsewhere", "/ui"),
    ],
)
async def test_back_to_the_list_with_its_filters(served: Served, browser: Browser, query: str, there: str) -> None:
    record = await asked(served)
    assert (await say(browser, address(record, query), act="back")) == (303, there)


async def test_tags_comments_and_test_sets(served: Served, browser: Browser) -> None:
    record = await asked(served)
    path = address(record)
    assert (await say(browser, path, act="tag", tags="legal, odd", comment="see clause 3"))[1] == f"{path}?done=tagged"
    assert (await say(browser, path, act="tag", comment="alone"))[0] == 303
    assert (await say(browser, path, act="tag"))[0] == 400
    words = await served.service.store.read(partial(said, request=record["id"]))
    assert [(word["name"], word["text"]) for word in words] == [
        ("legal", "see clause 3"), ("odd", None), ("comment", "alone"),
    ]  # fmt: skip
    assert (await say(browser, path, act="keep", set="hard"))[1] == f"{path}?done=kept"
    assert (await say(browser, path, act="keep", set="hard"))[1] == f"{path}?done=held"
    (kept,) = await served.service.store.read(partial(anchors, anchor_set="hard"))
    assert kept.winners == {by_member(record)["gamma"]}
    assert "in hard" in (await browser.get(path)).page.text


HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(2)">',
    '</div></main><a href="javascript:alert(3)">x</a>\u202egnirts\u2066\x1b[31m{{ 7*7 }}',
    '"><svg onload=alert(4)>\u200b=HYPERLINK()',
)


async def test_hostile_texts_are_shown_inert(served: Served, browser: Browser) -> None:
    record = await asked(served, HOSTILE, question="<b onmouseover=alert(5)>why</b>")
    for query in ("", "?blind=1"):
        got = await browser.get(address(record, query))
        page = got.page  # its tags are closed where they should be
        assert {tag.attrs.get("src", "").partition("?")[0] for tag in page.all("script")} == {
            "/ui/static/htmx.min.js", "/ui/static/ui.js",
        }  # fmt: skip
        main = page.one("main")
        assert main.all("img") == main.all("b", onmouseover="alert(5)") == main.all("script") == []
        assert not [tag for tag in main.all() if any(name.startswith("on") or name == "style" for name in tag.attrs)]
        assert not [tag for tag in main.all("a") if tag.attrs["href"].lower().startswith("javascript")]
        assert "⟨U+202E⟩" in main.text
        assert "\u202e" not in got.body
        assert "script-src 'self'" in got.headers["Content-Security-Policy"]


async def test_markdown_is_formatted_where_that_is_asked_for(served: Served, browser: Browser) -> None:
    record = await asked(served, ("*a*", "**b**", "**long** ![x](https://example.org/x.png) <b>no</b>"))
    for start in ("?blind=1", ""):
        path = address(record, start)
        assert (await browser.get(path)).page.one("main").all("strong") == []
        formatted = (await say(browser, path, act="format"))[1]
        main = (await browser.get(formatted)).page.one("main")
        assert {one.text for one in main.all("strong")} == {"b", "long"}
        assert main.all("img") == []
        assert "no" not in [one.text for one in main.all("b")]
        assert (await say(browser, formatted, act="format"))[1] == path


async def test_large_outputs_are_cut_and_found_whole(served: Served, browser: Browser) -> None:
    large = "word " * 400_000
    record = await asked(served, (large + "a", large + "b", large + "long"))
    got = await browser.get(address(record))
    assert len(got.body) < 200_000
    links = [a.attrs["href"] for a in got.page.all("a") if a.text == "All of it"]
    assert len(links) == 3
    texts = [(await browser.get(link)).body for link in links]
    assert sorted(texts) == [large + "a", large + "b", large + "long"]
    plain = await browser.get(links[0])
    assert plain.headers["Content-Type"].startswith("text/plain")
    assert plain.headers["X-Content-Type-Options"] == "nosniff"


async def test_tool_calls_and_json_are_laid_out(served: Served, browser: Browser) -> None:
    use = ToolUse(id="call_1", name="weather", arguments='{"city":"Oslo","days":[1,2]}')
    record = await asked(served, ("no", '{"sky":"blue"}', reply("", finish="tool_calls", tool_calls=(use,))))
    page = (await browser.get(address(record))).page
    card = next(one for one in cards(page) if "gamma" in one.one("h3").text)
    assert '"city": "Oslo",' in card.one("pre").text
    assert "weather" in card.text
    assert '"sky": "blue"' in next(one for one in cards(page) if "beta" in one.one("h3").text).text


@pytest.mark.parametrize(("content", "gone"), [("redacted", False), ("expired", True)])
async def test_texts_that_are_gone_are_told(served: Served, browser: Browser, content: str, gone: bool) -> None:
    record = await asked(served)
    await served.service.store.change(partial(blank, ids=[record["id"]], content=content))
    page = (await browser.get(address(record))).page
    assert (f"The texts of this request are not in the log ({content})." in page.text) == gone


async def test_what_is_not_there_is_not_found(served: Served, browser: Browser) -> None:
    record = await asked(served)
    assert (await browser.get("/ui/requests/nowhere")).status == 404
    assert (await browser.get(address(record, "/nothing.csv"))).status == 404
    assert (await browser.get(address(record, "/text?at=nothing"))).status == 404
    assert (await browser.get(f"/ui/requests/chatcmpl-{record['id']}")).status == 200


async def test_a_key_says_who_reviews_and_whether_he_may(served: Served, browser: Browser) -> None:
    record = await asked(served)
    keys = {}
    for name, scopes in (("carol", ("audit", "review")), ("dave", ("audit",))):
        made = await served.service.store.change(lambda db, n=name, s=scopes: create(db, a_key(n, s)))  # type: ignore[misc]
        keys[name] = {"Authorization": f"Bearer {made}"}
    path = address(record)
    page = await browser.get(path, **keys["dave"])
    assert page.page.all("form", class_="choose") == []
    sent = {"csrf": page.csrf if page.page.all("input", name="csrf") else "", "act": "decide", "finding": "tie"}
    assert (await browser.post(path, sent, **keys["dave"])).status == 403
    page = await browser.get(path, **keys["carol"])
    assert page.page.all("input", name="by") == []
    sent = {"csrf": page.csrf, "act": "decide", "finding": "tie", "by": "somebody else"}
    assert (await browser.post(path, sent, **keys["carol"])).status == 303
    (word,) = await served.service.store.read(partial(said, request=record["id"]))
    assert word["given_by"] == "carol"


async def test_a_file_is_read_and_never_written(served: Served, browser: Browser) -> None:
    """In ``audit serve`` nobody can choose, so nothing is hidden."""
    record = await asked(served)
    await served.service.store.change(lambda db: for_two(db, record["id"]))
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(served.service.settings.store.path))
        pages = make_pages(log, FileGate(None), about="a file")
        app = web.Application(middlewares=[shaped])
        app.add_subapp("/ui", pages)
        server = await stack.enter_async_context(TestServer(app))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        file = Browser(http, str(server.make_url("/")).rstrip("/"))
        got = await file.get(address(record, "?blind=1"))
        assert "gamma" in got.body
        assert got.page.all("form", class_="choose") == []


def for_two(db: Database, id_: str) -> None:
    db.conn.execute("UPDATE reviews SET blind = 1 WHERE request_id = ?", [id_])
    provide(db, [id_])
