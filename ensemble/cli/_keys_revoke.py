"""``ensemble keys revoke``."""

from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._keys_shared import described
from ensemble.cli._log_shared import log_file, log_options, put_json
from ensemble.cli._output import put, screen
from ensemble.cli._safe import safe
from ensemble.keys.issuing import revoke
from ensemble.store.address import Address
from ensemble.store.keeping.connect import transaction, writing


@click.command(epilog="Example: ensemble keys revoke app")
@click.argument("name")
@log_options
@_options.as_json
def command(name: str, config: Path, *, db: Address | None, as_json: bool) -> None:
    """End the key called NAME, or with that id; a service that runs refuses it within a second."""
    with writing(log_file(config, db)) as log, transaction(log):
        key = revoke(log, name)
    if as_json:
        put_json(described(key) | {"state": "revoked"})
    else:
        put(screen(), f"{safe(key.name)} ({key.id}) is revoked")
