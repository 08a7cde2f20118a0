"""Who may ask: those who have the key or, where there is none, programs on this machine, but no web page."""

import hmac
import ipaddress
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import SecretStr

from ensemble.errors import Unauthenticated

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that probes may ask without a key."""


def guard(key: Callable[[], SecretStr | None]) -> Middleware:
    """A middleware that lets requests with the ``key`` of the moment pass; without one, those to a loopback name.

    A web page can make a browser talk to a loopback server, under a name of its own that resolves to 127.0.0.1 (DNS
    rebinding). Such a request has that name as its Host, so it is refused.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        secret = key()
        if secret is None:
            if not _is_loopback(request.host):
                raise web.HTTPForbidden(
                    text="without a key this server answers under localhost or a loopback address only; "
                    "to use another name, set api_key_env in the [server] table"
                )
        elif request.path not in OPEN and not hmac.compare_digest(_given(request), secret.get_secret_value().encode()):
            raise Unauthenticated("the API key is missing or wrong; send it as 'Authorization: Bearer KEY'")
        return await handler(request)

    return guarded


def _given(request: web.Request) -> bytes:
    """The key as OpenAI's clients send it, or in the header that Anthropic's protocol has for it too."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    key = bearer if scheme == "Bearer" else request.headers.get("x-api-key", "")
    return key.encode("utf-8", "surrogateescape")


def require_json(request: web.Request) -> None:
    """Refuse other bodies: ``application/json`` is what a web page cannot send elsewhere without being allowed to.

    Raises:
        aiohttp.web.HTTPUnsupportedMediaType: the body says that it is something else, or says nothing.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send the body with the header 'Content-Type: application/json'")


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"
