"""The report in a real browser: it runs nothing, fetches nothing, fits the screen, and its names can be read."""

import shutil
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, async_playwright

from ensemble.training.held import hold
from ensemble.training.page import page
from ensemble.training.panels import panels
from tests.ensemble.training.examples import MEMBERS, a_hold, an_example
from tests.ensemble.training.test_page import HOSTILE, report_on

Scheme = Literal["light", "dark"]
WIDTHS = (1280, 390)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
NAME = '<img src="http://127.0.0.1:9/name" onerror="window.hit=1">'
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on PATH, such as Debian's package chromium")
OVERLAPPING = """() => {
  const names = [...document.querySelector("svg").querySelectorAll("g > text")];
  const boxes = names.map(name => [name.textContent, name.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], at) => boxes.slice(at + 1).filter(([, b]) =>
    a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom).map(([two]) => [one, two]));
}"""
"""Pairs of names in the first drawing that cover each other by more than the space around letters."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        await opened.close()


@pytest.fixture
async def report(tmp_path: Path) -> Path:
    """A report whose texts and names are hostile."""
    text = HOSTILE + ' <a href="javascript:window.hit=1">x</a> <style>@import "http://127.0.0.1:9/style"</style>'
    lost = an_example("<i>x</i>", {"small": 1.0, "medium": 1.0, "large": 0.0}, text)
    held = hold([*a_hold(40).examples, lost], members=MEMBERS)
    path = tmp_path / "report.html"
    html = page(await report_on(held, NAME), data=NAME, panels=panels(held, draws=20), curves={NAME: [(10, 0.5)]})
    path.write_text(html, encoding="utf-8")
    return path


# One browser shows all four, since its start takes far longer than a page.
async def test_it_is_inert_and_readable(browser: Browser, report: Path) -> None:
    for width, scheme in product(WIDTHS, SCHEMES):
        tab = await browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        await _inert_and_readable(tab, report, width, scheme)
        await tab.close()


async def _inert_and_readable(tab: Page, report: Path, width: int, scheme: Scheme) -> None:
    told, fetched, dialogs = list[str](), list[str](), list[str]()
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("request", lambda request: fetched.append(request.url))
    tab.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await tab.goto(report.as_uri())
    assert (told, fetched, dialogs) == ([], [report.as_uri()], [])
    assert await tab.evaluate("window.hit") is None
    assert await tab.locator("script, img, iframe, a, i, link").count() == 0
    assert "<script>alert(1)</script>" in await tab.inner_text("body"), "shown as the text that it is"
    assert await tab.evaluate("document.documentElement.scrollWidth") <= width, "tables scroll, the page does not"
    paper = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert await tab.evaluate(OVERLAPPING) == []
    assert await tab.evaluate("Math.min(...[...document.querySelectorAll('svg')].map(one => one.clientWidth))") >= 600
