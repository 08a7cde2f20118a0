"""Every door of the server, found by walking its router: nobody passes without a key, or with another's."""

import itertools
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from yarl import URL

from ensemble.keys.issuing import SCOPES, a_key, create
from ensemble.server.auth import is_page
from ensemble.server.logs import JsonLines, TextLines
from tests import served
from tests.served import PANEL, SERVER, Served, a_question

OPEN = {"/healthz", "/readyz", "/openapi.json", "/ui/sign-in", "/ui/static/{name}"}
"""What the README calls open to anybody."""
ANY_KEY = {"/ui", "/ui/", "/ui/sign-out"}
"""Pages for whoever has a key, whatever for."""
SCOPE_OF = {
    "/v1/chat/completions": "use",
    "/v1/messages": "use",
    "/v1/messages/count_tokens": "use",
    "/v1/responses": "use",
    "/v1/responses/{id}": "use",
    "/v1/models": "use",
    "/v1/models/{model}": "use",
    "/v1/ensemble/compare": "use",
    "/v1/ensemble/feedback": "use",
    "/v1/ensemble/requests/{id}": "read",
    "/v1/ensemble/reviews": "review",
    "/v1/ensemble/reviews/{id}": "review",
    "/v1/ensemble/reviews/{id}/claim": "review",
    "/v1/ensemble/reviews/{id}/decide": "review",
    "/metrics": "metrics",
    "/ui/playground": "use",
}
"""What each route needs, said here once more: one that is added has to be named here. Other pages need ``audit``."""
WRITES = {"/ui/disagreement/flag", "/ui/requests/{id}", "/ui/reviews/next", "/ui/reviews/draw"}
"""What, posted to, shows the log and decides too: it needs ``audit`` and ``review``; a key of one scope does not do."""
WRONG: dict[str, dict[str, str]] = {
    "no key": {},
    "a wrong key": {"Authorization": "Bearer ens-wrong"},
    "an empty key": {"Authorization": "Bearer "},
    "another scheme": {"Authorization": "Basic ens-wrong"},
    "a wrong key of Anthropic's": {"x-api-key": "ens-wrong"},
    "no cookie of ours": {"Cookie": "ensemble_session=x; ensemble=x"},
    "another address": {"X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"},
    "another method": {"X-HTTP-Method-Override": "GET", "X-Forwarded-User": "admin"},
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    """The panel; how its providers are called makes no difference here."""
    async with served.serving(tmp_path, PANEL + SERVER) as opened:
        yield opened


async def bearer(server: Served, name: str, *scopes: str) -> dict[str, str]:
    secret = await server.service.store.change(lambda db: create(db, a_key(name, scopes)))
    return {"Authorization": f"Bearer {secret}"}


def doors(server: Served) -> Iterator[tuple[str, str, str]]:
    """Method, name and an address of every route that is not open."""
    for route in server.app.router.routes():
        assert route.resource is not None
        name = route.resource.canonical
        if name not in OPEN:
            yield (
                route.method,
                name,
                re.sub(r"\{\w+\}", "x", name.replace("{kind}", "csv").replace("/responses/{id}", "/responses/resp_x")),
            )


async def knock(server: Served, method: str, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """Status, text and where it leads, at exactly that address."""
    url = URL(server.root + path, encoded=True)
    async with server.http.request(method, url, headers=headers, allow_redirects=False) as reply:
        return reply.status, await reply.text(errors="replace"), reply.headers.get("Location", "")


async def nothing_happened(server: Served) -> None:
    await server.service.idle()
    assert len(server.simulator.served) == 0
    assert (await server.service.store.counts())["requests"] == 0


async def test_what_is_open_is_what_is_documented(server: Served) -> None:
    await bearer(server, "somebody", "admin")
    for path in OPEN:
        status, _, _ = await knock(server, "GET", path.replace("{name}", "ui.css"), {})
        assert status == 200, path


@pytest.mark.parametrize("wrong", WRONG)
async def test_no_door_opens_without_a_key_that_is_right(server: Served, wrong: str) -> None:
    await bearer(server, "somebody", "admin")
    walked = 0
    for method, name, path in doors(server):
        status, _, leads = await knock(server, method, path, WRONG[wrong])
        if is_page(name) and method in ("GET", "HEAD"):
            assert (status, leads.partition("?")[0]) == (303, "/ui/sign-in"), (method, name)
        else:
            assert status == 401, (method, name)
        walked += 1
    assert walked >= 60
    await nothing_happened(server)


async def test_no_door_opens_for_a_key_that_is_for_something_else(server: Served) -> None:
    keys = {scope: await bearer(server, scope, scope) for scope in SCOPES}
    _, sign_in, _ = await knock(server, "GET", "/ui/sign-in", {})
    token = re.findall(r'name="csrf" value="([^"]+)"', sign_in)[0]
    for method, name, path in doors(server):
        if name in ANY_KEY:
            continue
        assert name in SCOPE_OF or is_page(name), f"{name}: say above which scope it needs"
        needed = SCOPE_OF.get(name, "audit")
        for scope, headers in keys.items():
            status, told, _ = await knock(server, method, path, {**headers, "X-CSRF-Token": token})
            may = scope == "admin" or (scope == needed and (method != "POST" or name not in WRITES))
            assert (status != 403) == may, (method, name, scope, told)
            assert status != 401, (method, name, scope)
    await nothing_happened(server)


SPELLINGS = (
    "//v1/models",
    "/v1//models",
    "/v1/./models",
    "/v1/models/",
    "/healthz/../v1/models",
    "/healthz%2f..%2fv1/models",
    "/healthz/%2e%2e/v1/models",
    "/ui/../v1/models",
    "/ui/%2e%2e/v1/models",
    "/ui%2f..%2fv1/models",
    "/ui/static/../../v1/models",
    "/ui/static/..%2foverview",
    "/ui/static/../overview",
    "/ui/sign-in/../overview",
    "/ui/sign-in%2f..%2foverview",
    "/ui//overview",
    "/ui/%6fverview",
    "/UI/overview",
    "/%75i/overview",
    "/%76%31/models",
    "/V1/models",
    "/v1/models;/healthz",
    "/v1/models?/healthz",
    "/v1/models%00/healthz",
    "/healthz;/../metrics",
    "/metrics%20",
    "/%2fmetrics",
    "/.well-known/../metrics",
)
"""Addresses that a guard and a router might read differently."""


async def test_no_spelling_of_an_address_gets_past_the_guard(server: Served) -> None:
    useless = await bearer(server, "probe", "review")
    for path, method in itertools.product(SPELLINGS, ("GET", "HEAD", "POST", "OPTIONS", "PURGE")):
        for headers in ({}, useless):
            status, told, leads = await knock(server, method, path, headers)
            assert status in (400, 401, 403, 404, 405) or leads.startswith("/ui/sign-in"), (method, path, status)
            assert '"alpha"' not in told, (method, path)
            assert "ensemble_requests_total" not in told, (method, path)
    await nothing_happened(server)


async def test_a_client_forges_no_line_of_the_servers_log(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it may choose is sent with line breaks, controls and a line that looks like ours."""
    caplog.set_level(logging.DEBUG)
    forged = '\r\n12:00:00 info ensemble.server: forged\x1b[2J\u2028{"level":"info","message":"forged"}'
    await server.post(a_question(forged, model=forged))
    await server.post(a_question(forged, user=forged, metadata={"conversation": forged, forged[:60]: forged[:60]}))
    await server.post(data=forged.encode())
    headers = {
        "User-Agent": "forged\x85\x9b2J",
        "x-ensemble-conversation": "forged\x85",
        "Idempotency-Key": "forged\x85",
    }
    await server.post(headers=headers)
    path = "/v1/ensemble/requests/forged%0d%0aforged%1b%5b2J?a=%0aforged"
    await knock(server, "GET", path, {"traceparent": "forged"})
    records = [record for record in caplog.records if record.name.startswith("ensemble")]
    assert sum(record.getMessage() == "request" for record in records) >= 5
    for record in records:
        for form in (JsonLines(), TextLines()):
            line = form.format(record)
            assert line.isprintable(), line
            assert "forged" not in line, line
