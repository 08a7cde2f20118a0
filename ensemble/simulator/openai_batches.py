"""OpenAI's batch protocol: files of requests, batches, files of results."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web

from ensemble.simulator.batch_work import Batch, Result, Shelf
from ensemble.simulator.fleet import Fleet
from ensemble.simulator.serve import read_body
from ensemble.simulator.talk import Problem
from ensemble.simulator.wire import Wire, table, text

ENDPOINT = "/v1/chat/completions"
WINDOW_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that was uploaded or made. ``created`` is in seconds since 1970."""

    id: str
    name: str
    purpose: str
    content: bytes
    created: int

    @property
    def body(self) -> dict[str, object]:
        """The file as the API describes it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


class OpenAIBatches:
    """The routes for files and batches."""

    def __init__(self, fleet: Fleet, wire: Wire) -> None:
        self._fleet = fleet
        self._wire = wire
        self._files: Shelf[File] = Shelf("file")
        self._batches: Shelf[Batch] = Shelf("batch")

    def routes(self) -> list[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]]:
        """Method, path and handler."""
        return [
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files/{id}", self._file),
            ("GET", "/v1/files/{id}/content", self._content),
            ("DELETE", "/v1/files/{id}", self._delete),
            ("POST", "/v1/batches", self._create),
            ("GET", "/v1/batches", self._list),
            ("GET", "/v1/batches/{id}", self._retrieve),
            ("POST", "/v1/batches/{id}/cancel", self._cancel),
        ]

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        given = form.get("file")
        if not isinstance(given, web.FileField):
            raise Problem(400, "'file' is a required property", param="file")
        purpose = form.get("purpose")
        # The form keeps what was sent in a temporary file in memory or on disk, small enough to be read at once.
        with given.file as opened:
            content = opened.read()
        file = self._keep(given.filename, str(purpose or ""), content)
        return _json(file.body)

    def _keep(self, name: str, purpose: str, content: bytes) -> File:
        file = File(id=self._files.new_id(), name=name, purpose=purpose, content=content, created=int(time.time()))
        self._files.put(file.id, file)
        return file

    async def _file(self, request: web.Request) -> web.Response:
        return _json(self._files.get(request.match_info["id"]).body)

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self._files.get(request.match_info["id"]).content)

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        self._files.drop(name)
        return _json({"id": name, "object": "file", "deleted": True})

    async def _create(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        if body.get("endpoint") != ENDPOINT:
            raise Problem(400, f"Only {ENDPOINT} is simulated in batches.", param="endpoint")
        if body.get("completion_window") != "24h":
            raise Problem(400, "'completion_window' must be '24h'.", param="completion_window")
        file = self._files.get(text(body.get("input_file_id")))
        if file.purpose != "batch":
            raise Problem(400, "The purpose of the input file must be 'batch'.", param="input_file_id")
        requests, errors = _lines(file.content)
        batch = Batch(
            id=self._batches.new_id(),
            created=int(time.time()),
            due=asyncio.get_running_loop().time() + self._fleet.settings.batch_s,
            requests=requests,
            headers=request.headers.copy(),
            details={"input_file_id": file.id, "metadata": body.get("metadata")},
        )
        if errors:
            batch.details |= {"status": "failed", "errors": {"object": "list", "data": errors}}
        self._batches.put(batch.id, batch)
        return _json(self._body(batch))

    async def _list(self, request: web.Request) -> web.Response:
        data = [self._body(batch) for batch in self._batches.newest()]
        return _json({"object": "list", "data": data, "has_more": False})

    async def _retrieve(self, request: web.Request) -> web.Response:
        batch = self._batches.get(request.match_info["id"])
        if "status" not in batch.details and await batch.settle(self._fleet, self._wire):
            self._finish(batch)
        return _json(self._body(batch))

    async def _cancel(self, request: web.Request) -> web.Response:
        batch = self._batches.get(request.match_info["id"])
        if "status" in batch.details:
            raise Problem(400, f"Cannot cancel a batch with status '{batch.details['status']}'.")
        batch.canceled = True
        return _json(self._body(batch))

    def _finish(self, batch: Batch) -> None:
        # No order is promised, so none is kept.
        results = list(reversed(batch.results or []))
        good = [_line(result) for result in results if result.outcome == "succeeded"]
        bad = [_line(result) for result in results if result.outcome in ("errored", "expired")]
        status = "cancelled" if batch.canceled else "expired" if batch.count("expired") else "completed"
        batch.details |= {"status": status, f"{status}_at": int(time.time())}
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch.details[name] = self._keep(f"{batch.id}.jsonl", "batch_output", b"\n".join(lines) + b"\n").id

    def _body(self, batch: Batch) -> dict[str, object]:
        failed = batch.count("errored") + batch.count("expired")
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "created_at": batch.created,
            "in_progress_at": batch.created,
            "expires_at": batch.created + WINDOW_S,
            "output_file_id": None,
            "error_file_id": None,
            "status": "cancelling" if batch.canceled else "in_progress",
            "request_counts": {
                "total": len(batch.requests),
                "completed": batch.count("succeeded"),
                "failed": failed,
            },
            **batch.details,
        }


def _lines(content: bytes) -> tuple[list[tuple[str, Mapping[str, object]]], list[dict[str, object]]]:
    requests: list[tuple[str, Mapping[str, object]]] = []
    errors: list[dict[str, object]] = []
    seen: set[str] = set()
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = table(orjson.loads(line))
        except orjson.JSONDecodeError:
            row = {}
        name = text(row.get("custom_id"))
        if not name or name in seen or row.get("url") != ENDPOINT or row.get("method") != "POST":
            message = f"Needs a custom_id of its own, method POST and url {ENDPOINT}."
            errors.append({"code": "invalid_request", "line": number, "message": message, "param": None})
            continue
        seen.add(name)
        requests.append((name, table(row.get("body"))))
    if not requests and not errors:
        errors.append({"code": "empty_file", "line": None, "message": "The file has no requests.", "param": None})
    return requests, errors


def _line(result: Result) -> bytes:
    row: dict[str, object] = {"id": f"batch_{result.request_id}", "custom_id": result.custom_id}
    if result.outcome == "expired":
        error = {"code": "batch_expired", "message": "This request could not be executed before the window expired."}
        return orjson.dumps({**row, "response": None, "error": error})
    response = {"status_code": result.status, "request_id": result.request_id, "body": result.body}
    return orjson.dumps({**row, "response": response, "error": None})


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
