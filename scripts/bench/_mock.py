"""The mock upstream where there is no nginx with the echo module; see ``_upstream``."""

import asyncio
import itertools
import random
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from scripts.bench._upstream import DELAYS_MS, FANS, MARK, candidate, ranking, stream

_FAULTS = ("error",) * 3 + ("busy",) * 3 + ("cut",) * 2 + ("nonsense",) * 2
_numbers = itertools.count()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _place(delay_ms: int, content_type: str, body: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        if request.path.startswith("/faults/") and (at := random.randrange(100)) < len(_FAULTS):  # noqa: S311
            return _spoilt(request, _FAULTS[at])
        return web.Response(text=body.replace(MARK, f"{next(_numbers):032x}"), content_type=content_type)

    return answer


def _spoilt(request: web.Request, fault: str) -> web.StreamResponse:
    if fault == "cut" and request.transport is not None:
        request.transport.abort()
    if fault == "nonsense":
        return web.Response(text="<html>made up</html>", content_type="application/json")
    return web.json_response({"error": {"message": "made to fail"}}, status=500 if fault == "error" else 503)


def make_app() -> web.Application:
    """The application with every path that ``_upstream`` names."""
    app = web.Application(client_max_size=64_000_000)
    said = {"say": candidate(), **{str(fan): ranking(fan) for fan in FANS}}
    lines = "".join(f"{line}\n\n" for line in stream())
    for delay in DELAYS_MS:
        for begin in ("", "/faults"):
            for name, body in said.items():
                app.router.add_post(f"{begin}/{delay}/{name}/{{rest:.*}}", _place(delay, "application/json", body))
            app.router.add_post(f"{begin}/{delay}/stream/{{rest:.*}}", _place(delay, "text/event-stream", lines))
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
