"""Steering a running simulator over HTTP, and reading its ledger; from this machine only."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from ipaddress import ip_address

import orjson
from aiohttp import web

from ensemble.simulator.fleet import Fleet
from ensemble.simulator.script import Step, fault, reply, stall, status
from ensemble.simulator.served import Served
from ensemble.simulator.talk import Problem
from ensemble.simulator.wire import number, rows, table, text

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(fleet: Fleet) -> list[tuple[str, str, Handler]]:
    """Method, path and handler of every route for tests and tools."""

    async def elsewhere(request: web.Request) -> web.Response:
        fleet.redirects_followed += 1
        return web.Response(text="A client that follows a redirect posts its prompt to a stranger.")

    async def steer(request: web.Request) -> web.Response:
        return await _guarded(request, _steer)

    async def served(request: web.Request) -> web.Response:
        return await _guarded(request, _served)

    async def _steer(request: web.Request) -> object:
        # A web page can post a form to this machine, but no JSON without being asked first.
        if request.content_type != "application/json":
            raise Problem(415, "send application/json")
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            raise Problem(400, "no JSON") from error
        _act(fleet, table(body))
        return {"done": True}

    async def _served(request: web.Request) -> object:
        log = fleet.log
        totals = {name: asdict(total) for name, total in log.totals.items()}
        records = [_record(each) for each in log] if "records" in request.query else []
        return {"simulated": True, "started": log.started, "ended": log.ended, "totals": totals, "records": records}

    return [
        ("*", "/sim/elsewhere", elsewhere),
        ("POST", "/sim/control", steer),
        ("GET", "/sim/served", served),
    ]


async def _guarded(request: web.Request, act: Callable[[web.Request], Awaitable[object]]) -> web.Response:
    try:
        if not _is_near(request.remote):
            raise Problem(403, "only this machine may do that")
        return _json(200, await act(request))
    except Problem as problem:
        return _json(problem.status, {"error": problem.message})


def _is_near(remote: str | None) -> bool:
    try:
        return remote is not None and ip_address(remote).is_loopback
    except ValueError:
        return False


def _act(fleet: Fleet, body: Mapping[str, object]) -> None:
    model = text(body.get("model"))
    match body.get("action"):
        case "degrade":
            by = number(body, "by")
            fleet.degrade(model, text(body.get("kind")) or "*", 0.5 if by is None else by)
        case "replace":
            fleet.replace(model, text(body.get("like")))
        case "mislead":
            fleet.mislead(model, **{key: number(body, key) or 0.0 for key in ("noise", "position", "length")})
        case "script":
            fleet.script(model, [_step(table(each)) for each in rows(body.get("steps"))])
        case other:
            raise Problem(400, f"no such action {other!r}: degrade, mislead, replace or script")


def _step(said: Mapping[str, object]) -> Step:
    """A step: ``reply`` a text, ``stall`` seconds, ``status`` a code with ``retry_after``, or ``fault`` a kind."""
    if "reply" in said:
        return reply(text(said["reply"]))
    if "stall" in said:
        return stall(number(said, "stall") or 0.0)
    if "status" in said:
        return status(int(number(said, "status") or 500), retry_after=number(said, "retry_after"))
    try:
        return fault(text(said.get("fault")), amount=number(said, "amount"))
    except ValueError as error:
        raise Problem(400, str(error)) from error


def _record(served: Served) -> dict[str, object]:
    """A record without the request's body and headers, which may be private."""
    return {name: value for name, value in asdict(served).items() if name not in ("body", "headers")}


def _json(code: int, body: object) -> web.Response:
    return web.Response(status=code, body=orjson.dumps(body), content_type="application/json")
