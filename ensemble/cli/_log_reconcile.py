"""``ensemble log reconcile``."""

from dataclasses import asdict
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import log_file, log_options, put_json, put_table, settings_of
from ensemble.cli._output import put, screen
from ensemble.errors import StoreError
from ensemble.money import usd
from ensemble.store.address import Address
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.reconcile import FIELDS, Difference, Usage, read_usage, reconcile


def _columns(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(each.partition("=")[::2] for each in given)
    if wrong := [name for name, column in pairs.items() if name not in FIELDS or not column]:
        raise click.BadParameter(f"{wrong[0]!r}: give FIELD=COLUMN with a field of {', '.join(FIELDS)}")
    return pairs


@click.command(epilog="Example: ensemble log reconcile usage.csv --tolerance 0.01")
@click.argument("file", type=click.Path(path_type=Path))
@log_options
@click.option("--provider", help="Compare with the members of this provider of the configuration alone.")
@click.option("--column", "columns", multiple=True, metavar="FIELD=COLUMN", callback=_columns, help="Other names.")
@click.option("--tolerance", type=click.FloatRange(0, 1), default=0.0, help="Share by which figures may differ.")
@_options.as_json
def command(
    file: Path,
    *,
    config: Path,
    db: Address | None,
    provider: str | None,
    columns: dict[str, str],
    tolerance: float,
    as_json: bool,
) -> None:
    """Hold the ledger against FILE, a provider's CSV of usage or costs, by UTC day and model.

    The exports of OpenAI and Anthropic are known by their headers. Exits with 3 where something differs.
    """
    theirs = read_usage(file, columns)
    members: list[str] = []
    if provider is not None:
        members = [name for name, one in settings_of(config).members.items() if one.provider == provider]
        if not members:
            raise StoreError(f"--provider: no member of the configuration belongs to {provider!r}")
    with reading(log_file(config, db)) as log:
        found = reconcile(log, theirs, members=members, tolerance=tolerance)
    differ = [one for one in found if one.what]
    if as_json:
        put_json({"rows": [asdict(one) for one in found], "differ": len(differ)})
    else:
        put_table(("day", "model", "tokens here", "tokens there", "USD here", "USD there", "difference"), _rows(found))
        put(screen(), f"{len(found) - len(differ)} of {len(found)} days and models agree")
    if differ:
        raise SystemExit(3)


def _rows(found: list[Difference]) -> list[tuple[object, ...]]:
    return [
        (one.day, one.model, _tokens(one.ledger), _tokens(one.provider), _usd(one.ledger), _usd(one.provider),
         "; ".join(one.what) or "none")
        for one in found
    ]  # fmt: skip


def _tokens(usage: Usage) -> str | None:
    if usage.input is None and usage.output is None:
        return None
    return f"{usage.input or 0:,} + {usage.output or 0:,}"


def _usd(usage: Usage) -> str | None:
    return None if usage.nano_usd is None else usd(usage.nano_usd)
