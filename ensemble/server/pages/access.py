"""What stands before every page: who asks, whether they may, whether a form is ours; and errors as pages."""

import hmac
from contextlib import suppress
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import SecretStr

from ensemble.errors import EnsembleError, Forbidden, StoreError, StoreUnavailable, Unauthenticated
from ensemble.keys.caller import ANYBODY, Caller
from ensemble.keys.issuing import hash_of
from ensemble.server.auth import CALLER, require_loopback, secret_of
from ensemble.server.auth import PAGES as ROOT
from ensemble.server.pages.frame import PAGE, href, show
from ensemble.server.pages.registry import PAGES
from ensemble.server.pages.sessions import COOKIE, CSRF, SESSIONS, SIGNED_IN
from ensemble.server.shape import told

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # With no-referrer browsers would send forms under the origin "null", which is refused below.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN = frozenset({"static", "sign-in"})
"""What anybody may see."""
FOR_ALL = frozenset({"", "sign-out"})
"""What everybody may see who has a key that is valid, whatever for."""
SAFE = frozenset({"GET", "HEAD"})


class Gate(Protocol):
    """What knows keys by their hashes."""

    async def holder(self, hash_: str, host: str) -> Caller:
        """Who has the key, where the request is for ``host``; the hash of "" stands for no key.

        Raises:
            Unauthenticated: a key is needed, and it is missing, wrong or ended.
            aiohttp.web.HTTPForbidden: no key is needed, and the request is for a name that is not of loopback.
        """
        ...


GATE = web.AppKey("gate", Gate)


class FileGate:
    """The gate of a log that nobody serves: one key or, under names of loopback, none."""

    def __init__(self, key: SecretStr | None) -> None:
        self._hash = None if key is None else hash_of(key.get_secret_value())

    async def holder(self, hash_: str, host: str) -> Caller:
        """As ``Gate``."""
        if self._hash is None:
            require_loopback(host, "name a key with --key-env")
        elif not hmac.compare_digest(hash_, self._hash):
            raise Unauthenticated("the key is missing or wrong")
        return ANYBODY


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add those headers to every reply, errors and streams included (a signal of the application)."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


@web.middleware
async def framed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let those pass who may; tell errors as pages."""
    try:
        await _admit(request)
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            return web.Response(status=error.status, headers={"Location": error.headers["Location"]})
        return await _problem(request, error.status, _said(error))
    except ConnectionResetError:
        raise
    except StoreError as error:
        return await _problem(request, StoreUnavailable.status, str(error))
    except Exception as error:  # noqa: BLE001 - the last resort of a server: told to the log, hidden from the reader
        known = told(error, request)
        if isinstance(known, Unauthenticated) and request.method in SAFE:
            there = href(f"{ROOT}/sign-in", {"next": request.path_qs})
            return web.Response(status=303, headers={"Location": there})
        return await _problem(request, known.status, str(known))


async def _admit(request: web.Request) -> None:
    """Find out who asks, and refuse what they may not.

    Raises:
        EnsembleError: they may not, and the sentence says why.
    """
    name = request.path.removeprefix(ROOT).lstrip("/").partition("/")[0]
    request[CSRF] = request.app[SESSIONS].csrf("")
    if name in OPEN:
        with suppress(EnsembleError, web.HTTPException):
            request[CALLER] = await _caller(request)
    else:
        request[CALLER] = await _caller(request)
    if request.method not in SAFE:
        await require_own(request, request[CSRF])
    page = PAGES.get(name)
    if page is not None:
        request[PAGE] = page
    scope = page.scope if page else "audit"
    if name not in OPEN | FOR_ALL and not request[CALLER].may(scope):
        raise Forbidden(f"your key lacks the scope {scope!r}; `ensemble keys create NAME --scope {scope}` makes one")


async def _caller(request: web.Request) -> Caller:
    """Who asks: by session, else by the key in a header, else whoever needs none."""
    gate, sessions, token = request.app[GATE], request.app[SESSIONS], request.cookies.get(COOKIE, "")
    if (session := await sessions.find(token)) is not None:
        try:
            caller = await gate.holder(session.hash, request.host)
        except Unauthenticated:
            await sessions.end(token)
            raise
        request[CSRF], request[SIGNED_IN] = sessions.csrf(token), True
        return caller
    return await gate.holder(hash_of(secret_of(request)), request.host)


async def require_own(request: web.Request, token: str) -> None:
    """Refuse a form that was not sent by a page of this process.

    Raises:
        Forbidden: it came from elsewhere, or its page is too old.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
    # The scheme is not compared: behind a proxy that speaks TLS it is another one here.
    if site not in ("same-origin", "none") or (origin is not None and origin.partition("://")[2] != request.host):
        raise Forbidden("this form was sent by another site; open the page here and send it again")
    sent = request.headers.get("X-CSRF-Token") or (await request.post()).get("csrf", "")
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode("utf-8", "surrogateescape"), token.encode()):
        raise Forbidden("this form is out of date: go back, load the page again and send it once more")


def _said(error: web.HTTPException) -> str:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{error.method} is not possible here, only {', '.join(sorted(error.allowed_methods))}"
    if isinstance(error, web.HTTPNotFound) and error.text == f"{error.status}: {error.reason}":
        return "there is no such page"
    return error.text or error.reason


async def _problem(request: web.Request, status: int, message: str) -> web.Response:
    return await show(request, "error.html", status=status, message=message, status_code=status)
