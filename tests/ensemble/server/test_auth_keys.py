"""Keys of the log at the door: who may ask what, whose requests one sees, how limits are told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from ensemble.allowance import Limit
from ensemble.keys.issuing import a_key, create, revoke
from ensemble.server.auth import OPEN, is_page, scope_of
from tests.served import PANEL, SERVER, Served, a_question, serving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, PANEL + SERVER) as running:
        yield running


async def bearer(served: Served, name: str, *scopes: str, **more: object) -> dict[str, str]:
    key = a_key(name, scopes or ("use",), **more)
    return {"Authorization": f"Bearer {await served.service.store.change(lambda db: create(db, key))}"}


async def test_as_soon_as_there_is_a_key_nobody_is_served_without(served: Served) -> None:
    headers = await bearer(served, "app")
    code, said, _ = await served.post()
    assert (code, said["error"]["code"]) == (401, "invalid_api_key")
    code, said, _ = await served.post(headers=headers | {"Host": "llm.example.org"})
    assert code == 200
    async with served.client(api_key=headers["Authorization"].removeprefix("Bearer ")) as client:
        reply = await client.chat.completions.create(model="panel", messages=[{"role": "user", "content": "Why?"}])
    assert reply.choices[0].message.content
    assert (await served.get("/healthz"))[0] == 200


async def test_a_key_may_come_as_anthropics_do(served: Served) -> None:
    secret = (await bearer(served, "app"))["Authorization"].removeprefix("Bearer ")
    assert (await served.get("/v1/models", headers={"x-api-key": secret}))[0] == 200
    assert (await served.get("/v1/models", headers={"x-api-key": secret + "x"}))[0] == 401
    assert (await served.get("/v1/models", headers={"Authorization": f"bearer {secret}"}))[0] == 200


@pytest.mark.parametrize(("ended", "told"), [("revoked", "has been revoked"), ("expired", "has expired")])
async def test_an_ended_key_is_refused_at_once(
    served: Served, monkeypatch: pytest.MonkeyPatch, ended: str, told: str
) -> None:
    monkeypatch.setattr("ensemble.keys.keyring.FRESH_S", 0.0)
    past = datetime.now(UTC) - timedelta(seconds=1)
    headers = await bearer(served, "app", **({"expires_at": past} if ended == "expired" else {}))
    if ended == "revoked":
        assert (await served.get("/v1/models", headers=headers))[0] == 200
        await served.service.store.change(lambda db: revoke(db, "app"))
    code, said, _ = await served.get("/v1/models", headers=headers)
    assert (code, told in said["error"]["message"]) == (401, True)


async def test_every_route_needs_its_scope(served: Served) -> None:
    """Found by walking the router, so that a route that is added is here too."""
    by_scope = {scope: await bearer(served, scope, scope) for scope in ("use", "read", "review", "metrics", "admin")}
    walked = 0
    for route in served.app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if route.method == "HEAD" or path in OPEN or is_page(path):
            continue
        needed = scope_of(route.method, path)
        for scope, headers in by_scope.items():
            async with served.http.request(route.method, served.root + path, headers=headers) as reply:
                forbidden = reply.status == 403
            assert forbidden == (scope not in (needed, "admin")), (route, scope)
        async with served.http.request(route.method, served.root + path) as reply:
            assert reply.status == 401, route
        walked += 1
    assert walked >= 5


@pytest.mark.parametrize("path", ["/ui", "/anything", "/v2/chat/completions"])
def test_what_no_rule_names_is_for_admins(path: str) -> None:
    assert scope_of("GET", path) == scope_of("POST", path) == "admin"


async def test_one_sees_what_its_tenant_asked_and_nothing_else(served: Served) -> None:
    ours = await bearer(served, "ours", "use", tenant="acme")
    theirs = await bearer(served, "theirs", "use", "read", tenant="other")
    colleague = await bearer(served, "colleague", "read", tenant="acme")
    loner = await bearer(served, "loner", "use", "read")
    admin = await bearer(served, "admin", "admin")
    _, said, _ = await served.post(headers=ours)
    _, own, _ = await served.post(headers=loner)
    seen = {
        name: [
            (await served.get(f"/v1/ensemble/requests/{id_}", headers=headers))[0] for id_ in (said["id"], own["id"])
        ]
        for name, headers in (("colleague", colleague), ("theirs", theirs), ("loner", loner), ("admin", admin))
    }
    assert seen == {"colleague": [200, 404], "theirs": [404, 404], "loner": [404, 200], "admin": [200, 200]}
    _, row, _ = await served.get(f"/v1/ensemble/requests/{said['id']}", headers=admin)
    assert (row["tenant"], row["key_id"][:4]) == ("acme", "key_")


async def test_one_says_nothing_of_what_others_asked(served: Served) -> None:
    ours, theirs = await bearer(served, "ours", tenant="acme"), await bearer(served, "theirs", tenant="other")
    colleague, admin = await bearer(served, "colleague", tenant="acme"), await bearer(served, "admin", "admin")
    _, said, _ = await served.post(a_question(metadata={"conversation": "c1"}), headers=ours)
    for about in ({"request_id": said["id"]}, {"conversation": "c1"}):
        codes = []
        for headers in (theirs, colleague, admin):
            body = {**about, "tags": ["good"], "idempotency_key": "k1"}
            async with served.http.post(f"{served.url}/ensemble/feedback", json=body, headers=headers) as reply:
                codes.append(reply.status)
        assert codes == ([404, 201, 201] if "request_id" in about else [404, 409, 409])


async def test_idempotency_keys_of_feedback_are_those_of_an_api_key(served: Served) -> None:
    codes = []
    for name in ("one", "two"):
        headers = await bearer(served, name)
        _, said, _ = await served.post(headers=headers)
        body = {"request_id": said["id"], "rating": True, "idempotency_key": "k1"}
        for _ in range(2):
            async with served.http.post(f"{served.url}/ensemble/feedback", json=body, headers=headers) as reply:
                codes.append(reply.status)
    assert codes == [201, 200, 201, 200]


async def test_limits_are_told_as_openai_and_anthropic_tell_them(served: Served) -> None:
    limits = tuple(map(Limit.parse, ("requests=2/minute", "requests=100/day", "tokens=1000000/day")))
    headers = await bearer(served, "app", limits=limits)
    _, _, told = await served.post(headers=headers)
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert 0 < int(told["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
    assert told["x-ratelimit-limit-tokens"] == "1000000"
    await served.post(headers=headers)
    code, said, told = await served.post(headers=headers)
    assert (code, said["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 0 < int(told["Retry-After"]) <= 60
    assert told["x-ratelimit-remaining-requests"] == "0"
    async with served.http.post(f"{served.url}/messages", headers=headers) as reply:
        assert reply.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert reply.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


async def test_the_last_use_is_noted(served: Served, tmp_path: Path) -> None:
    headers = await bearer(served, "app")
    await served.post(headers=headers)
    await served.service.keyring.remember()
    with Database(tmp_path / "ensemble.db") as db:
        (used_at,) = db.execute("SELECT used_at FROM api_keys").fetchone()
    assert used_at.startswith(f"{datetime.now(UTC):%Y-%m-%dT%H}")


async def test_a_log_that_cannot_be_read_lets_nobody_in_whom_it_did_not_know(served: Served, tmp_path: Path) -> None:
    headers = await bearer(served, "app")
    assert (await served.get("/v1/models", headers=headers))[0] == 200
    file = tmp_path / "ensemble.db"
    file.rename(tmp_path / "gone")
    file.mkdir()
    assert (await served.get("/v1/models", headers=headers))[0] == 200
    code, said, _ = await served.get("/v1/models", headers={"Authorization": "Bearer unknown"})
    assert (code, said["error"]["code"]) == (503, "store_unavailable")
