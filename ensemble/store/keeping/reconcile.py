"""A provider's account of usage against the ledger, by UTC day and model."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from ensemble.errors import StoreError
from ensemble.money import NANO
from ensemble.plurals import counted
from ensemble.store.content import unbind
from ensemble.store.database import Database

FIELDS: Mapping[str, tuple[str, ...]] = {
    "day": (
        "day", "date", "usage_date_utc", "usage_date", "start_time_iso", "start_time", "bucket_start_time", "timestamp",
        "starting_at",
    ),
    "model": ("model", "model_version", "model_id", "snapshot_id", "line_item"),
    "input": (
        "input_tokens", "usage_input_tokens", "n_context_tokens_total", "prompt_tokens", "context_tokens",
        "usage_input_tokens_no_cache", "uncached_input_tokens",
    ),
    "cache_read": ("usage_input_tokens_cache_read", "cache_read_input_tokens"),
    "cache_write": (
        "usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write_1h", "cache_creation_input_tokens",
        "cache_write_input_tokens",
    ),
    "output": (
        "output_tokens", "usage_output_tokens", "n_generated_tokens_total", "completion_tokens", "generated_tokens",
    ),
    "usd": ("cost_usd", "cost", "amount_value", "amount", "cost_in_usd", "usd", "total_cost"),
    "cents": ("cost_cents", "cost_in_cents", "amount_in_cents"),
}  # fmt: skip
"""What a column may be called, by what it means; OpenAI's input holds what was cached, Anthropic's does not."""
_ADDED = frozenset({"cache_read", "cache_write"})
"""Meanings of which several columns are added up, to the input."""


@dataclass(slots=True)
class Usage:
    """Sums of one day and model; None where one side tells nothing of it. ``unpriced`` counts calls of unknown cost."""

    input: int | None = None
    output: int | None = None
    nano_usd: int | None = None
    calls: int = 0
    unpriced: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One day and model. ``what`` names the figures that differ, or which side lacks it; empty where they agree."""

    day: str
    model: str
    provider: Usage
    ledger: Usage
    what: tuple[str, ...]


Key = tuple[str, str]


def reconcile(
    db: Database, theirs: Mapping[Key, Usage], *, members: Sequence[str] = (), tolerance: float = 0.0
) -> list[Difference]:
    """``theirs`` against the ledger on the days that they cover, by day and model.

    ``members`` are those that the provider serves, all where it is empty; ``tolerance`` is the share by which tokens
    and money may differ.
    """
    days = sorted({day for day, _ in theirs})
    ours = ledger(db, days[0], days[-1], members) if days else {}
    ours = {key: usage for key, usage in ours.items() if key[0] in days}
    return [
        Difference(
            day=key[0],
            model=key[1],
            provider=theirs.get(key, Usage()),
            ledger=ours.get(key, Usage()),
            what=_what(theirs.get(key), ours.get(key), tolerance),
        )
        for key in sorted({*theirs, *ours})
    ]


def _what(theirs: Usage | None, ours: Usage | None, tolerance: float) -> tuple[str, ...]:
    if ours is None:
        return ("not in the ledger",)
    if theirs is None:
        return ("not in the provider's file",)
    figures = (
        ("input tokens", theirs.input, ours.input),
        ("output tokens", theirs.output, ours.output),
        ("cost", theirs.nano_usd, ours.nano_usd),
    )
    told = [
        f"{name} {own - other:+,}" if name != "cost" else f"cost {(own - other) / NANO:+.6f} USD"
        for name, other, own in figures
        if other is not None and own is not None and abs(own - other) > tolerance * max(abs(other), abs(own))
    ]
    if ours.unpriced and theirs.nano_usd is not None:
        told.append(f"{counted(ours.unpriced, 'call')} of unknown cost")
    return tuple(told)


def ledger(db: Database, first: str, last: str, members: Sequence[str] = ()) -> dict[Key, Usage]:
    """What the calls of these UTC days came to, by day and the model id that the provider returned, else the member."""
    marks = ", ".join("?" * len(members))
    of = f"AND member IN ({marks})" if members else ""
    sql = f"""
        SELECT substr(started_at, 1, 10), coalesce(model, member), sum(input_tokens), sum(output_tokens),
            sum(nano_usd), count(*), count(*) - count(nano_usd)
        FROM calls WHERE started_at >= ? AND started_at < ? || '~' AND attempt > 0 {of} GROUP BY 1, 2
    """  # noqa: S608 - own marks
    rows = db.execute(sql, [first, last, *members])
    return {
        (day, unbind(model)): Usage(input=i, output=o, nano_usd=usd, calls=n, unpriced=unknown)
        for day, model, i, o, usd, n, unknown in rows
        if i or o or usd or unknown < n  # attempts that nobody can have been billed for are in no provider's file
    }


def read_usage(path: Path, columns: Mapping[str, str] | None = None) -> dict[Key, Usage]:
    """A provider's CSV of usage or costs, summed by UTC day and model.

    ``columns`` says which column is which of ``FIELDS`` where its name does not tell.

    Raises:
        StoreError: it cannot be read, lacks a day or model, or a value is no number; the sentence names the place.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _summed(csv.DictReader(file), path, columns or {})
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: is no CSV in UTF-8: {error}") from error


def _summed(rows: "csv.DictReader[str]", path: Path, given: Mapping[str, str]) -> dict[Key, Usage]:
    places = _places(list(rows.fieldnames or ()), path, given)
    sums: dict[Key, Usage] = {}
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        model = (row[places["model"][0]] or "").strip()
        if not model:
            continue
        into = sums.setdefault((_day(row[places["day"][0]] or "", where), model), Usage())
        into.calls += 1
        for field, names in places.items():
            if field in {"day", "model"}:
                continue
            for value in _numbers(row, names, where):
                _add(into, field, value)
    return sums


def _add(into: Usage, field: str, value: Decimal) -> None:
    if field in {"usd", "cents"}:
        into.nano_usd = (into.nano_usd or 0) + round(value * NANO / (100 if field == "cents" else 1))
    elif field in _ADDED or field == "input":
        into.input = (into.input or 0) + int(value)
    elif field == "output":
        into.output = (into.output or 0) + int(value)


def _numbers(row: Mapping[str, str | None], names: Iterable[str], where: str) -> Iterator[Decimal]:
    for name in names:
        text = (row[name] or "").strip().replace(",", "").removeprefix("$")
        if not text:
            continue
        try:
            value = Decimal(text)
        except ArithmeticError:
            value = Decimal("NaN")
        if not value.is_finite():
            raise StoreError(f"{where}: {name} is no number; name the right column with --column")
        yield value


def _places(header: list[str], path: Path, given: Mapping[str, str]) -> dict[str, list[str]]:
    plain = {re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_"): name for name in header}
    places: dict[str, list[str]] = {}
    for field, names in FIELDS.items():
        if field in given:
            if given[field] not in header:
                raise StoreError(f"{path}: there is no column {given[field]!r}; it has {', '.join(header) or 'none'}")
            places[field] = [given[field]]
            continue
        found = [plain[name] for name in names if name in plain]
        if found:
            places[field] = found if field in _ADDED else found[:1]
    for field in ("day", "model"):
        if field not in places:
            raise StoreError(
                f"{path}: no column tells the {field}; it has {', '.join(header) or 'none'}; "
                f"name it with --column {field}=COLUMN"
            )
    if not {"input", "output", "usd", "cents"} & places.keys():
        raise StoreError(f"{path}: no column tells tokens or money; name one with --column output=COLUMN or usd=COLUMN")
    return places


def _day(text: str, where: str) -> str:
    text = text.strip()
    try:
        if re.fullmatch(r"\d{9,13}(\.\d+)?", text):
            seconds = float(text) / (1000 if len(text.partition(".")[0]) > 10 else 1)
            return datetime.fromtimestamp(seconds, UTC).date().isoformat()
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise StoreError(
            f"{where}: {text[:40]!r} is no day; write 2026-11-23, or name the column with --column"
        ) from None
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date().isoformat()
