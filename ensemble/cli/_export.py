"""What the options of ``ensemble export`` come to."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import ValidationError

from ensemble.cli._judges import NAMES, figure
from ensemble.config import Settings, load, read
from ensemble.judging.report import report
from ensemble.redaction import KINDS, Redactor
from ensemble.store.address import Address, Where
from ensemble.store.export import Bias, Kind
from ensemble.store.judged import judged

_NAMED = re.compile(r"\.(txt|json|tsv|gz|zst|md|xlsx?|db|arrow|ndjson)")
"""What looks like the name of a file of another format."""
SUFFIXES: Mapping[str, Kind] = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def settings_of(config: Path, db: Address | None) -> Settings | None:
    """The configuration, as far as it can be used; None where there is none and the log is named."""
    # A part that is broken today says nothing against the log. But whose texts may leave must be told in full.
    if not config.exists():
        return None if db else load(config)
    draft = read(config)
    if any(problem.place.split(".")[0] in ("providers", "members") for problem in draft.problems):
        return load(config, secrets=False)
    return draft.settings


def training_use(settings: Settings | None) -> dict[str, bool]:
    """Whether texts may be trained on, by member; members of unknown providers are not in it."""
    if settings is None:
        return {}
    return {
        name: settings.providers[member.provider].training_use
        for name, member in settings.members.items()
        if member.provider in settings.providers
    }


def redactor_of(kinds: str | None, patterns: Sequence[str], regions: Sequence[str]) -> Redactor | None:
    """What is to be taken out; None where none of the options was given."""
    if kinds is None and not patterns:
        if regions:
            raise click.UsageError("--redact-region tells how phone numbers are read; give --redact too")
        return None
    named = {}
    for pattern in patterns:
        name, equals, expression = pattern.partition("=")
        if not equals or not expression or name in named or name in KINDS:
            raise click.BadParameter(f"{pattern!r} is no NAME=RE2 of a new name", param_hint="--redact-pattern")
        named[name] = expression
    wanted = KINDS if kinds == "all" else tuple(part.strip() for part in (kinds or "").split(",") if part.strip())
    tree: dict[str, object] = {"kinds": wanted, "patterns": named}
    if regions:
        tree["regions"] = tuple(regions)
    try:
        return Redactor.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        place, wrong = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
        told = f"known are all, {', '.join(KINDS)}" if place == "kinds" else wrong
        hint = {"kinds": "--redact", "patterns": "--redact-pattern", "regions": "--redact-region"}[place]
        raise click.BadParameter(told, param_hint=hint) from error


def kind_of(out: Path | None, given: str | None) -> tuple[Kind, bool]:
    """The file format, and whether ``out`` is a folder: it is one unless its name ends as a file's does."""
    suffix = SUFFIXES.get(out.suffix.lower()) if out and not out.is_dir() else None
    for kind in SUFFIXES.values():
        if given == kind:
            if suffix not in (None, kind):
                raise click.UsageError(f"--as {kind}, but {out} ends as {suffix}; make them agree")
            return kind, out is not None and suffix is None
    if out is not None and suffix is None and _NAMED.fullmatch(out.suffix.lower()) and not out.is_dir():
        raise click.UsageError(f"{out}: a file ends in {', '.join(SUFFIXES)}; say --as for a folder of that name")
    return suffix or "jsonl", out is not None and suffix is None


def moment(given: datetime | None) -> datetime | None:
    """A time of the command line, which is UTC."""
    return given.replace(tzinfo=UTC) if given and given.tzinfo is None else given


def biases_of(log: Where, settings: Settings | None, judge: str | None) -> list[Bias]:
    """What ``ensemble judges report`` says of every judge and seat of the log."""
    families = {name: member.family for name, member in settings.members.items()} if settings else {}
    name = judge if settings is None or judge in settings.judges else None
    with judged(log, judge=name) as verdicts:
        found = report(verdicts, settings.judges if settings else {}, families)
    return [
        Bias(
            judge=one.judge,
            seat=one.seat,
            digest=one.digest,
            verdicts=one.verdicts,
            rates={NAMES[rate]: figure(value) for rate, value in one.rates.items()},
        )
        for one in found
    ]
