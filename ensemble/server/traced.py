"""A span for every request that asks for work, where telemetry is on."""

from aiohttp import web
from aiohttp.typedefs import Handler

from ensemble.server.answering import SERVICE
from ensemble.server.shape import REQUEST_ID


@web.middleware
async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost, so that the status is the one that the client gets; probes and scrapes are not traced."""
    telemetry, route = request.app[SERVICE].telemetry, request.match_info.route.resource
    if telemetry is None or route is None or not route.canonical.startswith("/v1/"):
        return await handler(request)
    with telemetry.request(request.method, route.canonical, request.headers) as trace:
        response = await handler(request)
        trace.ended(response.status, request[REQUEST_ID])
        return response
