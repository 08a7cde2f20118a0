"""The index: which pages there are, and what each answers."""

from aiohttp import web

from ensemble.server.pages.frame import show

routes = web.RouteTableDef()


@routes.get("")
async def index(request: web.Request) -> web.Response:
    """The index of all pages."""
    return await show(request, "home.html")


@routes.get("/")
async def slash(request: web.Request) -> web.Response:
    """The same address, written once."""
    raise web.HTTPSeeOther(request.path.rstrip("/"))
