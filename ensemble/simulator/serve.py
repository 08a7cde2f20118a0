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
from ensemble.simulator.script import Step
from ensemble.simulator.served import Served
from ensemble.simulator.talk import Ask, Problem, Said
from ensemble.simulator.wire import Reply, Wire, text

KEY_HEADERS = ("Authorization", "x-api-key", "api-key")


class Desk:
    """Answers chat requests of one wire format."""

    def __init__(self, fleet: Fleet, wire: Wire) -> None:
        self._fleet = fleet
        self._wire = wire

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request and keep its record, whatever becomes of it."""
        raw = await request.read()
        served = Served(
            model="",
            request_id=f"req_sim_{self._fleet.log.started + 1:07d}",
            wire=self._wire.name,
            started=asyncio.get_running_loop().time(),
        )
        body, problem = _read(raw)
        # Azure names the model in the path, as a deployment.
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
        ask = self._wire.parse(body)
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
        reply = self._reply(ask, said, served, model.version)
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

    def _reply(self, ask: Ask, said: Said, served: Served, version: int) -> Reply:
        usage = said.usage(ask.prompt_tokens)
        served.prompt_tokens, served.completion_tokens = usage.prompt, usage.completion
        served.cached_tokens, served.cache_write_tokens = usage.cached, usage.cache_write
        served.finish = said.finish
        name, now = f"sim-{served.request_id[8:]}", int(time.time())
        return Reply(id=name, created=now, ask=ask, said=said, usage=usage, version=version)

    def _refuse(self, problem: Problem, served: Served) -> web.Response:
        served.status = problem.status
        headers = {self._wire.id_header: served.request_id}
        if problem.retry_after_s is not None:
            # Retry-After is in whole seconds; the second header, which OpenAI sends as well, is exact.
            headers["retry-after"] = str(math.ceil(problem.retry_after_s))
            headers["retry-after-ms"] = str(math.ceil(problem.retry_after_s * 1000))
        body = self._wire.problem(problem, served.request_id)
        return web.Response(status=problem.status, body=body, headers=headers, content_type="application/json")


def check_key(request: web.Request, wanted: str | None) -> None:
    """Raise Problem (401) where a key is wanted and the request does not bring it."""
    if wanted is None:
        return
    shown = next((request.headers[name] for name in KEY_HEADERS if name in request.headers), "")
    if not hmac.compare_digest(shown.removeprefix("Bearer ").encode(), wanted.encode()):
        raise Problem(401, "Incorrect API key provided.", type="authentication_error", code="invalid_api_key")


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


_STATUS_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def _scripted(step: Step) -> Problem:
    code = step.status or 500
    return Problem(
        code,
        step.message or f"Simulated failure with status {code}.",
        type=step.error_type or _STATUS_TYPES.get(code, "server_error" if code >= 500 else "invalid_request_error"),
        retry_after_s=step.retry_after_s,
    )
