"""Signing in with an API key, and out again."""

import math

from aiohttp import web

from ensemble.errors import Forbidden, LimitExceeded, Unauthenticated
from ensemble.keys.issuing import hash_of
from ensemble.server.auth import PAGES as ROOT
from ensemble.server.auth import is_page
from ensemble.server.pages.access import GATE
from ensemble.server.pages.attempts import ATTEMPTS, address_of
from ensemble.server.pages.frame import show
from ensemble.server.pages.sessions import COOKIE, LIFE_S, SESSIONS

routes = web.RouteTableDef()


@routes.get("/sign-in")
async def form(request: web.Request) -> web.Response:
    """The form."""
    return await show(request, "sign_in.html", next=_local(request.query.get("next", "")), wrong="")


@routes.post("/sign-in")
async def begin(request: web.Request) -> web.Response:
    """Begin a session for whoever has the key."""
    sent = await request.post()
    next_ = _local(str(sent.get("next", "")))
    hash_ = hash_of(str(sent.get("key", "")).strip())
    try:
        async with request.app[ATTEMPTS].counted(address_of(request)):
            caller = await request.app[GATE].holder(hash_, request.host)
        if not (caller.may("audit") or caller.may("use")):
            raise Forbidden("this key is valid and lacks the scope 'audit'; `ensemble keys create NAME --scope audit`")
    except (Unauthenticated, Forbidden, LimitExceeded) as error:
        response = await show(request, "sign_in.html", status=error.status, next=next_, wrong=str(error))
        if error.retry_after_s is not None:
            response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        return response
    sessions = request.app[SESSIONS]
    await sessions.end(request.cookies.get(COOKIE, ""))
    token = await sessions.begin(hash_)
    response = web.Response(status=303, headers={"Location": next_})
    secure = "https" in (request.scheme, request.headers.get("X-Forwarded-Proto"))
    response.set_cookie(COOKIE, token, max_age=LIFE_S, path=ROOT, httponly=True, samesite="Strict", secure=secure)
    return response


@routes.post("/sign-out")
async def end(request: web.Request) -> web.Response:
    """End the session."""
    await request.app[SESSIONS].end(request.cookies.get(COOKIE, ""))
    response = web.Response(status=303, headers={"Location": f"{ROOT}/sign-in"})
    response.del_cookie(COOKIE, path=ROOT)
    return response


def _local(there: str) -> str:
    """``there`` if it is a page of ours, else the index: what is in an address may be anybody's."""
    own = is_page(there.partition("?")[0]) and there.isprintable() and "\\" not in there
    return there if own else ROOT
