"""The folder of a trained router: which members it knows, and as what they were when it learned of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ensemble.fleet import Fleet
from ensemble.routers._policy import Point
from judges.errors import InvalidOptions
from judges.learning.folder import read, read_manifest, retrain
from judges.learning.model import Learned

M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artifact(Generic[M]):
    """A router folder, read.

    Attributes:
        members: names in the order of the model's columns.
        digests: ``Member.digest`` per member at training, where it was known.
        frontier: points by lambda, the dearest first.
    """

    path: Path
    model: M
    members: tuple[str, ...]
    digests: Mapping[str, str]
    frontier: tuple[Point, ...]
    manifest: Mapping[str, Any]

    def unchanged(self, fleet: Fleet) -> list[str]:
        """The members that are in ``fleet`` and, as far as is known, what they were at training."""
        known = [name for name in self.members if name in fleet]
        return [name for name in known if self.digests.get(name) in (None, fleet[name].digest)]


def load(path: Path) -> Artifact[Learned]:
    """Read the folder of a router that predicts from text and figures. Blocks for seconds.

    Raises:
        InvalidOptions: it is none, or cannot be used here; the sentence says how to train it again.
    """
    model, manifest = read(path)
    return assembled(path, model, manifest, columns=len(model.state["mean"]))


def assembled(path: Path, model: M, manifest: Mapping[str, Any], *, columns: int) -> Artifact[M]:
    """``model``, which tells ``columns`` members apart, with what the manifest says of them.

    Raises:
        InvalidOptions: the manifest is not that of a router, or not of this one.
    """
    try:
        members = tuple(str(name) for name in manifest["members"])
        points = tuple(Point.read(one, "lambda") for one in manifest["frontier"])
        digests = {str(name): str(digest) for name, digest in manifest["digests"].items() if digest}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{path}/manifest.json is not a router's ({type(error).__name__}: {error})"
        raise InvalidOptions(f"{told}; train it again: {retrain(manifest)}") from None
    if manifest.get("what") != "router" or len(members) != columns:
        raise InvalidOptions(f"{path} holds no router; train one: {retrain(manifest)}")
    return Artifact(path=path, model=model, members=members, digests=digests, frontier=points, manifest=manifest)


def hash_of(path: Path) -> str:
    """The hash of the model that the folder ``path`` holds; empty where there is none. Blocks shortly."""
    try:
        return str(read_manifest(path).get("model", ""))
    except InvalidOptions:
        return ""
