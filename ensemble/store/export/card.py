"""The data card of a folder: what Hugging Face and ``datasets`` read at its top, and what a reader should know below.

Names come from configurations and model ids from providers, so they stand in code spans and cannot break the table.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ensemble.errors import StoreError
from ensemble.plurals import counted
from ensemble.store.export.fields import Field, features, flat, type_name
from ensemble.store.export.manifest import Told, manifest

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}\Z")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """What the log says of a judge, or of a seat within it: rates by what they tell, ready to print."""

    judge: str
    seat: str
    digest: str
    verdicts: int
    rates: Mapping[str, str]


def check_license(license_: str) -> str:
    """``license_`` where it can stand in a data card.

    Raises:
        StoreError: it is no identifier.
    """
    if not _LICENSE.match(license_):
        raise StoreError(f"--license: {license_!r} is no identifier such as cc-by-4.0, apache-2.0 or other")
    return license_


def card(told: Told, fields: Sequence[Field], biases: Sequence[Bias]) -> bytes:
    """``README.md`` of the folder."""
    digests = {digest for _, digest in told.coverage.judges}
    judges = {name for name, _ in told.coverage.judges}
    shown = [one for one in biases if one.digest in digests or (one.seat and one.judge in judges)]
    parts = [
        "---", *_front(told, fields), "---", "",
        f"# {told.format.name}", "",
        f"One row is {told.format.doc}. Exported by ensemble-judges; `manifest.json` has the filters, counts and the "
        "SHA-256 of every file.", "",
        "## Fields", "", *_table(("field", "type", "meaning"), _fields(told, fields)), "",
        "## Members", "", *_table(("member", "first called", "last called", "calls", "returned model ids"),
                                  _members(told)), "",
        "## Judges", "", *_judges(told, shown), "",
        "## Coverage", "", *_coverage(told), "",
        "## Texts", "", *_texts(told), "",
    ]  # fmt: skip
    return "\n".join(parts).encode("utf-8", errors="replace")


def _front(told: Told, fields: Sequence[Field]) -> Iterator[str]:
    # JSON is YAML, so nothing that is put in can be read as something else.
    yield f"license: {json.dumps(told.license)}"
    yield f"task_categories:\n- {json.dumps(told.format.task)}"
    rows = told.coverage.rows
    yield f"size_categories:\n- {json.dumps(next((name for most, name in _SIZES if rows < most), 'n>1M'))}"
    yield 'tags:\n- "llm-routing"\n- "llm-as-a-judge"'
    yield f"configs:\n- config_name: {json.dumps(told.format.name)}\n  default: true\n  data_files:"
    for split in told.splits:
        # `datasets` refuses a split of no rows.
        if any(one.rows for one in told.files if one.split == split):
            yield f"  - split: {json.dumps(split)}\n    path: {json.dumps(f'data/{split}-*')}"
    columns = flat(fields) if told.kind == "csv" else fields
    yield f"dataset_info:\n  config_name: {json.dumps(told.format.name)}\n  features: {json.dumps(features(columns))}"


def _fields(told: Told, fields: Sequence[Field]) -> Iterator[tuple[str, ...]]:
    for field in fields:
        kind = f"JSON: {type_name(field)}" if told.kind == "csv" and (field.many or field.parts) else type_name(field)
        yield code(field.name), kind, field.doc


def _members(told: Told) -> Iterator[tuple[str, ...]]:
    for name, span in sorted(told.coverage.members.items()):
        models = ", ".join(code(model) for model in sorted(span.models)) or "unknown"
        yield code(name), span.first[:10], span.last[:10], str(span.calls), models


def _judges(told: Told, biases: Sequence[Bias]) -> Iterator[str]:
    if not told.coverage.judges:
        yield "No judge's finding is in this export."
        return
    rows = [(code(name), code(digest), str(n)) for (name, digest), n in sorted(told.coverage.judges.items())]
    yield from _table(("judge", "digest", "verdicts"), rows)
    if told.coverage.prompts:
        prompts = ", ".join(code(prompt) for prompt in sorted(told.coverage.prompts))
        yield f"\nPrompt files of the judges, with their hashes: {prompts}."
    if biases:
        yield "\nBias, over all of their verdicts in the log (95 % intervals; a dash is what the log cannot tell):\n"
        head = tuple(biases[0].rates)
        yield from _table(("judge", "seat", "digest", "verdicts", *head), map(_bias, biases))


def _bias(one: Bias) -> tuple[str, ...]:
    return code(one.judge), code(one.seat), code(one.digest[:12]), str(one.verdicts), *one.rates.values()


def _coverage(told: Told) -> Iterator[str]:
    tree = manifest(told)
    usable = counted(told.coverage.usable, "usable finding")
    yield f"- {counted(tree['requests'], 'request')} in {counted(tree['rows'], 'row')}, of {usable}."
    yield f"- Arrived from {told.coverage.first or '-'} to {told.coverage.last or '-'} (UTC)."
    for name, counts in tree["coverage"].items():
        if isinstance(counts, dict):
            told_ = ", ".join(f"{value} {key}" for key, value in counts.items()) or "none"
            yield f"- {name.replace('_', ' ').capitalize()}: {told_}."
    splits = ", ".join(f"{rows} in {name}" for name, rows in tree["splits"].items())
    yield f"- Rows: {splits}. Equal prompts, and prompts of one conversation, are always in the same split."


def _texts(told: Told) -> Iterator[str]:
    leaving = told.leaving
    if leaving.redactor is None:
        yield "Texts are **not redacted**: they may hold personal data and secrets."
    else:
        counts = ", ".join(f"{n} {name}" for name, n in sorted(leaving.redacted.items())) or "nothing found"
        kinds = ", ".join((*leaving.redactor.kinds, *sorted(leaving.redactor.patterns)))
        yield f"Texts are redacted for good: {kinds} ({counts}). Rules {code(leaving.redactor.digest)}."
    if leaving.withheld:
        names = ", ".join(map(code, sorted(leaving.withheld)))
        yield f"\nTexts of these members are left out, their scores are here: {names}."
    if told.format.says:
        yield "\nModels wrote the answers: treat every text as untrusted."


def _table(head: Sequence[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def code(text: str) -> str:
    """``text`` as a code span that can stand in a table."""
    line = " ".join(text.replace("|", "/").replace("`", "'").split())
    return f"`{line}`" if line else ""
