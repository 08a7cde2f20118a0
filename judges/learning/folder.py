"""The folder that training writes and serving reads: ``manifest.json`` beside ``model.skops``.

The manifest says what the model is and what it was learned from; the model is read with skops, which builds known types
alone and runs no code of the file's.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from judges.errors import InvalidOptions
from judges.learning.model import Learned, State

FORMAT = 1
LARGEST = 512 * 2**20
"""Bytes of a model that are read."""
PREVIOUS = ".previous"
"""Behind the name of a folder: what stood in its place before it was promoted."""
CANARY = ".canary"
"""Behind the name of a folder: another one that serves the share of requests which its manifest states."""


def versions() -> dict[str, str]:
    """Versions of what a model depends on. Imports scikit-learn.

    Raises:
        InvalidOptions: the extra is not installed.
    """
    try:
        import numpy
        import scipy
        import sklearn
        import skops
    except ImportError as error:
        told = "learned parts need scikit-learn and skops: pip install 'ensemble-judges[routers]'"
        raise InvalidOptions(told) from error
    return {one.__name__: str(one.__version__) for one in (numpy, scipy, sklearn, skops)}


def write(path: Path, state: State, manifest: Mapping[str, object]) -> None:
    """Write the folder, whole or not at all; one that is there is replaced. Blocks.

    Raises:
        OSError: it cannot be written.
        FileExistsError: something else of that name is there.
    """
    import skops.io

    if path.exists() and not (path / "manifest.json").is_file():
        raise FileExistsError(f"{path} exists and holds no manifest.json: name another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        model = skops.io.dumps(dict(state))
        whole = {"format": FORMAT, **manifest, "versions": versions(), "model": hashlib.sha256(model).hexdigest()}
        for name, content in (("model.skops", model), ("manifest.json", _json(whole))):
            with (fresh / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        fresh.chmod(0o755)
        _swap(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def beside(path: Path, suffix: str) -> Path:
    """The folder next to ``path`` that is called the same with ``suffix`` behind it."""
    return path.with_name(path.name + suffix)


def promote(fresh: Path, path: Path) -> None:
    """Put the folder ``fresh`` in the place of ``path``; what was there becomes ``PREVIOUS`` beside it. Blocks.

    Two renames, so that a crash between them loses nothing: ``roll_back`` then puts the old one back.

    Raises:
        OSError: one of them cannot be renamed.
    """
    previous = beside(path, PREVIOUS)
    if path.exists():
        shutil.rmtree(previous, ignore_errors=True)
        path.rename(previous)
    fresh.rename(path)


def roll_back(path: Path) -> None:
    """Exchange ``path`` and ``PREVIOUS`` beside it. Blocks.

    Raises:
        InvalidOptions: there is no previous folder.
        OSError: one of them cannot be renamed.
    """
    previous = beside(path, PREVIOUS)
    if not previous.is_dir():
        raise InvalidOptions(f"there is no {previous} to go back to")
    if not path.exists():
        previous.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.aside.", dir=path.parent))
    path.rename(aside / path.name)
    previous.rename(path)
    (aside / path.name).rename(previous)
    aside.rmdir()


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the folder ``path``. Blocks.

    Raises:
        InvalidOptions: there is none, or it is not one of this program's.
    """
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise InvalidOptions(f"{path} holds no readable manifest.json ({told}); `ensemble train` writes one") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InvalidOptions(f"{path} was written in another format; train it again: {retrain(manifest)}")
    return manifest


def read(path: Path) -> tuple[Learned, dict[str, Any]]:
    """The model with its manifest, as ``read_state``; InvalidOptions too where it is no model that predicts."""
    state, manifest = read_state(path)
    return Learned(state), manifest


def read_state(path: Path) -> tuple[State, dict[str, Any]]:
    """What was written as model, with its manifest. Blocks for seconds when scikit-learn is not imported yet.

    Raises:
        InvalidOptions: the folder is no such folder, was changed, or comes of another major version of scikit-learn.
    """
    manifest = read_manifest(path)
    here, there = versions()["sklearn"], str(manifest.get("versions", {}).get("sklearn", "0"))
    if here.partition(".")[0] != there.partition(".")[0]:
        told = f"{path} was trained with scikit-learn {there}, here is {here}"
        raise InvalidOptions(f"{told}; train it again: {retrain(manifest)}")
    file = path / "model.skops"
    if not file.is_file() or file.stat().st_size > LARGEST:
        raise InvalidOptions(f"{file} is missing or larger than {LARGEST} bytes")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.get("model"):
        raise InvalidOptions(f"{file} is not the one of its manifest; train it again: {retrain(manifest)}")
    return _loaded(content, file), manifest


def retrain(manifest: object) -> str:
    """The command that makes the folder anew."""
    command = manifest.get("command") if isinstance(manifest, dict) else None
    return str(command or "ensemble train --out FOLDER")


def _loaded(content: bytes, file: Path) -> State:
    import warnings

    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # another minor version of scikit-learn warns; the manifest tells it
            state = skops.io.loads(content, trusted=[])
    except (UntrustedTypesFoundException, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise InvalidOptions(f"{file} cannot be read: {error}") from None
    if not isinstance(state, dict):
        raise InvalidOptions(f"{file} holds no model; train it again")
    return state


def _swap(fresh: Path, path: Path) -> None:
    """Put ``fresh`` in the place of ``path``; the old folder is gone only when the new one is there."""
    if not path.exists():
        fresh.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.rename(old / path.name)
        fresh.rename(path)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _json(tree: Mapping[str, object]) -> bytes:
    return json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
