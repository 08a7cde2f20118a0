"""The pages as an application of their own, to be put under ``/ui`` of another."""

from aiohttp import web

from ensemble.config import Settings
from ensemble.place import PLACE
from ensemble.server.pages import access, static
from ensemble.server.pages.access import GATE, Gate
from ensemble.server.pages.attempts import ATTEMPTS, Attempts, SharedAttempts
from ensemble.server.pages.downloads import routes_of
from ensemble.server.pages.frame import ABOUT, CONFIGURED, LOG, SERVICE, WRITER, Log
from ensemble.server.pages.registry import PAGES, found
from ensemble.server.pages.sessions import SESSIONS, Sessions, SharedSessions
from ensemble.server.pages.static import STATIC
from ensemble.service import Service
from ensemble.store import Store


def make_pages(
    log: Log,
    gate: Gate,
    *,
    about: str,
    writer: Store | None = None,
    service: Service | None = None,
    settings: Settings | None = None,
) -> web.Application:
    """Pages that read ``log``, for those whom ``gate`` lets in.

    ``about`` is the log's name. Without ``writer`` nothing can be decided, without ``service`` nothing can be asked,
    and what figures need of a configuration they take from ``settings``, where there are some.
    """
    pages = web.Application(middlewares=[access.framed])
    pages.on_response_prepare.append(access.add_headers)
    pages[LOG], pages[GATE], pages[ABOUT], pages[WRITER], pages[SERVICE] = log, gate, about, writer, service
    pages[CONFIGURED] = settings
    shared = PLACE.get().folder
    pages[SESSIONS] = Sessions() if shared is None else SharedSessions(shared)
    pages[ATTEMPTS] = Attempts() if shared is None else SharedAttempts(shared)
    pages[STATIC] = static.files()
    for module in found():
        if hasattr(module, "prepare"):
            module.prepare(pages)
        pages.add_routes(getattr(module, "routes", ()))
    for page in PAGES:
        pages.add_routes(list(routes_of(page)))
    return pages
