import hashlib
import re

import pytest

from ensemble.server.pages.static import HOME, files
from tests.ensemble.server.pages.conftest import Browse

LOCAL = re.compile(r"url\(|@import|https?://(?!www\.w3\.org/)")


async def test_files_are_kept_for_as_long_as_they_are_the_same(browse: Browse) -> None:
    browser = await browse()
    page = (await browser.get("/ui")).page
    loaded = [one.attrs.get("href") or one.attrs["src"] for one in (*page.all("link"), *page.all("script"))]
    assert len(loaded) >= 4
    for address in loaded:
        reply = await browser.get(address)
        assert (reply.status, "immutable" in reply.headers["Cache-Control"]) == (200, True)
    old = await browser.get("/ui/static/ui.css?v=before")
    assert (old.status, old.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["README.md", "nothing.css", "..%2Fframe.py", "%2e%2e%2ftemplates%2fframe.html"])
async def test_nothing_else_is_there(browse: Browse, name: str) -> None:
    assert (await (await browse()).get(f"/ui/static/{name}")).status == 404


def test_what_others_wrote_is_unchanged() -> None:
    rows = re.findall(r"`([\w.-]+)` \| `dist/[\w./-]+` \| (\w{64})", (HOME / "README.md").read_text(encoding="utf-8"))
    assert {name for name, _ in rows} == {path.name for path in HOME.glob("*.min.js")}
    for name, digest in rows:
        assert hashlib.sha256((HOME / name).read_bytes()).hexdigest() == digest


def test_our_own_files_load_nothing_from_elsewhere() -> None:
    own = {name: file for name, file in files().items() if not name.endswith(".min.js")}
    assert len(own) == 3
    for name, file in own.items():
        assert not LOCAL.search(file.body.decode()), name
