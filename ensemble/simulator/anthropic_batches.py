"""Anthropic's batch protocol: message batches and their results as JSON lines."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import orjson
from aiohttp import web

from ensemble.simulator.batch_work import Batch, Result, Shelf
from ensemble.simulator.fleet import Fleet
from ensemble.simulator.serve import read_body
from ensemble.simulator.talk import Problem
from ensemble.simulator.wire import Wire, rows, table, text

PATH = "/v1/messages/batches"
WINDOW_S = 24 * 3600
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class AnthropicBatches:
    """The routes for message batches."""

    def __init__(self, fleet: Fleet, wire: Wire) -> None:
        self._fleet = fleet
        self._wire = wire
        self._batches: Shelf[Batch] = Shelf("msgbatch")

    def routes(self) -> list[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]]:
        """Method, path and handler."""
        return [
            ("POST", PATH, self._create),
            ("GET", PATH, self._list),
            ("GET", PATH + "/{id}", self._retrieve),
            ("GET", PATH + "/{id}/results", self._results),
            ("POST", PATH + "/{id}/cancel", self._cancel),
            ("DELETE", PATH + "/{id}", self._delete),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        batch = Batch(
            id=self._batches.new_id(),
            created=int(time.time()),
            due=asyncio.get_running_loop().time() + self._fleet.settings.batch_s,
            requests=_requests(body),
            headers=request.headers.copy(),
        )
        self._batches.put(batch.id, batch)
        return _json(_body(batch, request))

    async def _list(self, request: web.Request) -> web.Response:
        for batch in self._batches.newest():
            await batch.settle(self._fleet, self._wire)
        data = [_body(batch, request) for batch in self._batches.newest()]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
        return _json({"data": data, "has_more": False, **ends})

    async def _retrieve(self, request: web.Request) -> web.Response:
        batch = self._batches.get(request.match_info["id"])
        await batch.settle(self._fleet, self._wire)
        return _json(_body(batch, request))

    async def _results(self, request: web.Request) -> web.Response:
        batch = self._batches.get(request.match_info["id"])
        if not await batch.settle(self._fleet, self._wire):
            raise Problem(400, "The batch has not ended yet.")
        # No order is promised, so none is kept.
        lines = [_line(result) for result in reversed(batch.results or [])]
        return web.Response(body=b"\n".join(lines) + b"\n", content_type="application/x-jsonl")

    async def _cancel(self, request: web.Request) -> web.Response:
        batch = self._batches.get(request.match_info["id"])
        if batch.results is not None:
            raise Problem(400, "The batch has ended.")
        batch.canceled = True
        return _json(_body(batch, request))

    async def _delete(self, request: web.Request) -> web.Response:
        batch = self._batches.get(request.match_info["id"])
        if batch.results is None:
            raise Problem(400, "Only a batch that has ended can be deleted.")
        self._batches.drop(batch.id)
        return _json({"id": batch.id, "type": "message_batch_deleted"})


def _requests(body: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    requests = [
        (text(table(each).get("custom_id")), table(table(each).get("params"))) for each in rows(body.get("requests"))
    ]
    if not requests:
        raise Problem(400, "requests: at least one request is required")
    names = [name for name, _ in requests]
    for at, name in enumerate(names):
        if not _NAME.fullmatch(name):
            raise Problem(400, f"requests.{at}.custom_id: must match {_NAME.pattern}")
    if len(set(names)) != len(names):
        raise Problem(400, "requests: custom_id must be unique within the batch")
    return requests


def _body(batch: Batch, request: web.Request) -> dict[str, object]:
    done = batch.results is not None
    address = f"{request.scheme}://{request.host}{PATH}/{batch.id}/results"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if done else "canceling" if batch.canceled else "in_progress",
        "request_counts": {
            "processing": 0 if done else len(batch.requests),
            "succeeded": batch.count("succeeded"),
            "errored": batch.count("errored"),
            "canceled": batch.count("canceled"),
            "expired": batch.count("expired"),
        },
        "created_at": _time(batch.created),
        "expires_at": _time(batch.created + WINDOW_S),
        "ended_at": _time(int(time.time())) if done else None,
        "cancel_initiated_at": _time(batch.created) if batch.canceled else None,
        "archived_at": None,
        "results_url": address if done else None,
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _line(result: Result) -> bytes:
    said: dict[str, object] = {"type": result.outcome}
    if result.outcome == "succeeded":
        said["message"] = result.body
    elif result.outcome == "errored":
        said["error"] = result.body
    return orjson.dumps({"custom_id": result.custom_id, "result": said})


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
