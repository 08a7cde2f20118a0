"""Routes below a prefix that take memory only once somebody asks for one of them."""

import asyncio
import threading
from collections.abc import Callable, Iterator

from aiohttp import web


class Deferred(web.PrefixedSubAppResource):
    """An application under ``prefix`` which ``make`` makes for the first request there, in a thread.

    It may come late or never, so it is told of no start, and of the end by ``cleanup``. Its middlewares run where the
    application around it has some too. Whoever walks the routes has it made at once, and misses none of them.
    """

    def __init__(self, prefix: str, make: Callable[[], web.Application]) -> None:
        super().__init__(prefix, web.Application())
        self._make = make
        self._making = threading.Lock()
        self._made: web.PrefixedSubAppResource | None = None
        self._inner: web.Application | None = None

    def _whole(self) -> web.PrefixedSubAppResource:
        """What is here, made if it has not been. Blocks."""
        with self._making:
            if self._made is None:
                app = self._inner = self._make()
                self._made = web.PrefixedSubAppResource(self.canonical, app)
                app.freeze()
            return self._made

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        made = self._made if self._made is not None else await asyncio.to_thread(self._whole)
        return await made.resolve(request)

    async def cleanup(self, _: web.Application) -> None:
        """End what was made; to be put among the ``on_cleanup`` of the application around it."""
        if self._inner is not None:
            await self._inner.cleanup()

    def __len__(self) -> int:
        return len(self._whole())

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(self._whole())
