"""The pages alone, over a log that nobody has to serve."""

import os
from collections.abc import Callable

from aiohttp import web
from pydantic import SecretStr

from ensemble.config import Settings
from ensemble.errors import ConfigError
from ensemble.server.auth import PAGES, is_loopback
from ensemble.server.listening import Signals, listening
from ensemble.server.pages.access import FileGate
from ensemble.server.pages.app import make_pages
from ensemble.server.pages.frame import Log
from ensemble.server.shape import shaped
from ensemble.store.address import Where, address_of
from ensemble.store.reading import open_log


def make_auditing(
    log: Log, *, about: str, key: SecretStr | None = None, settings: Settings | None = None
) -> web.Application:
    """An application of pages that read ``log`` and write nothing; whoever has ``key`` may see them, or else anybody.

    ``about`` is the name of the log; ``settings`` names seats, families and routers for the figures that need them.
    """
    app = web.Application(middlewares=[shaped])
    app.add_subapp(PAGES, make_pages(log, FileGate(key), about=about, settings=settings))
    app.add_routes([web.get("/", _first)])
    return app


async def run(
    where: Where,
    host: str,
    port: int,
    key_env: str | None,
    started: Callable[[str], None],
    settings: Settings | None = None,
) -> None:
    """Serve the pages on the log at ``where`` until SIGINT or SIGTERM; ``started`` is told their address.

    Raises:
        ConfigError: the address cannot be bound, or is not of loopback and there is no key.
        StoreError: there is no such log.
    """
    key = _key(host, key_env)
    async with (
        open_log(where) as log,
        listening(make_auditing(log, about=address_of(where).name, key=key, settings=settings), host, port) as (
            _,
            address,
        ),
    ):
        with Signals(lambda: None) as stop:
            started(address + PAGES)
            await stop.wait()


def _key(host: str, key_env: str | None) -> SecretStr | None:
    if key_env is None:
        if not is_loopback(host):
            raise ConfigError(f"--host: {host} can be reached from outside; name a key with --key-env as well")
        return None
    if not os.environ.get(key_env):
        raise ConfigError(f"--key-env: the environment has no {key_env}; set it to the key that readers sign in with")
    return SecretStr(os.environ[key_env])


async def _first(request: web.Request) -> web.Response:
    return web.Response(status=303, headers={"Location": PAGES})
