"""Serve the configuration as an OpenAI-compatible API."""

import asyncio
import gc
import linecache
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
from pydantic import ValidationError

from ensemble.cli import _options
from ensemble.cli._light import share_one_heap
from ensemble.config import ServerSettings, Settings, load
from ensemble.server.app import run
from ensemble.server.listening import address_of, bound
from ensemble.server.logs import to_stderr
from ensemble.server.workers.supervisor import Supervisor, shared_folder
from ensemble.server.workers.terms import Post
from ensemble.server.workers.worker import take_place, work
from ensemble.service import open_service

GARBAGE = 20_000
"""New objects after which the garbage collector looks at them."""
MOST_WORKERS = 256


def _workers(_ctx: click.Context, _param: click.Parameter, given: str) -> int:
    if given == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not given.isdecimal() or not 0 < int(given) <= MOST_WORKERS:
        raise click.BadParameter(f"a number from 1 to {MOST_WORKERS}, or auto")
    return int(given)


def _post(_ctx: click.Context, _param: click.Parameter, given: str | None) -> Post | None:
    try:
        return None if given is None else Post.read(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(epilog="Example: ensemble serve --port 8080")
@_options.config
@click.option("--host", help="Address to bind; another than loopback needs a key in the [server] table.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes a free one.")
@click.option("--quiet", is_flag=True, help="Log only what goes wrong, not every request.")
@click.option(
    "--workers",
    default="1",
    show_default=True,
    callback=_workers,
    help="Processes that serve the address together, over one log; auto: as many as there are cores.",
)
@click.option("--worker", hidden=True, callback=_post)
def command(
    config: Path, *, host: str | None, port: int | None, quiet: bool, workers: int, worker: Post | None
) -> None:
    """Serve the configuration as an OpenAI-compatible API until Ctrl-C or SIGTERM.

    The first of these lets requests under way finish, for as long as drain_s in the [server] table says; a second one
    ends at once. Requests are logged to standard error without their content, which is in the database.

    With several workers one that dies is started again, and SIGHUP replaces them one by one while the others serve.
    """
    settings = load(config)
    server = _server(settings.server, host, port)
    level = logging.WARNING if quiet else logging.INFO
    to_stderr(level, server.log, None if worker is None else worker.number)
    if worker is None and workers > 1:
        _supervise(replace(settings, server=server), workers, quiet=quiet)
        return
    if worker is not None:
        take_place(worker)
    share_one_heap()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(replace(settings, server=server), worker))


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


def spare_the_collector() -> None:
    """Let the garbage collector look at what requests leave behind, rarely, and never again at what was there before.

    Almost nothing of a request is a cycle, while the modules are some hundred thousand objects: walking over them as
    often as Python does by itself took a seventh of the CPU of a request.
    """
    linecache.clearcache()  # pydantic has read sources, for what stands behind their options
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)


def _supervise(settings: Settings, workers: int, *, quiet: bool) -> None:
    """Have ``workers`` processes do what this one was asked to."""
    with (
        bound(settings.server.host, settings.server.port) as sockets,
        shared_folder() as folder,
    ):
        host, port = sockets[0].getsockname()[:2]

        def started() -> None:
            click.echo(f"{_told(settings, address_of(host, port))}; workers: {workers}")

        # -P, since a package called as ours may lie in the folder in which this was called.
        command = [sys.executable, "-P", "-m", "ensemble", "serve"]
        command += ["--config", str(settings.path), "--host", settings.server.host, "--port", str(port)]
        command += [*(["--quiet"] if quiet else []), "--worker"]
        asyncio.run(Supervisor(command, workers, sockets, folder).run(started))


def _told(settings: Settings, address: str) -> str:
    routers = ", ".join(settings.routers) or "none"
    return f"ensemble serves {address}/v1; routers: {routers}; log: {settings.store.address}; pages: {address}/ui"


async def _serve(settings: Settings, post: Post | None) -> None:
    async with open_service(settings) as service:
        spare_the_collector()
        if post is not None:
            await work(service, post)
            return

        def started(address: str) -> None:
            click.echo(_told(settings, address))

        await run(service, started)
