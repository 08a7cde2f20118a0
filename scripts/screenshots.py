"""Make the README's pictures of the audit pages, from the simulated fleet, in a real browser.

Never from recorded data, whose licences are not ours. The pictures are kept in the package, beside the pages.
"""

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from scripts._pictured import Pictured, browsing, chromium, disagreeing, pictured

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

FOLDER = Path(__file__).parent.parent / "ensemble" / "server" / "pages" / "pictures"
WIDTH, HEIGHT = 1280, 860
QUESTION = "A train leaves at 14:35 and arrives at 17:10. How long does it take?"


async def shoot(seen: Pictured, browser: "Browser", folder: Path) -> list[Path]:
    """One picture per page, the request in dark colours and on a phone as well."""
    (first, *_) = await disagreeing(seen.service)
    addresses = {
        "overview": "/ui/overview",
        "disagreement": "/ui/disagreement",
        "request": f"/ui/requests/{first}",
        "judges": "/ui/judges",
        "routers": "/ui/routers",
        "reviews": "/ui/reviews",
    }
    waiting = await browser.new_page()  # the page itself does not wait until routers are measured
    await waiting.request.get(f"{seen.root}/ui/routers/measured.csv", timeout=60_000)
    await waiting.close()
    made = await _views(seen, browser, folder, addresses, "light", WIDTH, HEIGHT)
    made += await _views(seen, browser, folder, {"request-dark": addresses["request"]}, "dark", WIDTH, HEIGHT)
    made += await _views(seen, browser, folder, {"overview-phone": addresses["overview"]}, "light", 390, 844)
    tab = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    await tab.goto(f"{seen.root}/ui/playground")
    await tab.select_option("select[name=model]", "careful")
    await tab.fill("textarea[name=question]", QUESTION)
    await tab.click("form.ask button")
    await tab.wait_for_selector("#run [data-winner], #run .winner, #run .verdict", timeout=20_000)
    return [*made, await _saved(tab, folder / "playground.png")]


async def _views(
    seen: Pictured,
    browser: "Browser",
    folder: Path,
    addresses: Mapping[str, str],
    scheme: Literal["light", "dark"],
    width: int,
    height: int,
) -> list[Path]:
    tab = await browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    made = []
    for name, address in addresses.items():
        answer = await tab.goto(seen.root + address, wait_until="networkidle")
        if answer is None or answer.status != 200:
            raise click.ClickException(f"{address} answers {answer.status if answer else 'nothing'}")
        made.append(await _saved(tab, folder / f"{name}.png"))
    await tab.close()
    return made


async def _saved(tab: "Page", path: Path) -> Path:
    await tab.screenshot(path=path)
    return path


async def run(requests: int, seed: int, folder: Path) -> list[Path]:
    """Fill a simulated log, open its pages, make the pictures."""
    found = chromium()
    if found is None:
        raise click.ClickException("no Chromium is on PATH; on Debian: apt-get install chromium")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as name:
        async with pictured(Path(name), requests, seed) as seen, browsing(found) as browser:
            return await shoot(seen, browser, folder)


@click.command(epilog="Example: scripts/screenshots")
@click.option(
    "--requests", type=click.IntRange(min=20), default=300, show_default=True, help="Simulated, to fill the log."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of tasks, answers and errors.")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), default=FOLDER, help="Where; the package if not given."
)
def command(requests: int, seed: int, folder: Path) -> None:
    """Make the README's pictures from the simulated fleet."""
    for path in asyncio.run(run(requests, seed, folder)):
        print(f"{path}  {path.stat().st_size:,} bytes")
    print("scripts/screenshots: all of it is simulated", file=sys.stderr)


if __name__ == "__main__":
    command(prog_name="scripts/screenshots")
