"""Who sees pages, and whose forms are taken, over real HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict

from ensemble.keys.issuing import a_key, create, revoke
from ensemble.server.auth import is_page
from tests.ensemble.server.pages.browser import Browser
from tests.ensemble.server.pages.conftest import Browse
from tests.served import PANEL, SERVER, Served, serving

ERRORS = (400, 401, 403, 404, 405)


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr("ensemble.keys.keyring.FRESH_S", 0.0)
    async with serving(tmp_path, PANEL + SERVER) as running:
        yield running


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Browser]:
    # The cookies of an address such as 127.0.0.1 are kept, as browsers do.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Browser(http, served.root)


async def key(served: Served, name: str, *scopes: str, **more: object) -> str:
    return await served.service.store.change(lambda db: create(db, a_key(name, scopes, **more)))


async def sign_in(browser: Browser, secret: str, next_: str = "") -> int:
    csrf = (await browser.get("/ui/sign-in")).csrf
    return (await browser.post("/ui/sign-in", {"csrf": csrf, "key": secret, "next": next_})).status


async def test_without_any_key_pages_are_open_under_loopback_alone(browser: Browser) -> None:
    assert (await browser.get("/ui")).status == 200
    refused = await browser.get("/ui", Host="evil.example")
    assert refused.status == 403
    assert "loopback" in refused.page.one(role="alert").text
    assert (await browser.get("/ui/playground", Host="evil.example")).status == 403


async def test_people_sign_in_with_a_key_and_out_again(served: Served, browser: Browser) -> None:
    secret = await key(served, "ada", "audit")
    asked = await browser.get("/ui?since=2026-11-01&router=a%26b")
    assert (asked.status, asked.headers["Location"]) == (
        303, "/ui/sign-in?next=%2Fui%3Fsince%3D2026-11-01%26router%3Da%2526b",
    )  # fmt: skip
    form = await browser.get(asked.headers["Location"])
    fields = {one.attrs["name"]: one.attrs.get("value", "") for one in form.page.one("main").all("input")}
    wrong = await browser.post("/ui/sign-in", {**fields, "key": "ens-wrong"})
    assert (wrong.status, "Set-Cookie" in wrong.headers) == (401, False)
    assert "missing or wrong" in wrong.page.one(role="alert").text
    done = await browser.post("/ui/sign-in", {**fields, "key": f" {secret}\n"})
    assert (done.status, done.headers["Location"]) == (303, "/ui?since=2026-11-01&router=a%26b")
    cookie = done.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/ui", "Max-Age=43200"))
    assert secret not in cookie
    assert "Secure" not in cookie
    page = await browser.get("/ui")
    assert (page.status, "ada" in page.page.one("header").text) == (200, True)
    assert (await browser.post("/ui/sign-out", {"csrf": page.csrf})).status == 303
    assert (await browser.get("/ui")).status == 303


async def test_behind_tls_the_cookie_is_for_tls_alone(served: Served, browser: Browser) -> None:
    secret = await key(served, "ada", "audit")
    csrf = (await browser.get("/ui/sign-in")).csrf
    headers = {"X-Forwarded-Proto": "https", "Origin": browser.root.replace("http", "https")}
    done = await browser.post("/ui/sign-in", {"csrf": csrf, "key": secret}, **headers)
    assert "; Secure" in done.headers["Set-Cookie"]


async def test_a_session_ends_with_its_key(served: Served, browser: Browser) -> None:
    secret = await key(served, "ada", "audit")
    await key(served, "bob", "audit")
    assert await sign_in(browser, secret) == 303
    assert (await browser.get("/ui")).status == 200
    await served.service.store.change(lambda db: revoke(db, "ada"))
    assert (await browser.get("/ui")).status == 303
    assert await sign_in(browser, secret) == 401


@pytest.mark.parametrize(
    ("scopes", "signed_in", "overview", "playground"),
    [
        (("audit",), 303, 200, 403),
        (("use",), 303, 403, 200),
        (("admin",), 303, 200, 200),
        (("audit", "use"), 303, 200, 200),
        (("read", "metrics", "review"), 403, 303, 303),
    ],
)
async def test_a_key_opens_what_its_scopes_say(
    served: Served, browser: Browser, scopes: tuple[str, ...], signed_in: int, overview: int, playground: int
) -> None:
    """``read`` is for what one's own tenant asked, and pages show what all did."""
    secret = await key(served, "ada", *scopes, tenant="acme")
    assert await sign_in(browser, secret) == signed_in
    assert (await browser.get("/ui/overview")).status == overview
    assert (await browser.get("/ui/playground")).status == playground
    if signed_in == 303:
        links = {a.attrs["href"] for a in (await browser.get("/ui")).page.one("nav").all("a")}
        assert ("/ui/overview" in links, "/ui/playground" in links) == (overview == 200, playground == 200)


async def test_a_program_may_send_its_key_along(served: Served, browser: Browser) -> None:
    secret = await key(served, "ada", "audit")
    reply = await browser.get("/ui", Authorization=f"Bearer {secret}")
    assert (reply.status, "Set-Cookie" in reply.headers) == (200, False)


async def test_every_route_of_the_pages_needs_a_key_once_there_is_one(served: Served, browser: Browser) -> None:
    """Found by walking the router, so that a page that is added is here too."""
    await key(served, "ada", "audit")
    useless = {"Authorization": f"Bearer {await key(served, 'metrics', 'metrics')}"}
    walked = 0
    for route in served.app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if not is_page(path) or route.method == "HEAD" or path in ("/ui/static/{name}", "/ui/sign-in"):
            continue
        async with browser.http.request(route.method, served.root + path, allow_redirects=False) as reply:
            assert reply.status == (303 if route.method == "GET" else 401), route
        async with browser.http.request(route.method, served.root + path, headers=useless) as reply:
            assert reply.status == 403 or path in ("/ui", "/ui/"), route
        walked += 1
    assert walked >= 4


async def test_every_form_needs_its_token_and_our_origin(served: Served, browser: Browser) -> None:
    secret = await key(served, "ada", "admin")
    stranger = (await browser.get("/ui/sign-in")).csrf
    assert await sign_in(browser, secret) == 303
    csrf = (await browser.get("/ui")).csrf
    own = {"Origin": browser.root, "Sec-Fetch-Site": "same-origin"}
    refused: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"csrf": ""}, own),
        ({"csrf": stranger}, own),  # another session's
        ({"csrf": csrf[:-1] + "é"}, own),
        ({"csrf": csrf}, {"Origin": "https://evil.example"}),
        ({"csrf": csrf}, {"Origin": "null"}),
        ({"csrf": csrf}, {"Origin": browser.root + ".evil.example"}),
        ({"csrf": csrf}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": csrf}, {"Sec-Fetch-Site": "same-site"}),
    ]
    for fields, headers in refused:
        reply = await browser.post("/ui/sign-out", fields, **headers)
        assert reply.status == 403, (fields, headers)
        assert "form" in reply.page.one(role="alert").text
    assert (await browser.get("/ui")).status == 200
    assert (await browser.post("/ui/sign-out", {"csrf": csrf}, **own)).status == 303


async def test_forms_need_a_token_where_no_key_is_needed_too(browser: Browser) -> None:
    assert (await browser.post("/ui/sign-out", {})).status == 403
    csrf = (await browser.get("/ui/sign-in")).csrf
    assert (await browser.post("/ui/sign-out", {"csrf": csrf})).status == 303


@pytest.mark.parametrize(
    "next_",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "/uix",
        "/ui/../v1",
        "javascript:1",
        "/ui\n/x",
        "//[",
        "",
    ],
)
async def test_nobody_is_sent_elsewhere_after_signing_in(served: Served, browser: Browser, next_: str) -> None:
    secret = await key(served, "ada", "audit")
    csrf = (await browser.get("/ui/sign-in")).csrf
    done = await browser.post("/ui/sign-in", {"csrf": csrf, "key": secret, "next": next_})
    assert done.status == 303
    assert done.headers["Location"] in ("/ui", "/ui/../v1")  # of the same origin, at worst


async def test_every_reply_has_the_headers_that_keep_it_inert(served: Served, browser: Browser) -> None:
    await key(served, "ada", "audit")
    for path in ("/ui", "/ui/sign-in", "/ui/static/ui.css", "/ui/static/nothing", "/ui/nothing"):
        headers = CIMultiDict((await browser.get(path)).headers)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store" or path.startswith("/ui/static")


async def test_errors_are_pages_and_the_api_keeps_its_own(served: Served, browser: Browser) -> None:
    missing = await browser.get("/ui/nothing/at/all")
    assert (missing.status, missing.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert (await browser.post("/ui", {"csrf": (await browser.get("/ui/sign-in")).csrf})).status == 405
    status, said, _ = await served.get("/v1/nothing")
    assert (status, said["error"]["code"]) == (404, "not_found")
    assert "/ui" not in said["error"]["message"].removesuffix("; pages for people are under /ui"), "no route of theirs"


async def test_the_key_of_a_file_is_the_only_one(browse: Browse) -> None:
    browser = await browse(key="s3cret")
    assert (await browser.get("/ui", Authorization="Bearer s3cret", Host="audit.example.org")).status == 200
    assert (await browser.get("/ui", Authorization="Bearer s3cre")).status == 303
    open_ = await browse()
    assert (await open_.get("/ui", Host="audit.example.org")).status == 403
    assert "read-only" in (await open_.get("/ui")).page.one("footer").text


async def test_the_filter_offers_the_routers_of_the_log(served: Served, browser: Browser) -> None:
    await served.post()
    await served.post({"model": "alpha", "messages": [{"role": "user", "content": "Why?"}]})
    await served.service.idle()
    for query, selected in (("", []), ("?router=alpha", ["alpha"]), ("?router=%3Cb%3E", ["<b>"])):
        options = (await browser.get("/ui/overview" + query)).page.one("select", name="router").all("option")
        assert [one.text for one in options][:3] == ["all", "alpha", "panel"]
        assert [one.attrs["value"] for one in options if "selected" in one.attrs] == selected


async def test_who_may_look_may_not_decide(served: Served, browser: Browser) -> None:
    """Found by walking the router, so that a form that is added is here too."""
    await served.post()
    await served.service.idle()
    before = await served.service.store.counts()
    (id_,) = await served.service.store.read(lambda db: [row["id"] for row in db.query("SELECT id FROM requests")])
    secret = await key(served, "ada", "audit", "read", "metrics")
    assert await sign_in(browser, secret) == 303
    csrf = (await browser.get("/ui")).csrf
    walked = 0
    for route in served.app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if route.method != "POST" or not is_page(path) or path in ("/ui/sign-in", "/ui/sign-out"):
            continue
        reply = await browser.post(path.replace("{id}", str(id_)), {"csrf": csrf, "question": "Why?", "finding": "tie"})
        assert reply.status == 403, path
        walked += 1
    assert walked >= 4
    after = await served.service.store.counts()
    changed = {name for name in after if after[name] != before.get(name) and not name.startswith("audit_")}
    assert changed == {"api_keys"}


async def test_a_form_that_is_too_large_is_refused_as_a_page(tmp_path: Path) -> None:
    async with serving(tmp_path, PANEL + SERVER + "max_body_bytes = 5_000\n") as small:
        browser = Browser(small.http, small.root)
        csrf = (await browser.get("/ui/sign-in")).csrf
        reply = await browser.post("/ui/playground", {"csrf": csrf, "question": "a" * 5_001})
    assert (reply.status, reply.page.one("h1").text) == (413, "Too large")
