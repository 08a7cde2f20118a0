"""The description of the routes is whole, and what the server does is what it says."""

import asyncio
import logging
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ensemble.server.auth import is_page
from ensemble.server.idempotency import ANSWERING
from ensemble.server.openapi.document import document
from tests.served import PARTS, Served, serving

HERE = Path(__file__).parent
MORE = """
[providers.claude]
use = "anthropic"
base_url = "{anthropic_url}"

[members.claude]
provider = "claude"
max_output_tokens = 4096
model = "alpha"
"""
TABLES = """
[routers.panel]
use = "parallel"
members = ["claude", "alpha", "beta"]
judge = "longest"

[server]
drain_s = 0.2
api_key_env = "OPENAPI_TEST_KEY"
"""
KEY = "sesame-3b1f"
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAPI_TEST_KEY", KEY)


async def told(served: Served) -> dict[str, Any]:
    status, found, _ = await served.get("/openapi.json")
    assert status == 200
    return dict(found)


async def test_every_route_is_described_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path, TABLES, parts=PARTS + MORE) as served:
        assert document(served.app)  # says what is not described, which a client is not told
        found = await told(served)
        routes = {
            (route.method.lower(), route.resource.canonical)
            for route in served.app.router.routes()
            if route.resource is not None and route.method != "HEAD" and not is_page(route.resource.canonical)
        }
    described = {(method, path) for path, methods in found["paths"].items() for method in methods}
    assert described == routes
    assert found["openapi"].startswith("3.1.")
    operations = [one for methods in found["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] for one in operations)


async def test_a_route_without_a_description_is_told_by_name() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/v1/new", handler)
    with pytest.raises(LookupError, match=r"GET /v1/new is not described: add it to .*operations.py"):
        document(app)


async def test_the_scope_of_a_key_is_told_and_probes_need_none(tmp_path: Path) -> None:
    async with serving(tmp_path, TABLES, parts=PARTS + MORE) as served:
        paths = (await told(served))["paths"]
    assert paths["/healthz"]["get"]["security"] == []
    assert paths["/v1/chat/completions"]["post"]["security"] == [{"bearer": ["use"]}, {"key": ["use"]}]
    assert paths["/metrics"]["get"]["security"][0] == {"bearer": ["metrics"]}


async def test_idempotency_keys_are_told_where_they_hold(tmp_path: Path) -> None:
    async with serving(tmp_path, TABLES, parts=PARTS + MORE) as served:
        paths = (await told(served))["paths"]
    named = {
        path
        for path, methods in paths.items()
        for one in methods.values()
        if any(parameter["name"] == "Idempotency-Key" for parameter in one.get("parameters", ()))
    }
    assert named == ANSWERING | {"/v1/ensemble/feedback"}


async def test_a_parameter_that_is_refused_is_told_with_its_mend(tmp_path: Path) -> None:
    async with serving(tmp_path, TABLES, parts=PARTS + MORE) as served:
        shapes = (await told(served))["components"]["schemas"]
    functions = shapes["ChatRequest"]["properties"]["functions"]
    assert functions["enum"] == [None]
    assert functions["description"] == "not supported here: use tools"


@pytest.mark.timeout(600)
async def test_schemathesis_finds_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All its checks: no 5xx, no status, header or body that is not described, no key that is not asked for."""
    caplog.set_level(logging.INFO, "ensemble.server.shape")
    async with serving(tmp_path, TABLES, parts=PARTS + MORE) as served:
        paths = (await told(served))["paths"]
        asked = {"model": "panel", "input": "Why is the sky blue?"}
        async with served.http.post(f"{served.url}/responses", json=asked, headers=HEADERS) as answer:
            assert answer.status == 200
        # Little else, since it looks through all of its environment for each of some 5,000 requests.
        known = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        known |= {"SCHEMATHESIS_HOOKS": "tests.ensemble.server.openapi.fuzzing", "NO_COLOR": "1"}
        known["FUZZED_REQUEST"] = answer.headers["x-ensemble-request-id"]
        done = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{served.root}/openapi.json", "-H", f"Authorization: Bearer {KEY}", "--seed", "1"),
            *("--max-examples", "10", "--no-shrink", "--suppress-health-check", "all", "--continue-on-failure"),
            env={**known, "PYTHONPATH": str(HERE.parents[3])},
            cwd=tmp_path,  # where it leaves what it remembers
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await done.communicate()
    assert done.returncode == 0, output.decode()
    seen = defaultdict[str | None, set[int]](set)
    for record in caplog.records:
        fields = getattr(record, "fields", {})
        seen[fields.get("route")].add(fields.get("status", 0))
    queued = "/v1/ensemble/reviews/"  # nothing waits for a person here
    paths = [path for path in paths if not path.startswith(queued)]
    assert [path for path in paths if not seen[path] & {200, 201}] == []  # every route was met where it succeeds
