"""The folder of a trained router: which members it knows, and as what they were when it learned of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensemble.routers._policy import Point
from judges.errors import InvalidOptions
from judges.learning.folder import read, read_manifest, retrain
from judges.learning.model import Learned


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artifact:
    """A router folder, read.

    Attributes:
        members: names in the order of the model's columns.
        digests: ``Member.digest`` per member at training, where it was known.
        frontier: points by lambda, the dearest first.
    """

    path: Path
    model: Learned
    members: tuple[str, ...]
    digests: Mapping[str, str]
    frontier: tuple[Point, ...]
    manifest: Mapping[str, Any]


def load(path: Path) -> Artifact:
    """Read a router folder. Blocks for seconds.

    Raises:
        InvalidOptions: it is none, or cannot be used here; the sentence says how to train it again.
    """
    model, manifest = read(path)
    try:
        members = tuple(str(name) for name in manifest["members"])
        points = tuple(Point.read(one, "lambda") for one in manifest["frontier"])
        digests = {str(name): str(digest) for name, digest in manifest["digests"].items() if digest}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{path}/manifest.json is not a router's ({type(error).__name__}: {error})"
        raise InvalidOptions(f"{told}; train it again: {retrain(manifest)}") from None
    if manifest.get("what") != "router" or len(members) != len(model.state["mean"]):
        raise InvalidOptions(f"{path} holds no router; train one: {retrain(manifest)}")
    return Artifact(path=path, model=model, members=members, digests=digests, frontier=points, manifest=manifest)


def hash_of(path: Path) -> str:
    """The hash of the model that the folder ``path`` holds; empty where there is none. Blocks shortly."""
    try:
        return str(read_manifest(path).get("model", ""))
    except InvalidOptions:
        return ""
