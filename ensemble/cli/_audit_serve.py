"""``ensemble audit serve``."""

import asyncio
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._audit_shared import settings_beside
from ensemble.server.auditing import run
from ensemble.store.address import Address


@click.command(epilog="Example: ensemble audit serve ensemble.db --port 8090")
@click.argument("file", type=_options.LOG)
@_options.config
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to bind; another than loopback needs a key."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="TCP port; 0: a free one.")
@click.option("--key-env", help="Environment variable with the key that readers sign in with.")
def command(file: Address, *, config: Path, host: str, port: int, key_env: str | None) -> None:
    """Serve the audit pages on the log FILE until Ctrl-C, whether a service writes to it or not; nothing is written."""
    asyncio.run(run(file, host, port, key_env, _tell, settings_beside(config)))


def _tell(address: str) -> None:
    click.echo(f"the audit pages are at {address}")
