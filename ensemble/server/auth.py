"""Who may ask what: those who have a key or, where there is none, programs on this machine, but no web page."""

import hmac
import ipaddress
from datetime import UTC, datetime
from functools import lru_cache

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ensemble.errors import Forbidden, Unauthenticated
from ensemble.keys.caller import ANYBODY, Caller
from ensemble.keys.issuing import hash_of
from ensemble.keys.reservations import refusal
from ensemble.server.quota import STANDINGS
from ensemble.service import Service

OPEN = frozenset({"/healthz", "/readyz", "/openapi.json"})
"""Paths that anybody may ask without a key."""
PAGES = "/ui"
"""Where the pages for people begin."""
CALLER = web.RequestKey("caller", Caller)
"""Who asks; every request that reaches a handler has one."""
RULES: tuple[tuple[str, str, str], ...] = (
    ("POST", "/v1/ensemble/feedback", "use"),
    ("*", "/v1/ensemble/reviews", "review"),
    ("GET", "/v1/ensemble/", "read"),
    ("POST", "/v1/", "use"),
    ("GET", "/v1/models", "use"),
    ("GET", "/v1/responses/", "use"),
    ("GET", "/metrics", "metrics"),
)
"""Method, beginning of the path, scope that it needs; the first that fits holds, and nothing else is for anybody but
``admin``."""

_NO_SECRET = hash_of("")


class Gate:
    """What lets a request in: the operator's key, which may do everything, or a key of the log."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def caller(self, request: web.Request) -> Caller:
        """Who asks.

        Raises:
            Unauthenticated: a key is needed and missing, wrong or ended.
            StoreUnavailable: nobody can know whose key it is.
            aiohttp.web.HTTPForbidden: there is no key, and the request is for another name than one of loopback.
        """
        secret = secret_of(request)
        return await self.holder(hash_of(secret) if secret else _NO_SECRET, request.host)

    async def holder(self, hash_: str, host: str) -> Caller:
        """Who has the secret with this ``hash_of``, where the request is for ``host``; raises as ``caller`` does."""
        operator = self._service.key
        if operator is not None and hmac.compare_digest(hash_, hash_of(operator.get_secret_value())):
            return ANYBODY
        found = await self._service.keyring.find(hash_)
        if found.key is not None and (why := found.key.ended(datetime.now(UTC))) is None:
            return Caller(key=found.key, data_class=found.key.data_class, reservations=self._service.reservations)
        if found.key is not None:
            raise Unauthenticated(f"the API key has been {why}" if why == "revoked" else f"the API key has {why}")
        if operator is not None or found.any_key or self._service.settings.server.keys:
            raise Unauthenticated("the API key is missing or wrong; send it as 'Authorization: Bearer KEY'")
        require_loopback(host, "make a key with `ensemble keys create`")
        return ANYBODY


def require_loopback(host: str, mend: str) -> None:
    """Refuse a request for another name than one of loopback; ``mend`` says how to be served under another one.

    A web page can make a browser talk to a loopback server, under a name of its own that resolves to 127.0.0.1 (DNS
    rebinding). Such a request has that name as its Host.

    Raises:
        aiohttp.web.HTTPForbidden: ``host`` is another name.
    """
    if not is_loopback(host):
        told = "without a key this server answers under localhost or a loopback address only"
        raise web.HTTPForbidden(text=f"{told}; to use another name, {mend}")


def guard(gate: Gate) -> Middleware:
    """A middleware that lets those pass who may do what they ask for, and counts their requests against their limits.

    Pages are let through: they ask the same ``gate`` themselves, since people sign in there and get errors as pages.
    A browser that asks for the root is led to them.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        if path in OPEN:
            request[CALLER] = ANYBODY
            return await handler(request)
        if is_page(path):
            return await handler(request)
        if path == "/" and "text/html" in request.headers.get("Accept", ""):
            # A browser, with which somebody knows no more than the address; whoever asks for the API gets its 404.
            return web.Response(status=303, headers={"Location": PAGES})
        request[CALLER] = caller = await gate.caller(request)
        scope = scope_of(request.method, path)
        if not caller.may(scope):
            raise Forbidden(
                f"the API key lacks the scope {scope!r}; make one with `ensemble keys create --scope {scope}`"
            )
        if scope == "use" and request.method == "POST":
            await count(request, caller)
        return await handler(request)

    return guarded


async def count(request: web.Request, caller: Caller) -> None:
    """Count a request that asks for work against the limits of the caller's key.

    Raises:
        EnsembleError: they leave none, or nobody can know.
    """
    if caller.key is not None and caller.key.limits and caller.reservations is not None:
        now = datetime.now(UTC)
        full, request[STANDINGS] = await caller.reservations.begin(caller.key, now)
        if full is not None:
            raise refusal(full, now)


def is_page(path: str) -> bool:
    """Whether ``path`` is one of the pages for people, which are no part of the API."""
    return path == PAGES or path.startswith(PAGES + "/")


@lru_cache(maxsize=64)
def scope_of(method: str, path: str) -> str:
    """The scope that a request needs."""
    wanted = "GET" if method == "HEAD" else method
    for rule, start, scope in RULES:
        if rule in ("*", wanted) and path.startswith(start):
            return scope
    return "admin"


def require_json(request: web.Request) -> None:
    """Refuse other bodies: ``application/json`` is what a web page cannot send elsewhere without being allowed to.

    Raises:
        aiohttp.web.HTTPUnsupportedMediaType: the body says that it is something else, or says nothing.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send the body with the header 'Content-Type: application/json'")


def secret_of(request: web.Request) -> str:
    """The key as either protocol sends it; "" where there is none. Names of schemes have no case (RFC 9110, 11.1)."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret if kind.lower() == "bearer" else request.headers.get("x-api-key", "")


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether ``host``, with or without a port, is a name or an address of this machine alone."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"
