"""The server asks nobody but those whom its configuration names, whatever a request or a provider says."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ensemble.simulator.script import fault, reply
from tests.served import a_question
from tests.stories.conftest import Serve

PICKY = """
[judges.schema]
use = "schema"

[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "schema"
"""


@dataclass
class Trap:
    """A server that nobody named; it counts who comes, and says yes to everything."""

    url: str = ""
    came: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.came.append(f"{request.method} {request.path_qs}")
        return web.json_response({"type": "object"})


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    found = Trap()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", found.take)
    async with TestServer(app) as server:
        found.url = str(server.make_url("/"))
        yield found


def luring(url: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Requests of every protocol that name ``url`` wherever one may be named: path and body."""
    picture = {"type": "image_url", "image_url": {"url": f"{url}a.png"}}
    schema = {"type": "object", "properties": {"a": {"$ref": f"{url}b.json"}}, "$schema": url, "$id": url}
    plain = {"type": "object", "properties": {}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    seen = {"model": "panel", "messages": [{"role": "user", "content": [{"type": "text", "text": url}, picture]}]}
    chat, responses, messages = "/v1/chat/completions", "/v1/responses", "/v1/messages"
    return {
        "a picture": (chat, seen),
        "a schema": (
            chat,
            a_question(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}),
        ),
        "a schema of nothing": (
            chat,
            a_question(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": plain}}),
        ),
        "a tool": (chat, a_question(tools=[tool])),
        "an address": (chat, a_question(base_url=url, api_base=url, endpoint=url, extra_body={"base_url": url})),
        "a label": (chat, a_question(metadata={"webhook": url, "callback": url}, user=url)),
        "a model": (chat, a_question(model=url)),
        "a path as model": (chat, a_question(model=f"alpha@{url}")),
        "a file of Responses": (
            responses,
            {
                "model": "panel",
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "What is this?"},
                            {"type": "input_image", "image_url": f"{url}c.png"},
                            {"type": "input_file", "file_url": f"{url}d.pdf"},
                        ],
                    }
                ],
            },
        ),
        "a server of tools": (
            responses,
            {"model": "panel", "input": "x", "tools": [{"type": "mcp", "server_label": "x", "server_url": url}]},
        ),
        "a picture of Messages": (
            messages,
            {
                "model": "panel",
                "max_tokens": 50,
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image", "source": {"type": "url", "url": f"{url}e.png"}},
                            {"type": "document", "source": {"type": "url", "url": f"{url}f.pdf"}},
                            {"type": "text", "text": "What is this?"},
                        ],
                    }
                ],
            },
        ),
        "feedback": ("/v1/ensemble/feedback", {"conversation": url, "comment": url, "webhook_url": url}),
    }


async def test_nothing_that_a_request_or_an_answer_names_is_fetched(serve: Serve, trap: Trap) -> None:
    """A picture goes on to the member as the address that it is; pages show no picture either."""
    served = await serve(PICKY)
    for name in ("alpha", "beta", "gamma"):
        served.simulator.always(name, reply(f"![x]({trap.url}g.png) [y]({trap.url}) <img src={trap.url}h.png> {{}}"))
    answered = 0
    for name, (path, body) in luring(trap.url).items():
        headers = {"X-Base-Url": trap.url, "X-Forwarded-Host": "evil.example", "Forwarded": f"host={trap.url}"}
        async with served.http.post(served.root + path, json=body, headers=headers) as said:
            assert said.status < 500 or said.status == 502, (name, await said.text())
            answered += said.status == 200
            request_id = said.headers.get("x-ensemble-request-id")
        await served.service.idle()
        async with served.http.get(f"{served.root}/ui/requests/{request_id}") as page:
            told = await page.text()
        assert f"<img src={trap.url}" not in told
        assert f'src="{trap.url}' not in told
    assert answered >= 4
    assert trap.came == []


async def test_providers_are_where_the_configuration_says(
    serve: Serve, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDKs would follow the environment."""
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, trap.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    served = await serve()
    status, _, _ = await served.post()
    assert (status, len(served.simulator.served)) == (200, 3)
    assert trap.came == []


@pytest.mark.parametrize("stream", [False, True])
async def test_no_redirect_of_a_provider_is_followed(serve: Serve, trap: Trap, stream: bool) -> None:
    served = await serve()
    for name in ("alpha", "beta", "gamma"):
        served.simulator.always(name, fault("redirect", location=f"{trap.url}steal"))
    async with served.http.post(f"{served.url}/chat/completions", json=a_question(stream=stream)) as said:
        told = await said.text()
    assert "no_candidate" in told or said.status == 502, told
    assert trap.came == []
