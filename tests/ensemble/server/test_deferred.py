import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from ensemble.server.deferred import Deferred

MADE = web.AppKey("made", list)
NAME = web.AppKey("name", str)

BOTH = ["inner", "outer"]


def _inner() -> web.Application:
    app = web.Application(middlewares=[_marked])
    app[NAME] = "inner"
    app.add_routes([web.get("", _who), web.get("/sub/{name}", _who), web.post("/sub", _who)])
    return app


@web.middleware
async def _marked(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers.add("By", request.app.get(NAME, "outer"))
    return response


async def _who(request: web.Request) -> web.Response:
    return web.Response(text=request.match_info.get("name", "root"))


@pytest.fixture
async def served() -> AsyncIterator[TestServer]:
    app = web.Application(middlewares=[_marked])
    app[MADE] = []

    async def ended(_: web.Application) -> None:
        app[MADE].append("ended")

    def make() -> web.Application:
        app[MADE].append("made")
        inner = _inner()
        inner.on_cleanup.append(ended)
        return inner

    deferred = Deferred("/ui", make)
    app.router.register_resource(deferred)
    app.on_cleanup.append(deferred.cleanup)
    app.add_routes([web.get("/uint", _who)])
    server = TestServer(app)
    async with server:
        yield server


async def _get(served: TestServer, path: str, method: str = "GET") -> tuple[int, str, list[str]]:
    async with aiohttp.ClientSession() as http, http.request(method, served.make_url(path)) as reply:
        return reply.status, await reply.text(), reply.headers.getall("By", [])


async def test_it_is_made_once_for_the_first_who_ask(served: TestServer) -> None:
    assert (await _get(served, "/uint"))[:2] == (200, "root")
    assert served.app[MADE] == [], "nobody has asked below the prefix yet"

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(_get(served, path)) for path in ("/ui", "/ui/sub/a", "/ui/sub/b")]
    assert [one.result() for one in asked] == [(200, "root", BOTH), (200, "a", BOTH), (200, "b", BOTH)]
    assert served.app[MADE] == ["made"]


async def test_what_it_has_not_is_refused_by_it(served: TestServer) -> None:
    assert (await _get(served, "/ui/sub"))[0] == 405
    assert (await _get(served, "/ui/other"))[0] == 404


async def test_whoever_walks_the_routes_sees_those_that_nobody_has_asked_for(served: TestServer) -> None:
    assert served.app is not None
    walked = {(route.method, route.resource.canonical) for route in served.app.router.routes() if route.resource}
    assert {("GET", "/ui"), ("GET", "/ui/sub/{name}"), ("POST", "/ui/sub"), ("GET", "/uint")} <= walked
    assert (await _get(served, "/ui/sub/a"))[:2] == (200, "a")
    assert served.app[MADE] == ["made"]


async def test_it_ends_with_the_application_around_it_if_it_was_made(served: TestServer) -> None:
    await _get(served, "/ui")
    await served.close()
    assert served.app is not None
    assert served.app[MADE] == ["made", "ended"]


async def test_what_was_never_made_has_no_end(served: TestServer) -> None:
    await _get(served, "/uint")
    await served.close()
    assert served.app is not None
    assert served.app[MADE] == []
