"""``ensemble log check``."""

import os
from collections.abc import Collection
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import log_file, put_json, settings_of, spills_of
from ensemble.cli._output import put, screen
from ensemble.cli._safe import safe
from ensemble.config import Settings
from ensemble.config.environment import secrets_of
from ensemble.errors import ConfigError
from ensemble.plurals import counted
from ensemble.store.address import Address
from ensemble.store.keeping.checks import checks
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.secrets import secret_places


@click.command(epilog="Example: ensemble log check --secrets")
@_options.config
@_options.log
@click.option("--secrets", is_flag=True, help="Search every byte for the keys of the configuration.")
@click.option("--secret-env", "variables", multiple=True, metavar="VARIABLE", help="Search for its value too.")
@_options.as_json
def command(config: Path, *, db: Address | None, secrets: bool, variables: tuple[str, ...], as_json: bool) -> None:
    """Check the log: pages, references, daily sums against the rows, orphans, rights of files, search.

    Reads all of it. Exits with 3 where something is wrong.
    """
    path = log_file(config, db)
    wanted = _secrets(settings_of(config) if secrets else None, variables)
    spills = spills_of(config, path)
    with reading(path) as log:
        found = [*checks(log, path, spills), *secret_places(log, path, wanted, spills)]
    if as_json:
        put_json({"log": str(path), "findings": [one._asdict() for one in found], "secrets": sorted(wanted)})
    else:
        for one in found:
            put(screen(), (one.check, "bold red"), f": {safe(one.text)}")
        put(screen(), f"{path}: {counted(len(found), 'finding') if found else 'no findings'}{_looked(wanted)}")
        if secrets and not wanted:
            told = (
                "No secret was looked for: the configuration names no key that is set here; --secret-env names others."
            )
            click.echo(told, err=True)
    if found:
        raise SystemExit(3)


def _looked(wanted: Collection[str]) -> str:
    return f", {counted(len(wanted), 'secret')} looked for" if wanted else ""


def _secrets(settings: Settings | None, variables: tuple[str, ...]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    if settings is not None:
        for part in (settings.server, *settings.providers.values()):
            wanted |= secrets_of(part)
    for variable in variables:
        if not os.environ.get(variable):
            raise ConfigError(f"--secret-env: the environment variable {variable} is not set")
        wanted[variable] = os.environ[variable]
    return wanted
