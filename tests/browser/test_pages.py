"""Every page in a real browser: on a log of recorded data, by keyboard, and with output that attacks the reader."""

import csv
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from axe_playwright_python.async_playwright import Axe
from openai import AsyncOpenAI
from playwright.async_api import Browser, Page

from ensemble.server.app import make_app
from ensemble.service import open_service
from ensemble.simulator import Simulator, SimulatorSettings, reply
from scripts import _runs, screenshots
from scripts._pictured import browsing, chromium, disagreeing, look_after
from tests.served import PANEL, SERVER, a_question, serving

CHROMIUM = chromium()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on PATH, such as Debian's package chromium"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
ASKED = 36
PAGES = ("", "/overview", "/worth", "/disagreement", "/judges", "/routers", "/reviews", "/playground")

BEYOND = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
  [`${document.documentElement.scrollWidth} px`, ...[...document.querySelectorAll("body *")]
    .filter(one => !one.closest(".wide, pre, nav"))
    .filter(one => one.getBoundingClientRect().left + one.scrollWidth > window.innerWidth + 1)
    .map(one => `${one.tagName}.${one.className}: ${one.textContent.slice(0, 60)}`).slice(0, 20)]"""
"""What stands out of a page that is wider than the window."""


TITLE = """async () =>
  new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html").title"""


@dataclass(frozen=True, slots=True)
class Site:
    """A service with its pages; ``cases`` are requests, those on which members differ most first.

    ``asked`` is one of the recorded questions.
    """

    root: str
    cases: Sequence[str]
    asked: str = ""

    @property
    def addresses(self) -> list[str]:
        return [*(f"/ui{page}" for page in PAGES), f"/ui/requests/{self.cases[0]}"]


@dataclass(slots=True)
class Seen:
    """What a tab did on its own."""

    told: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def elsewhere(self, root: str) -> list[str]:
        return [url for url in self.fetched if not url.startswith((root, "blob:", "data:"))]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsing(CHROMIUM or "") as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Recorded outputs and recorded preferences, served, judged and logged."""
    folder, data = tmp_path_factory.mktemp("site"), shared_data / "routing" / "alpaca_fleet.jsonl.gz"
    questions = _runs.read_questions(data, ASKED)
    members = sorted(questions[0].outputs)[:4]
    prices = dict.fromkeys((*members, _runs.EVALUATOR), _runs.Price(input=Decimal(1), output=Decimal(3)))
    async with AsyncExitStack() as stack:
        settings = SimulatorSettings(recording=data, latency=0, evaluator_noise=0.2, keep_served=1)
        simulator = await stack.enter_async_context(Simulator(settings))
        text = _runs.configuration(simulator.base_url, prices, members, folder / "recorded.db")
        text += f'[routers.{_runs.PANEL}.trust]\nmin_confidence = 0.99\non_low = "review"\n'
        (folder / "ensemble.toml").write_text(text, encoding="utf-8")
        service = await stack.enter_async_context(open_service(folder / "ensemble.toml"))
        server = await stack.enter_async_context(TestServer(make_app(service)))
        root = str(server.make_url("/")).rstrip("/")
        async with AsyncOpenAI(base_url=f"{root}/v1", api_key="none", max_retries=0) as client:
            for at, question in enumerate(questions):
                await client.chat.completions.create(
                    model=_runs.PANEL,
                    messages=[{"role": "user", "content": question.prompt}],
                    metadata={"domain": ("writing", "facts", "code")[at % 3]},
                )
        await service.idle()
        await look_after(service)
        yield Site(root, await disagreeing(service), questions[0].prompt)


async def opened(
    browser: Browser, *, width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> tuple[Page, Seen]:
    tab, seen = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme), Seen()
    tab.on("console", lambda message: seen.told.append(message.text))
    tab.on("pageerror", lambda error: seen.told.append(str(error)))
    tab.on("dialog", lambda dialog: seen.told.append(f"dialog: {dialog.message}"))
    tab.on("request", lambda request: seen.fetched.append(request.url))
    return tab, seen


async def go(tab: Page, address: str) -> None:
    answer = await tab.goto(address, wait_until="networkidle")
    assert answer is not None
    assert answer.status == 200, await tab.inner_text("body")


async def violations(tab: Page) -> list[str]:
    found = await Axe().run(tab)
    return [
        f"{one['id']}: {node['html'][:160]} ({node.get('failureSummary', '')[:200]})"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
async def test_every_page_is_readable_by_everybody(
    browser: Browser, site: Site, width: int, scheme: Literal["light", "dark"]
) -> None:
    tab, seen = await opened(browser, width=width, scheme=scheme)
    for address in site.addresses:
        await go(tab, site.root + address)
        assert await violations(tab) == [], address
        assert await tab.evaluate(BEYOND) == [], address
        assert await tab.title() == await tab.evaluate(TITLE), "what is fetched later does not rename the page"
    assert seen.told == []
    assert seen.elsewhere(site.root) == []
    await tab.close()


async def test_filters_stay_in_the_address_and_hold(browser: Browser, site: Site) -> None:
    tab, _ = await opened(browser)
    await go(tab, f"{site.root}/ui/overview?router=nobody")
    assert "nobody" in tab.url
    await tab.click("nav >> text=Judges")
    await tab.wait_for_url("**/judges?*router=nobody*")
    await go(tab, f"{site.root}/ui/overview?router={_runs.PANEL}")
    shown = await tab.inner_text("main")
    assert str(ASKED) in shown or str(ASKED + 1) in shown, "the playground asks one more, before this or after"
    await tab.close()


async def test_every_case_is_found_page_by_page(browser: Browser, site: Site) -> None:
    tab, _ = await opened(browser)
    await go(tab, f"{site.root}/ui/disagreement?limit=10")
    found: list[str] = []
    while True:
        links = await tab.eval_on_selector_all("main table a[href*='/ui/requests/']", "all => all.map(a => a.pathname)")
        found += list(dict.fromkeys(links))
        following = tab.locator("a[rel=next]")
        if not await following.count():
            break
        async with tab.expect_navigation():
            await following.first.click()
    ids = [one.rpartition("/")[2] for one in found]
    assert len(ids) == len(set(ids))
    assert set(site.cases) <= set(ids)
    assert len(ids) in (ASKED, ASKED + 1), "the playground asks one more, before this or after"
    assert [one for one in ids if one in site.cases][:5] == list(site.cases[:5])
    await tab.close()


async def test_a_blind_review_needs_no_mouse(browser: Browser, site: Site) -> None:
    tab, _ = await opened(browser)
    await go(tab, f"{site.root}/ui/reviews")
    await tab_to(tab, "by")
    await tab.keyboard.type("ann")
    await tab.keyboard.press("Enter")
    await tab.wait_for_url("**/requests/*")
    blind = await tab.content()
    assert "Which answer is best?" in blind
    names = {name for name in ("gpt", "claude", "llama", "mistral") if name in (await tab.inner_text("header")).lower()}
    assert names == set()
    await tab.keyboard.press("1")
    async with tab.expect_navigation():
        await tab.keyboard.press("s")
    told = await tab.inner_text("main")
    assert "ann" in told
    await go(tab, f"{site.root}/ui/reviews?show=decided")
    assert "ann" in await tab.inner_text("main")
    await tab.close()


async def test_a_verdict_is_overruled_by_keys(browser: Browser, site: Site) -> None:
    tab, _ = await opened(browser)
    await go(tab, f"{site.root}/ui/requests/{site.cases[-1]}")
    await tab_to(tab, "by")
    await tab.keyboard.type("bob")
    await tab.keyboard.press("Escape")
    await tab.keyboard.press("b")
    async with tab.expect_navigation():
        await tab.keyboard.press("s")
    told = await tab.inner_text("main")
    assert "bob" in told
    assert "all bad" in told.lower()
    await tab.close()


async def tab_to(tab: Page, name: str) -> None:
    """Press Tab until the field of that name has the focus."""
    for _ in range(80):
        if await tab.evaluate("document.activeElement.name") == name:
            return
        await tab.keyboard.press("Tab")
    raise AssertionError(f"no way to {name} by Tab")


async def test_the_playground_goes_to_the_verdict(browser: Browser, site: Site) -> None:
    tab, seen = await opened(browser)
    await go(tab, f"{site.root}/ui/playground")
    await tab.select_option("select[name=model]", _runs.PANEL)
    await tab.fill("textarea[name=question]", site.asked)
    await tab.click("form.ask button")
    await tab.wait_for_selector("#run .candidate")
    await tab.wait_for_selector("#run .verdict")
    await tab.wait_for_selector("#run .tag.good >> text=answered")
    assert await tab.locator("#run .candidate").count() == 4
    assert seen.told == []
    await tab.close()


async def test_a_table_comes_as_csv_with_all_its_rows(browser: Browser, site: Site, tmp_path: Path) -> None:
    tab, _ = await opened(browser)
    await go(tab, f"{site.root}/ui/overview")
    rows = await tab.locator("#members tbody tr, table:has-text('Win rate per member') tbody tr").count()
    link = tab.locator("a[href*='/overview/members.csv']").first
    async with tab.expect_download() as coming:
        await link.click()
    await (await coming.value).save_as(tmp_path / "members.csv")
    with (tmp_path / "members.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == rows == 4
    assert {"member", "won", "won_low", "won_high"} <= set(table[0])
    await tab.close()


ATTACKS = (
    '<script>window.hit=1</script><img src=x onerror="window.hit=2"><svg/onload=window.hit=3>',
    '[a](javascript:window.hit=4) ![p](http://127.0.0.1:9/pixel) <a href="javascript:window.hit=5">b</a>',
    "{{ 7*7 }} ${7*7} </textarea></pre></code><iframe src='http://127.0.0.1:9/frame'></iframe>",
    '=HYPERLINK("http://127.0.0.1:9/","click") +cmd|calc -1+1 @SUM(A1)',
    "\u202egnp.exe\u202c \u2066hidden\u2069 \x1b[2J\x1b]0;title\x07 \x00 \x08 \ufeff",
    "<style>@import 'http://127.0.0.1:9/style'</style><link rel=stylesheet href=http://127.0.0.1:9/link>",
    "<form action=http://127.0.0.1:9/ method=post><input name=csrf autofocus onfocus=window.hit=6></form>",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with serving(tmp_path_factory.mktemp("attacked"), PANEL + SERVER) as served:
        served.simulator.always("alpha", reply("\n\n".join(ATTACKS)))
        served.simulator.always("beta", reply("=1+1 " + ATTACKS[3]))
        served.simulator.always("gamma", reply("A <b>long</b> one. " * 120_000))
        ids = []
        for attack in ATTACKS:
            question = a_question(attack, metadata={"domain": attack[:60].replace("\x00", "")}, user="<b>u</b>")
            status, said, _ = await served.post(question)
            assert status == 200, said
            ids.append(said["id"].removeprefix("chatcmpl-"))
        await served.service.idle()
        await look_after(served.service)
        yield Site(served.root, ids)


@pytest.mark.parametrize("formatted", ["", "?format=markdown"])
async def test_hostile_output_is_shown_and_does_nothing(browser: Browser, attacked: Site, formatted: str) -> None:
    tab, seen = await opened(browser)
    for address in [*attacked.addresses, *(f"/ui/requests/{id_}" for id_ in attacked.cases[1:])]:
        await go(tab, f"{attacked.root}{address}{formatted}")
        assert await tab.evaluate("window.hit") is None, address
        assert await tab.locator("iframe, img[src^=http], main form[action*='127.0.0.1:9']").count() == 0
    assert seen.elsewhere(attacked.root) == []
    assert [told for told in seen.told if "dialog" in told] == []
    shown = await tab.inner_text("main")
    assert "<script>window.hit=1</script>" in shown, "it is told as what it is"
    assert "\u202e" not in shown
    await tab.close()


async def test_hostile_output_is_no_formula_in_a_csv(attacked: Site) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as http:
        for name in ("disagreement/cases.csv", "overview/domains.csv"):
            async with http.get(f"{attacked.root}/ui/{name}") as told:
                assert told.status == 200
                text = await told.text()
            cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
            assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r")) and not _number(cell)]


def _number(cell: str) -> Any:
    try:
        return bool(cell) and float(cell) == float(cell)
    except ValueError:
        return cell == ""


async def test_the_readme_shows_what_the_script_makes(tmp_path: Path) -> None:
    made = {path.name for path in await screenshots.run(30, 1, tmp_path)}
    kept = {path.name for path in screenshots.FOLDER.iterdir()}
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert made == kept
    assert [name for name in sorted(made) if f"ensemble/server/pages/pictures/{name}" not in readme] == []
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in made)
