"""``ensemble keys rotate``."""

from datetime import timedelta
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._keys_shared import show_secret
from ensemble.cli._log_shared import length, log_file, log_options
from ensemble.keys.issuing import rotate
from ensemble.store.address import Address
from ensemble.store.keeping.connect import transaction, writing


@click.command(epilog="Example: ensemble keys rotate app --grace 1h")
@click.argument("name")
@log_options
@click.option("--grace", callback=length, help="How long the old key stays valid, such as 1h.  [default: not at all]")
@_options.as_json
def command(name: str, config: Path, *, db: Address | None, grace: timedelta | None, as_json: bool) -> None:
    """Make a key like the one called NAME, or with that id, and show it, this once; the old one ends.

    The new key sees what the old one asked, and goes on with its limits: what was used of them is used.
    """
    with writing(log_file(config, db)) as log, transaction(log):
        key, secret = rotate(log, name, grace or timedelta())
    show_secret(key, secret, as_json=as_json)
