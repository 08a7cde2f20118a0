"""Routes below a prefix that take memory only once somebody asks for one of them."""

import asyncio
from collections.abc import Callable

from aiohttp import web


class Deferred(web.PrefixedSubAppResource):
    """An application under ``prefix`` which ``make`` makes for the first request there, in a thread.

    Its signals of start and end are not sent, since it may come late or never. Its middlewares run where the
    application around it has some too.
    """

    def __init__(self, prefix: str, make: Callable[[], web.Application]) -> None:
        super().__init__(prefix, web.Application())
        self._make = make
        self._making = asyncio.Lock()
        self._made: web.PrefixedSubAppResource | None = None

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        async with self._making:
            if self._made is None:
                app = await asyncio.to_thread(self._make)
                self._made = web.PrefixedSubAppResource(self.canonical, app)
                app.freeze()
        return await self._made.resolve(request)
