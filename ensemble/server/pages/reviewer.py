"""Under which name a person reviews: that of the key, else one that he gives and the browser keeps."""

from urllib.parse import quote, unquote

from aiohttp import web

from ensemble.errors import InvalidRequest
from ensemble.server.auth import CALLER, PAGES
from ensemble.server.pages.frame import WRITER

COOKIE = "ensemble-reviewer"
KEPT_S = 365 * 24 * 3600
MOST = 200


def reviewer_of(request: web.Request) -> str:
    """The alias of who reviews; "" where nobody has told."""
    key = request[CALLER].key
    return key.name if key is not None else _fitting(unquote(request.cookies.get(COOKIE, "")))


def reader_of(request: web.Request) -> str | None:
    """To whom cases that wait for a blind review are sealed; None where nobody can decide, and so nothing is sealed."""
    return None if request.app[WRITER] is None else reviewer_of(request)


async def told(request: web.Request) -> str:
    """The alias under which a form was sent: that of the key, else what its field ``by`` says, else the one kept.

    Raises:
        InvalidRequest: there is none.
    """
    key = request[CALLER].key
    if key is not None:
        return key.name
    if by := _fitting(str((await request.post()).get("by", "")).strip()) or reviewer_of(request):
        return by
    raise InvalidRequest(f"by: say who you are, in at most {MOST} printable characters", param="by")


def remember(response: web.Response, by: str) -> None:
    """Have the browser keep the name."""
    response.set_cookie(COOKIE, quote(by), max_age=KEPT_S, path=PAGES, httponly=True, samesite="Strict")


def _fitting(name: str) -> str:
    return name if len(name) <= MOST and name.isprintable() else ""
