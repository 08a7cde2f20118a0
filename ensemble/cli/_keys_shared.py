"""What the commands of ``ensemble keys`` share: which log, and how a key is shown."""

import asyncio
from pathlib import Path

import click

from ensemble.cli._log_shared import put_json, settings_of
from ensemble.cli._output import put, screen
from ensemble.cli._safe import safe
from ensemble.store import open_store
from ensemble.store.address import Address
from ensemble.store.api_keys import Key


def key_log(config: Path, db: Address | None) -> Address:
    """The log that holds the keys, made where it is missing: a key may come before the first request."""
    log = db or settings_of(config).store.address
    asyncio.run(_made(log))
    return log


async def _made(log: Address) -> None:
    await (await open_store(log)).close()


def described(key: Key) -> dict[str, object]:
    """What is known of a key, as JSON has it."""
    moments = {"created_at": key.created_at, "expires_at": key.expires_at, "revoked_at": key.revoked_at}
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "tenant": key.tenant,
        "data_class": key.data_class,
        "limits": [str(limit) for limit in key.limits],
        "used_at": None if key.used_at is None else key.used_at.isoformat(),
        "replaces": key.replaces,
        **{name: None if at is None else at.isoformat() for name, at in moments.items()},
    }


def show_secret(key: Key, secret: str, *, as_json: bool) -> None:
    """Show a new key, the only time that anybody can; the warning goes to standard error."""
    if as_json:
        put_json(described(key) | {"key": secret})
        return
    console = screen()
    put(console, secret)
    click.echo(f"This is the key {safe(key.name)!r} ({key.id}). It is shown this once: put it away now.", err=True)
