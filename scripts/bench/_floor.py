"""The floor: what an ensemble request costs at the least in this language, with nothing kept, checked or limited.

An aiohttp server that makes N + 1 raw calls by aiohttp and reads and writes JSON by orjson. With a file as its third
argument it keeps, before it answers, one durable batch per request in SQLite: the request and a row for each call, with
their texts. Requests that wait meanwhile share a transaction, as they do in the service's log.
"""

import asyncio
import os
import queue
import re
import sqlite3
import sys
import threading
import time
from typing import Any

import aiohttp
import orjson
from aiohttp import web

_RANKING = re.compile(r"\[\[([A-Z](?: > [A-Z])+)\]\]")
_TABLES = (
    "CREATE TABLE requests (id TEXT PRIMARY KEY, at REAL, prompt TEXT, chosen INTEGER)",
    "CREATE TABLE calls (request TEXT, position INTEGER, model TEXT, text TEXT, given INTEGER, made INTEGER, s REAL, "
    "PRIMARY KEY (request, position)) WITHOUT ROWID",
)

Batch = tuple[tuple[object, ...], list[tuple[object, ...]]]


class Log:
    """One thread that writes what has queued up, durably."""

    def __init__(self, path: str) -> None:
        self._path, self._loop = path, asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[Batch, asyncio.Future[None]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    async def write(self, batch: Batch) -> None:
        """Return when ``batch`` is durable."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((batch, done))
        await done

    def _run(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        for table in _TABLES:
            db.execute(table)
        while True:
            jobs = [self._queue.get()]
            while not self._queue.empty():
                jobs.append(self._queue.get())
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO requests VALUES (?, ?, ?, ?)", [batch[0] for batch, _ in jobs])
            db.executemany(
                "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?)", [row for batch, _ in jobs for row in batch[1]]
            )
            db.execute("COMMIT")
            self._loop.call_soon_threadsafe(_settle, [done for _, done in jobs])


def _settle(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class Floor:
    """The server; ``model`` of a request is how many candidates it wants, such as ``panel3``."""

    def __init__(self, session: aiohttp.ClientSession, upstream: str, log: Log | None) -> None:
        self._session, self._upstream, self._log = session, upstream, log
        self._answered = 0

    async def count(self, request: web.Request) -> web.Response:
        """How many requests have been worked on to their end."""
        return web.Response(text=str(self._answered))

    async def answer(self, request: web.Request) -> web.Response:
        """Ask N times, then once more with the answers, and give the best one."""
        asked = orjson.loads(await request.read())
        count, began = int(asked["model"].removeprefix("panel")), time.time()
        body = orjson.dumps({"model": "mock", "messages": asked["messages"]})
        said = await asyncio.gather(*(self._call("say", body) for _ in range(count)))  # noqa: TID251 - the floor
        texts = [one["choices"][0]["message"]["content"] for one in said]
        page = "\n\n".join((asked["messages"][-1]["content"], *texts))
        judging = orjson.dumps({"model": "mock", "messages": [{"role": "user", "content": page}]})
        ruled = await self._call(str(count), judging)
        found = _RANKING.search(ruled["choices"][0]["message"]["content"])
        best = ord(found[1][0]) - ord("A") if found else 0
        if self._log is not None:
            await self._log.write(_rows(asked, [*said, ruled], best, began))
        self._answered += 1
        return web.Response(body=orjson.dumps(said[best]), content_type="application/json")

    async def _call(self, place: str, body: bytes) -> Any:
        headers = {"content-type": "application/json", "authorization": "Bearer none"}
        url = f"{self._upstream}/{place}/v1/chat/completions"
        async with self._session.post(url, data=body, headers=headers) as reply:
            return orjson.loads(await reply.read())


def _rows(asked: Any, replies: list[Any], best: int, began: float) -> Batch:
    id_, now = os.urandom(16).hex(), time.time()
    calls: list[tuple[object, ...]] = [
        (
            id_,
            at,
            reply["model"],
            reply["choices"][0]["message"]["content"],
            reply["usage"]["prompt_tokens"],
            reply["usage"]["completion_tokens"],
            now - began,
        )
        for at, reply in enumerate(replies)
    ]
    return (id_, began, orjson.dumps(asked["messages"]).decode(), best), calls


async def _serve(upstream: str, path: str | None) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        app = web.Application(client_max_size=16_000_000)
        floor = Floor(session, upstream, Log(path) if path else None)
        app.router.add_post("/v1/chat/completions", floor.answer)
        app.router.add_get("/v1/count", floor.count)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until ended; ``upstream`` is told with the delay in its path."""
    # On the event loop that the service would take, so that a faster one is no merit of the service.
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))


if __name__ == "__main__":
    main()
