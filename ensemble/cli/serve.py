"""Serve the configuration as an OpenAI-compatible API."""

import asyncio
import gc
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
from pydantic import ValidationError

from ensemble.cli import _options
from ensemble.config import ServerSettings, Settings, load
from ensemble.server.app import run
from ensemble.server.logs import to_stderr
from ensemble.service import open_service

GARBAGE = 20_000
"""New objects after which the garbage collector looks at them."""


@click.command(epilog="Example: ensemble serve --port 8080")
@_options.config
@click.option("--host", help="Address to bind; another than loopback needs a key in the [server] table.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes a free one.")
@click.option("--quiet", is_flag=True, help="Log only what goes wrong, not every request.")
def command(config: Path, *, host: str | None, port: int | None, quiet: bool) -> None:
    """Serve the configuration as an OpenAI-compatible API until Ctrl-C or SIGTERM.

    The first of these lets requests under way finish, for as long as drain_s in the [server] table says; a second one
    ends at once. Requests are logged to standard error without their content, which is in the database.
    """
    settings = load(config)
    server = _server(settings.server, host, port)
    to_stderr(logging.WARNING if quiet else logging.INFO, server.log)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(replace(settings, server=server)))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop, where the extra ``fast`` is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _server(server: ServerSettings, host: str | None, port: int | None) -> ServerSettings:
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    try:
        return ServerSettings.model_validate({**server.model_dump(), **given})
    except ValidationError as error:
        raise click.UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def _spare_the_collector() -> None:
    """Let the garbage collector look at what requests leave behind, rarely, and never again at what was there before.

    Almost nothing of a request is a cycle, while the modules are some hundred thousand objects: walking over them as
    often as Python does by itself took a seventh of the CPU of a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)


async def _serve(settings: Settings) -> None:
    async with open_service(settings) as service:
        _spare_the_collector()

        def started(address: str) -> None:
            routers = ", ".join(settings.routers) or "none"
            click.echo(f"ensemble serves {address}/v1; routers: {routers}; log: {settings.store.address}")

        await run(service, started)
