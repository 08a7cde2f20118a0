"""``ensemble audit serve``."""

import asyncio
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._audit_shared import settings_beside
from ensemble.cli._log import log_of
from ensemble.server.auditing import run
from ensemble.store.address import Address


@click.command(epilog="Example: ensemble audit serve ensemble.db --port 8090")
@_options.config
@_options.log
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to bind; another than loopback needs a key."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="TCP port; 0: a free one.")
@click.option("--key-env", help="Environment variable with the key that readers sign in with.")
def command(config: Path, *, db: Address | None, host: str, port: int, key_env: str | None) -> None:
    """Serve the audit pages on the log until Ctrl-C, whether a service writes to it or not; nothing is written.

    The log is FILE, or else that of the configuration.
    """
    asyncio.run(run(log_of(config, db), host, port, key_env, _tell, settings_beside(config)))


def _tell(address: str) -> None:
    click.echo(f"the audit pages are at {address}")
