"""How often somebody may try a wrong key at the sign-in form, over real HTTP."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import make_mocked_request

from ensemble.errors import LimitExceeded, Unauthenticated
from ensemble.place import PLACE, Place
from ensemble.server.pages.attempts import ALL, EACH, WINDOW_S, Attempts, SharedAttempts, address_of
from tests.ensemble.server.pages.browser import Browser, Reply
from tests.ensemble.server.pages.conftest import Browse

Make = Callable[[], Attempts]


@pytest.fixture(params=["one process", "workers"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return Attempts if request.param == "one process" else lambda: SharedAttempts(tmp_path)


@pytest.fixture
async def browser(browse: Browse) -> Browser:
    return await browse(key="s3cret")


async def attempt(browser: Browser, key: str, address: str = "") -> Reply:
    csrf = (await browser.get("/ui/sign-in")).csrf
    headers = {"X-Forwarded-For": address} if address else {}
    return await browser.post("/ui/sign-in", {"csrf": csrf, "key": key}, **headers)


async def test_after_ten_wrong_keys_of_an_address_none_is_looked_at(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(EACH):
        assert (await attempt(browser, "wrong")).status == 401
    for key in ("wrong", "s3cret"):
        refused = await attempt(browser, key)
        assert (refused.status, "Set-Cookie" in refused.headers) == (429, False)
        assert 0 < int(refused.headers["Retry-After"]) <= WINDOW_S
        said = refused.page.one(role="alert").text
        assert "too many wrong keys came from your address: try again in" in said
    assert (await attempt(browser, "wrong", "192.0.2.7")).status == 401  # another one, as the proxy says
    later = time.monotonic() + WINDOW_S
    monkeypatch.setattr("ensemble.server.pages.attempts.time", SimpleNamespace(monotonic=lambda: later))
    assert (await attempt(browser, "s3cret")).status == 303


async def test_right_keys_are_not_counted(browser: Browser) -> None:
    for _ in range(EACH + 1):
        assert (await attempt(browser, "s3cret")).status == 303
    assert (await attempt(browser, "wrong")).status == 401


async def test_whoever_has_many_addresses_is_held_up_too(browser: Browser) -> None:
    for number in range(ALL):
        assert (await attempt(browser, "wrong", f"192.0.2.{number}")).status == 401
    refused = await attempt(browser, "wrong", "198.51.100.1")
    assert refused.status == 429
    assert "from everywhere" in refused.page.one(role="alert").text


async def test_workers_count_together(browse: Browse, tmp_path: Path) -> None:
    (shared := tmp_path / "shared").mkdir()
    browsers = list[Browser]()
    for number in (1, 2):
        token = PLACE.set(Place(number=number, of=2, folder=shared))
        browsers.append(await browse(key="s3cret"))
        PLACE.reset(token)
    for _ in range(EACH // 2):
        assert [(await attempt(browser, "wrong")).status for browser in browsers] == [401, 401]
    assert [(await attempt(browser, "s3cret")).status for browser in browsers] == [429, 429]
    assert (await attempt(browsers[0], "s3cret", "192.0.2.7")).status == 303


async def test_attempts_under_way_count(make: Make) -> None:
    attempts = make()
    async with attempts.counted("a"), attempts.counted("a"):
        for _ in range(EACH - 2):
            await _try(attempts, "a")
        with pytest.raises(LimitExceeded):
            await _try(attempts, "a")
    await _try(attempts, "a")


async def test_what_is_kept_is_bounded_and_goes_with_its_time(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = make()
    for number in range(2 * ALL):
        with suppress(LimitExceeded):
            await _try(attempts, f"192.0.2.{number}")
    later = time.monotonic() + WINDOW_S
    with pytest.raises(LimitExceeded) as refused:
        await _try(attempts, "2001:db8::")
    assert refused.value.retry_after_s == pytest.approx(WINDOW_S, abs=10)
    kept = len(attempts._kept) + len(list(tmp_path.glob("attempts/*")))  # noqa: ASYNC240 - a few
    assert kept == ALL
    monkeypatch.setattr("ensemble.server.pages.attempts.time", SimpleNamespace(monotonic=lambda: later))
    await _try(attempts, "2001:db8::")
    assert len(attempts._kept) + len(list(tmp_path.glob("attempts/*"))) == 1  # noqa: ASYNC240


async def _try(attempts: Attempts, address: str) -> None:
    with suppress(Unauthenticated):
        async with attempts.counted(address):
            raise Unauthenticated("wrong")


@pytest.mark.parametrize(
    ("peer", "forwarded", "is_"),
    [
        ("203.0.114.9", "192.0.2.1", "203.0.114.9"),  # a stranger says what he likes
        ("10.0.0.2", "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("", "192.0.2.1", "192.0.2.1"),  # a proxy at a socket of this machine
        ("::ffff:203.0.114.9", "", "203.0.114.9"),
        ("2a00:1:2:3:4:5:6:7", "", "2a00:1:2:3::"),
    ],
)
def test_who_tries_is_told_by_whom_we_believe(peer: str, forwarded: str, is_: str) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    asked = make_mocked_request("POST", "/ui/sign-in", headers=headers).clone(remote=peer)
    assert address_of(asked) == is_
