"""What one tenant asked is nothing to another, by whatever way it asks for it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ensemble.keys.issuing import a_key, create, rotate
from tests import served
from tests.served import Served, a_question

SECRET = "the secret of acme"
TABLES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta"]
judge = "llm"
cache_s = 3600
trust = { min_confidence = 1.0, on_low = "review" }

[server]
drain_s = 0.2
singleflight = true
"""
ALL = ("use", "read", "review", "metrics")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    """Everything on that keeps answers; how its providers are called makes no difference here."""
    async with served.serving(tmp_path, TABLES) as opened:
        yield opened


async def bearer(server: Served, name: str, tenant: str | None = None, scopes: tuple[str, ...] = ALL) -> dict[str, str]:
    secret = await server.service.store.change(lambda db: create(db, a_key(name, scopes, tenant=tenant)))
    return {"Authorization": f"Bearer {secret}"}


def ways(id_: str) -> dict[str, tuple[str, str, Any]]:
    """Every way to what was asked under ``id_``: method, path, body."""
    return {
        "the record": ("GET", f"/v1/ensemble/requests/{id_}", None),
        "the record by a reply's id": ("GET", f"/v1/ensemble/requests/chatcmpl-{id_}", None),
        "the response": ("GET", f"/v1/responses/resp_{id_}", None),
        "the response gone on from": (
            "POST", "/v1/responses", {"model": "panel", "input": "Again.", "previous_response_id": f"resp_{id_}"},
        ),
        "the review": ("GET", f"/v1/ensemble/reviews/{id_}", None),
        "the claim": ("POST", f"/v1/ensemble/reviews/{id_}/claim", {"by": "eve"}),
        "the decision": ("POST", f"/v1/ensemble/reviews/{id_}/decide", {"tie": True}),
        "feedback on it": ("POST", "/v1/ensemble/feedback", {"request_id": id_, "rating": True}),
        "feedback on the conversation": ("POST", "/v1/ensemble/feedback", {"conversation": "c1", "tags": ["x"]}),
    }  # fmt: skip


async def asked(server: Served, headers: dict[str, str], **more: str) -> tuple[str, dict[str, Any]]:
    """The id and the reply of one request through Responses."""
    body = {"model": "panel", "input": SECRET, "metadata": {"conversation": "c1"}}
    async with server.http.post(f"{server.url}/responses", json=body, headers={**headers, **more}) as said:
        assert said.status == 200, await said.text()
        told = dict(await said.json())
    await server.service.idle()
    return str(told["id"]).removeprefix("resp_"), told


async def test_what_a_tenant_asked_is_not_there_for_another(server: Served) -> None:
    ours, colleague = await bearer(server, "ours", "acme"), await bearer(server, "colleague", "acme")
    strangers = {
        "another tenant": await bearer(server, "theirs", "other"),
        "no tenant": await bearer(server, "loner"),
        "a name that resembles": await bearer(server, "near", "acme "),
        "an empty one": await bearer(server, "empty", ""),
    }
    id_, _ = await asked(server, ours)
    for way, (method, path, body) in ways(id_).items():
        for who, headers in strangers.items():
            async with server.http.request(method, server.root + path, json=body, headers=headers) as said:
                told = await said.text()
            assert said.status == 404, (way, who, told)
            assert SECRET not in told, (way, who)
    for headers in strangers.values():
        _, told, _ = await server.get("/v1/ensemble/reviews", headers=headers)
        assert told["data"] == []
    for way, (method, path, body) in ways(id_).items():
        async with server.http.request(method, server.root + path, json=body, headers=colleague) as said:
            assert said.status != 404, (way, await said.text())


async def test_a_loner_sees_no_other_loner(server: Served) -> None:
    """Two keys without a tenant share nothing: None is nobody's name."""
    one, two = await bearer(server, "one"), await bearer(server, "two")
    id_, _ = await asked(server, one)
    for way, (method, path, body) in ways(id_).items():
        async with server.http.request(method, server.root + path, json=body, headers=two) as said:
            assert said.status == 404, (way, await said.text())


async def test_a_key_in_the_place_of_another_sees_what_that_one_asked(server: Served) -> None:
    """Not the other way round: who kept the old key while it was still valid learns nothing of the new one."""
    old = await bearer(server, "one")
    first, _ = await asked(server, old)
    await server.service.store.change(lambda db: rotate(db, "one", timedelta(hours=1)))
    _, secret = await server.service.store.change(lambda db: rotate(db, "one", timedelta(hours=1)))
    new = {"Authorization": f"Bearer {secret}"}
    for way, (method, path, body) in ways(first).items():
        async with server.http.request(method, server.root + path, json=body, headers=new) as said:
            assert said.status != 404, (way, await said.text())
    _, told, _ = await server.get("/v1/ensemble/reviews", headers=new)
    assert first in [row["request_id"] for row in told["data"]]
    second, _ = await asked(server, new)
    assert (await server.get(f"/v1/ensemble/requests/{second}", headers=old))[0] == 404


async def test_no_answer_that_is_kept_is_told_to_another_key(server: Served) -> None:
    """The same body and idempotency key: each key is answered by itself, and pays for itself."""
    again = {"Idempotency-Key": "order-17"}
    ours, theirs = await bearer(server, "ours", "acme"), await bearer(server, "theirs", "other")
    first, _ = await asked(server, ours, **again)
    calls = len(server.simulator.served)
    assert (await asked(server, ours, **again))[0] == first
    assert len(server.simulator.served) == calls
    other, _ = await asked(server, theirs, **again)
    assert other != first
    paid = [one.model for one in list(server.simulator.served)[calls:]]
    assert {"alpha", "beta"} <= set(paid)


@pytest.mark.parametrize("name", ["tenant", "key_id", "data_class"])
async def test_nobody_says_by_himself_whose_he_is(server: Served, name: str) -> None:
    ours, theirs = await bearer(server, "ours", "acme"), await bearer(server, "theirs", "other")
    id_, _ = await asked(server, ours)
    body = {**a_question("Mine."), "metadata": {name: "acme"}}
    _, said, headers = await server.post(body, headers={**theirs, f"x-ensemble-{name}": "acme", "x-tenant": "acme"})
    status, row, _ = await server.get(
        f"/v1/ensemble/requests/{headers['x-ensemble-request-id']}?tenant=acme", headers=theirs
    )
    assert (status, row["tenant"]) == (200, "other"), said
    assert (await server.get(f"/v1/ensemble/requests/{id_}?tenant=acme&key_id=", headers=theirs))[0] == 404
