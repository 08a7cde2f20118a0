"""What an export was made of, as JSON: equal exports have equal manifests, so it holds no time but the data's."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ensemble.identity import DISTRIBUTION
from ensemble.redaction import Redactor
from ensemble.store.export.cells import RULE
from ensemble.store.export.coverage import Coverage
from ensemble.store.export.formats import Format, Shape
from ensemble.store.export.leaving import Leaving
from ensemble.store.export.target import Written
from ensemble.store.export.writers import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything that the manifest and the card tell.

    ``splits`` are those asked for, empty ones too. ``prompts_sha256`` is None where texts are redacted, since whoever
    knows the hash of a text can try what was taken out.
    """

    format: Format
    kind: Kind
    shape: Shape
    filters: Mapping[str, object]
    splits: tuple[str, ...]
    files: tuple[Written, ...]
    coverage: Coverage
    left_out: Mapping[str, int]
    leaving: Leaving
    prompts_sha256: str | None
    license: str | None


def manifest(told: Told) -> dict[str, Any]:
    """The manifest as a tree of JSON values."""
    coverage = told.coverage
    tree: dict[str, Any] = {
        "format": told.format.name,
        "file_format": told.kind,
        "license": told.license,
        "software": _software(told.kind),
        "filters": dict(told.filters),
        "pairs": {"which": told.shape.pairs, "min_margin": told.shape.min_margin} if told.shape.pairs else None,
        "requests": coverage.requests,
        "rows": coverage.rows,
        "splits": {name: sum(one.rows for one in told.files if one.split == name) for name in told.splits},
        "files": [asdict(one) for one in told.files],
        "prompts_sha256": told.prompts_sha256,
        "judges": [
            {"name": name, "digest": digest, "verdicts": count}
            for (name, digest), count in sorted(coverage.judges.items())
        ],
        "judge_prompts": _sorted(coverage.prompts),
        "members": {
            name: {"first": span.first, "last": span.last, "calls": span.calls, "models": sorted(span.models)}
            for name, span in sorted(coverage.members.items())
        },
        "arrived": {"first": coverage.first, "last": coverage.last},
        "coverage": {
            "kinds": _sorted(coverage.kinds),
            "sources": _sorted(coverage.sources),
            "origins": _sorted(coverage.origins),
            "usable": coverage.usable,
            "left_out": _sorted(told.left_out),
        },
        "withheld": {name: told.leaving.kept_back[name] for name in sorted(told.leaving.withheld)},
        "redaction": redaction(told.leaving.redactor, told.leaving.redacted),
        "cells": RULE if told.kind == "csv" else None,
    }
    return tree


def redaction(redactor: Redactor | None, counts: Counter[str]) -> dict[str, Any] | None:
    """What was taken out; None where nothing was to be. The operator's patterns are named, not shown."""
    if redactor is None:
        return None
    return {
        "digest": redactor.digest,
        "kinds": list(redactor.kinds),
        "patterns": sorted(redactor.patterns),
        "regions": list(redactor.regions),
        "taken_out": _sorted(counts),
    }


def written(tree: Mapping[str, Any]) -> bytes:
    """A manifest as the bytes of its file."""
    return json.dumps(tree, indent=2, ensure_ascii=True).encode() + b"\n"


def _software(kind: Kind) -> dict[str, str]:
    parts: Iterable[str] = (DISTRIBUTION, "pyarrow") if kind == "parquet" else (DISTRIBUTION,)
    return {part: _version(part) for part in parts}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts) if counts[name]}
