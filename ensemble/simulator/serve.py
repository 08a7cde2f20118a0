"""One request from its arrival to the last byte of its answer, in any wire format."""

import asyncio
import hmac
import math
import time
from collections.abc import Mapping

import orjson
from aiohttp import web

from ensemble.simulator.faults import Outgoing, play
from ensemble.simulator.fleet import Fleet
from ensemble.simulator.models import SimulatedModel
from ensemble.simulator.script import Step
from ensemble.simulator.served import Served
from ensemble.simulator.talk import Ask, Problem, Said
from ensemble.simulator.wire import Reply, Wire, text

KEY_HEADERS = ("Authorization", "x-api-key", "api-key")


class Desk:
    """Answers chat requests of one wire format."""

    def __init__(self, fleet: Fleet, wire: Wire, *, needs_version: bool = False) -> None:
        """``needs_version`` refuses requests without the query ``api-version``, as Azure's deployments do."""
        self._fleet = fleet
        self._wire = wire
        self._needs_version = needs_version

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request and keep its record, whatever becomes of it."""
        raw = await request.read()
        served = Served(
            model="",
            request_id=self._fleet.next_id(),
            wire=self._wire.name,
            started=asyncio.get_running_loop().time(),
        )
        body, problem = _read(raw)
        # Azure and Vertex name the model in the path.
        deployment = request.match_info.get("deployment")
        if deployment is not None:
            body = {**body, "model": deployment}
        served.model = text(body.get("model"))
        if self._fleet.settings.keep_bodies:
            served.body, served.headers = body, _headers(request)
        self._fleet.begin(served)
        try:
            if problem is not None:
                raise problem
            return await self._serve(request, body, served)
        except Problem as refused:
            return self._refuse(refused, served)
        except asyncio.CancelledError:
            served.cancelled = not self._fleet.closing.is_set()
            raise
        finally:
            served.ended = asyncio.get_running_loop().time()
            self._fleet.end(served)

    async def _serve(self, request: web.Request, body: Mapping[str, object], served: Served) -> web.StreamResponse:
        check_key(request, self._fleet.settings.api_key)
        if self._needs_version and "api-version" not in request.query:
            raise Problem(404, "Resource not found: the query api-version is missing.", code="404")
        ask = self._wire.parse(body, request.headers)
        served.stream = ask.stream
        self._fleet.admit(ask.prompt_tokens)
        model = self._fleet.model(ask.model)
        step = self._fleet.next_step(ask.model)
        await _wait(step)
        if step.status is not None:
            served.fault = str(step.status)
            raise _scripted(step)
        limit = model.profile.context_tokens
        if limit is not None and ask.prompt_tokens > limit:
            raise Problem(
                400,
                f"This model's maximum context length is {limit} tokens; your messages have {ask.prompt_tokens}.",
                code="context_length_exceeded",
                param="messages",
            )
        said = (step.said or model.brain.answer(ask)).within(ask)
        reply = self._reply(ask, said, served, model)
        first_s, token_s = self._fleet.pace(model, ask, said)
        outgoing = Outgoing(
            request=request,
            wire=self._wire,
            reply=reply,
            served=served,
            first_s=first_s,
            token_s=token_s,
            chunk_tokens=self._fleet.settings.chunk_tokens,
            closing=self._fleet.closing,
        )
        return await play(outgoing, step)

    def _reply(self, ask: Ask, said: Said, served: Served, model: SimulatedModel) -> Reply:
        usage = said.usage(ask.prompt_tokens)
        served.prompt_tokens, served.completion_tokens = usage.prompt, usage.completion
        served.cached_tokens, served.cache_write_tokens = usage.cached, usage.cache_write
        served.finish = said.finish
        return Reply(
            id=f"sim-{served.request_id[8:]}",
            created=int(time.time()),
            ask=ask,
            said=said,
            usage=usage,
            version=model.version,
            cost_usd=model.profile.cost_usd(usage),
        )

    def _refuse(self, problem: Problem, served: Served) -> web.Response:
        served.status = problem.status
        return refusal(problem, self._wire, served.request_id)


def refusal(problem: Problem, wire: Wire, request_id: str) -> web.Response:
    """The response for ``problem``."""
    headers = {wire.id_header: request_id}
    if problem.retry_after_s is not None:
        # Retry-After is in whole seconds; the second header, which OpenAI sends as well, is exact.
        headers["retry-after"] = str(math.ceil(problem.retry_after_s))
        headers["retry-after-ms"] = str(math.ceil(problem.retry_after_s * 1000))
    body = wire.problem(problem, request_id)
    return web.Response(status=problem.status, body=body, headers=headers, content_type="application/json")


async def read_body(request: web.Request) -> dict[str, object]:
    """The JSON object that was sent; raises Problem (400) for anything else."""
    body, problem = _read(await request.read())
    if problem is not None:
        raise problem
    return body


def check_key(request: web.Request, wanted: str | None) -> None:
    """Raise Problem (401) where a key is wanted and the request does not bring it."""
    if wanted is None:
        return
    shown = next((request.headers[name] for name in KEY_HEADERS if name in request.headers), "")
    if not hmac.compare_digest(shown.removeprefix("Bearer ").encode(), wanted.encode()):
        raise Problem(401, "Incorrect API key provided.", code="invalid_api_key")


def _read(raw: bytes) -> tuple[dict[str, object], Problem | None]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}, Problem(400, "We could not parse the JSON body of your request.")
    if not isinstance(body, dict):
        return {}, Problem(400, "The body of your request must be a JSON object.")
    return body, None


def _headers(request: web.Request) -> dict[str, str]:
    secret = {name.lower() for name in KEY_HEADERS}
    return {name.lower(): "(key)" if name.lower() in secret else value for name, value in request.headers.items()}


async def _wait(step: Step) -> None:
    if step.gate is not None:
        await step.gate.wait()
    if step.wait_s > 0:
        await asyncio.sleep(step.wait_s)


def _scripted(step: Step) -> Problem:
    code = step.status or 500
    return Problem(
        code,
        step.message or f"Simulated failure with status {code}.",
        type=step.error_type,
        retry_after_s=step.retry_after_s,
    )
