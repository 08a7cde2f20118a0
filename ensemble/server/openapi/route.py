"""The route of the document itself."""

import asyncio

from aiohttp import web

from ensemble.server.shape import id_headers

routes = web.RouteTableDef()
MADE = web.AppKey("openapi", dict)


@routes.get("/openapi.json")
async def openapi(request: web.Request) -> web.Response:
    """Every route with what it takes and answers, as OpenAPI 3.1; anybody may read it, since it tells nothing else."""
    made = request.app[MADE]
    if "text" not in made:
        made["text"] = await asyncio.to_thread(_document, request.app)
    return web.Response(body=made["text"], content_type="application/json", headers=id_headers(request))


def _document(app: web.Application) -> bytes:
    from ensemble.server.openapi.document import document  # late: its shapes are memory that few need

    return document(app)
