"""Routes below a prefix that take memory only once somebody asks for one of them."""

import asyncio
import threading
from collections.abc import Callable, Iterator

from aiohttp import web


class Deferred(web.PrefixedSubAppResource):
    """An application under ``prefix`` which ``make`` makes for the first request there, in a thread.

    Its signals of start and end are not sent, since it may come late or never. Its middlewares run where the
    application around it has some too. Whoever walks the routes has it made at once, and misses none of them.
    """

    def __init__(self, prefix: str, make: Callable[[], web.Application]) -> None:
        super().__init__(prefix, web.Application())
        self._make = make
        self._making = threading.Lock()
        self._made: web.PrefixedSubAppResource | None = None

    def _whole(self) -> web.PrefixedSubAppResource:
        """What is here, made if it has not been. Blocks."""
        with self._making:
            if self._made is None:
                app = self._make()
                self._made = web.PrefixedSubAppResource(self.canonical, app)
                app.freeze()
            return self._made

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        made = self._made if self._made is not None else await asyncio.to_thread(self._whole)
        return await made.resolve(request)

    def __len__(self) -> int:
        return len(self._whole())

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(self._whole())
