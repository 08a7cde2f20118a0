"""A Hugging Face data-set folder on disk: its splits by its card or its names, and the files of one of them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ensemble.labelling.rows import Reject
from ensemble.labelling.sources import BadSource, Raw, format_of, rows_of_file

Files = Mapping[str, tuple[Path, ...]]
"""Files of each split, in order."""
_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test", "eval": "test"} | dict.fromkeys(
    ("validation", "valid", "val", "dev"), "validation"
)


def rows_of_folder(folder: Path, *, split: str | None = None, subset: str | None = None) -> Iterator[Raw]:
    """Every row of one split, positions counted over its files. Blocks.

    Raises:
        BadSource: there is nothing to read, or several splits or subsets and none is chosen.
    """
    files = splits_of(folder, subset)
    if not files:
        raise BadSource(f"{folder}: there are no Parquet, JSON lines, CSV or Arrow files in it")
    if split is None and len(files) > 1:
        raise BadSource(f"{folder}: choose one of its splits with --split: {', '.join(sorted(files))}")
    chosen = split or next(iter(files))
    if chosen not in files:
        raise BadSource(f"{folder}: there is no split {chosen!r}; there are {', '.join(sorted(files))}")
    before = 0
    for file in files[chosen]:
        last = 0
        for raw in rows_of_file(file):
            last = raw.position if isinstance(raw, Reject) else raw[0]
            yield moved(raw, before)
        before += last


def moved(raw: Raw, by: int) -> Raw:
    """``raw`` with ``by`` added to its position."""
    if isinstance(raw, Reject):
        return Reject(position=raw.position + by, reason=raw.reason, text=raw.text)
    return raw[0] + by, raw[1]


def splits_of(folder: Path, subset: str | None = None) -> Files:
    """The splits of a data-set folder. Raises BadSource where its card or its files cannot be understood."""
    if (folder / "dataset_dict.json").is_file():
        names = _json(folder / "dataset_dict.json").get("splits", [])
        return {str(name): _saved(folder / str(name)) for name in names}
    if (folder / "state.json").is_file():
        return {"train": _saved(folder)}
    configs = _card(folder)
    if configs:
        return _of_card(folder, configs, subset)
    if subset is not None:
        raise BadSource(f"{folder}: its README.md names no subsets")
    return _by_name(folder)


def _saved(folder: Path) -> tuple[Path, ...]:
    """What ``save_to_disk`` left: Arrow streams, listed in ``state.json``."""
    state = _json(folder / "state.json")
    if state.get("_indices_files"):
        raise BadSource(f"{folder}: it was saved with a selection of rows; save it after flatten_indices()")
    return tuple(_inside(folder, str(file["filename"])) for file in state.get("_data_files", []))


def _json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadSource(f"{path}: cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise BadSource(f"{path}: is no object")
    return tree


def _card(folder: Path) -> list[Mapping[str, Any]]:
    """``configs`` of the front matter of README.md; none where there is no such thing."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    front = re.match(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", text, re.DOTALL)
    if front is None or not re.search(r"^configs\s*:", front[1], re.MULTILINE):
        return []
    try:
        import yaml
    except ImportError:
        raise BadSource(f"{path}: reading it needs pyyaml: pip install 'ensemble-judges[parquet]'") from None
    try:
        configs = yaml.safe_load(front[1])["configs"]
    except yaml.YAMLError as error:
        raise BadSource(f"{path}: its front matter is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(configs, list) or not all(isinstance(one, dict) for one in configs):
        raise BadSource(f"{path}: configs is no list of tables")
    return configs


def _of_card(folder: Path, configs: list[Mapping[str, Any]], subset: str | None) -> Files:
    by_name = {str(one.get("config_name", "default")): one for one in configs}
    default = next((name for name, one in by_name.items() if one.get("default")), "default")
    chosen = subset or (default if default in by_name or len(by_name) > 1 else next(iter(by_name)))
    if chosen not in by_name:
        raise BadSource(f"{folder}: choose one of its subsets with --subset: {', '.join(sorted(by_name))}")
    given = by_name[chosen].get("data_files", [])
    pairs: list[tuple[str, Any]] = []
    for one in given if isinstance(given, list) else [given]:
        pairs.append((str(one.get("split", "train")), one.get("path")) if isinstance(one, dict) else ("train", one))
    found: dict[str, tuple[Path, ...]] = {}
    for split, patterns in pairs:
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            found[split] = (*found.get(split, ()), *_matching(folder, str(pattern)))
    return found


def _matching(folder: Path, pattern: str) -> tuple[Path, ...]:
    if "://" in pattern:
        raise BadSource(f"{folder}: its README.md names {pattern}, which is not on this disk")
    try:
        files = sorted(file for file in folder.glob(pattern) if file.is_file())
    except (ValueError, NotImplementedError) as error:
        raise BadSource(f"{folder}: its README.md names {pattern!r}: {error}") from error
    if not files:
        raise BadSource(f"{folder}: its README.md names {pattern!r}, and there is no such file")
    return tuple(_inside(folder, str(file.relative_to(folder))) for file in files)


def _inside(folder: Path, name: str) -> Path:
    """A file of the folder; a card may have been written by anybody, so it cannot lead out of it."""
    path = folder / name
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise BadSource(f"{folder}: {name!r} is not inside of it")
    return path


def _by_name(folder: Path) -> Files:
    """Splits by words in names, as the library ``datasets`` takes them; ``train`` where no name says anything."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and format_of(path)
        and not any(part.startswith(".") for part in path.parts[len(folder.parts) :])
    ]
    found: dict[str, list[Path]] = {}
    for path in files:
        words = re.split(r"[^a-z]+", str(path.relative_to(folder)).lower())
        found.setdefault(next((_NAMES[word] for word in words if word in _NAMES), "train"), []).append(path)
    return {split: tuple(paths) for split, paths in found.items()}
