"""What the commands of ``ensemble log`` share: which file, moments, tables."""

import functools
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast

import click

from ensemble.cli import _options
from ensemble.cli._log import log_of
from ensemble.cli._output import columns, dollars, screen
from ensemble.cli._safe import brief
from ensemble.config import Settings, load, read
from ensemble.store.address import Address
from ensemble.store.keeping.erase import Scope
from ensemble.store.keeping.spilled import beside
from ensemble.store.spill import Spill
from judges.errors import InvalidOptions
from judges.learning.folder import read_manifest
from judges.registry import Plugin

F = TypeVar("F", bound=Callable[..., object])

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def log_options(command: F) -> F:
    """``--config`` and ``--db``: which log."""
    return _options.config(_options.db(command))


def log_file(config: Path, db: Address | None) -> Address:
    """The log that is meant; as ``log_of``."""
    return log_of(config, db)


def spills_of(config: Path, log: Address) -> list[Spill]:
    """Where records of ``log`` may be spilled: beside it, and where the configuration says."""
    spills = [beside(log)]
    if config.exists():
        store = settings_of(config).store
        other = store.spill_path
        if other is not None and other != spills[0].path and store.address.is_same(log):
            spills.append(Spill(other))
    return spills


def trained_on(config: Path, ids: Collection[str]) -> list[str]:
    """Configured routers and judges, as ``[routers.NAME]``, that were trained on one of these requests."""
    if not ids or not config.exists():
        return []
    settings = settings_of(config)
    tables: tuple[tuple[str, Mapping[str, Plugin]], ...] = (("routers", settings.routers), ("judges", settings.judges))
    told = []
    for table, plugins in tables:
        for name, plugin in plugins.items():
            learned = [_learned_from(folder) for folder in _folders(plugin)]
            if None in learned:
                told.append(f"[{table}.{name}], perhaps: its manifest cannot be read")
            elif any(one is not None and not one.isdisjoint(ids) for one in learned):
                told.append(f"[{table}.{name}]")
    return told


def _folders(plugin: Plugin) -> Iterator[Path]:
    """Folders of training that a plugin or a part of it reads."""
    folder = getattr(plugin, "path", None)
    if isinstance(folder, Path) and (folder / "manifest.json").is_file():
        yield folder
    for _, part in plugin.parts():
        yield from _folders(part)


def _learned_from(folder: Path) -> frozenset[str] | None:
    try:
        return frozenset(map(str, read_manifest(folder).get("trained_on", ())))
    except (InvalidOptions, TypeError):
        return None


def settings_of(config: Path) -> Settings:
    """The configuration, as far as it can be read; ConfigError where there is none."""
    return read(config).settings if config.exists() else load(config)


def length(context: click.Context, parameter: click.Parameter, given: str | None) -> timedelta | None:
    """A length of time such as 90d, 36h, 15m."""
    if given is None:
        return None
    match = re.fullmatch(r"(\d{1,6})([smhdw])", given.strip())
    if match is None:
        raise click.BadParameter(f"{given!r} is no length of time, such as 90d, 36h, 15m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def moment(context: click.Context, parameter: click.Parameter, given: str | None) -> datetime | None:
    """A moment: a length of time before now, such as 1h, or a day or time in ISO 8601, UTC where it names no zone."""
    if given is None:
        return None
    if re.fullmatch(r"\d{1,6}[smhdw]", given):
        return datetime.now(UTC) - (length(context, parameter, given) or timedelta())
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise click.BadParameter(f"{given!r} is no moment, such as 1h, 2026-11-23 or 2026-11-23T14:00") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def put_json(tree: object) -> None:
    """Print ``tree`` as JSON; texts are escaped, so nothing in them reaches the terminal as it is."""
    click.echo(json.dumps(tree, indent=2, default=str))


def put_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print ``rows`` under ``head``, safe for a terminal of any width; None is a dash."""
    cells = [tuple("-" if cell is None else brief(str(cell), 60) or "-" for cell in row) for row in rows]
    columns(screen(), [tuple(head), *cells], {head[0]: "bold"}, indent=0, fold=True)


def cost(row: Mapping[str, object]) -> str:
    """Known money of a row with ``nano_usd`` and ``unpriced``."""
    known, unknown = int(str(row["nano_usd"] or 0)), int(str(row["unpriced"] or 0))
    if not unknown:
        return dollars(known)
    calls = f"{unknown:,} call{'s' if unknown > 1 else ''} of unknown cost"
    return f"{dollars(known)} + {calls}" if known else calls


def scope_options(command: F) -> F:
    """``--id``, ``--conversation``, ``--key`` and ``--where``, handed on as one ``scope``."""

    @functools.wraps(command)
    def called(
        *args: object,
        ids: tuple[str, ...],
        conversation: str | None,
        key: str | None,
        where: str | None,
        **more: object,
    ) -> object:
        from ensemble.feedback import bare

        known = tuple(map(bare, ids))
        return command(*args, scope=Scope(ids=known, conversation=conversation, key=key, where=where), **more)

    options = (
        click.option("--id", "ids", multiple=True, help="This request, or the one of this reply; may be repeated."),
        click.option("--conversation", help="All of this conversation."),
        click.option("--key", help="All that came with the API key of this id."),
        click.option("--where", help="An SQL condition on the columns of requests."),
    )
    for option in reversed(options):
        called = option(called)
    return cast("F", called)
