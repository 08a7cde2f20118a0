"""The page of a request that two people decide on: sealed until each has chosen, and settled by a third."""

from functools import partial

import aiohttp

from ensemble.store.audit.reviewed import said
from tests.ensemble.server.pages.browser import Browser
from tests.ensemble.server.pages.test_requests import TEXTS, address, asked, by_member, for_two, say
from tests.ensemble.server.pages.test_requests import browser as browser
from tests.ensemble.server.pages.test_requests import served as served
from tests.served import Served


async def test_what_two_decide_apart_is_sealed_until_each_has_chosen(served: Served, browser: Browser) -> None:
    record = await asked(served)
    await served.service.store.change(lambda db: for_two(db, record["id"]))
    path = address(record)
    assert "gamma" not in (await browser.get(path)).body
    for hidden in (
        "/ledger.csv",
        "/said.json",
        f"/text?at=verdicts/{record['verdicts'][0]['id']}/reason",
        "/text?at=calls",
    ):
        refused = await browser.get(path + hidden)
        assert (refused.status, "gamma" in refused.body) == (403, False)
    assert (await browser.get(f"{path}/text?at=candidates/{by_member(record)['beta']}/text")).body == TEXTS[1]
    assert (await browser.get(f"{path}/text?at=messages/0/content")).body == "Why?"
    assert (await say(browser, path, "ann", act="decide", finding="tie"))[0] == 303
    assert "gamma" in (await browser.get(path)).body  # ann has chosen
    browser.http.cookie_jar.clear()
    other = await browser.get(path)
    assert "gamma" not in other.body
    assert "ann" not in [field.attrs["value"] for field in other.page.all("input", name="by")]
    assert (await say(browser, path, "bob", act="decide", finding=by_member(record)["alpha"]))[0] == 303
    assert "gamma" in (await browser.get(path)).body
    assert [word["given_by"] for word in await served.service.store.read(partial(said, request=record["id"]))] == [
        "ann", "bob",
    ]  # fmt: skip


async def test_a_third_sees_what_two_found_and_settles_it(served: Served, browser: Browser) -> None:
    record = await asked(served)
    path = address(record, "?blind=1&from=queue")
    await served.service.store.change(lambda db: for_two(db, record["id"]))
    best = sorted(one["id"] for one in record["candidates"])[1]
    csrf = (await browser.get(path)).csrf
    for by, found in (("ann", "tie"), ("bob", best)):
        assert "Two have found differently" not in (await browser.get(path)).body
        sent = await browser.post(
            path, {"csrf": csrf, "act": "decide", "finding": found, "by": by, "comment": f"so {by}"}
        )
        assert sent.status == 303
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        third = Browser(http, served.root)
        page = await third.get(path)
        told = [one.text for one in page.page.one("section", **{"aria-labelledby": "votes"}).all("li")]
        assert told == ["tie: so ann", "#2 is best: so bob"]
        assert not any(name in page.body for name in ("alpha", "beta", "gamma", "longest"))
        await third.post(path, {"csrf": page.csrf, "act": "decide", "finding": best, "by": "cat"})
        after = (await third.get(address(record))).page
    assert {row.all("td")[0].text for row in after.one("figure", id="table-said").one("tbody").all("tr")} == {
        "ann", "bob", "cat",
    }  # fmt: skip
    people = next(one for one in after.one("dl", class_="figures").all("div") if one.one("dt").text == "People")
    assert people.one("dd").text == "#23 said"  # his word stands for both of theirs
