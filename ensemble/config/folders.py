"""Folders of learned parts: who reads one, the same part over another one, and canaries that lie beside them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ensemble.router import ROUTERS, Router
from ensemble.routers.split import Split
from judges.errors import InvalidOptions
from judges.learning.folder import CANARY, beside, read_manifest
from judges.registry import Plugin, Registry

P = TypeVar("P", bound=Plugin)


class Canaried(Split):
    """A router with a canary beside it: a split that nobody wrote down."""


def readers(plugin: Plugin) -> Iterator[tuple[Path, Plugin]]:
    """Every folder that ``plugin`` or a part of it reads as its ``path``, with that part."""
    folder = getattr(plugin, "path", None)
    if isinstance(folder, Path):
        yield folder, plugin
    for _, part in plugin.parts():
        yield from readers(part)


def moved(plugin: P, registry: Registry[P], old: Path, new: Path) -> P:
    """``plugin`` made anew with ``new`` wherever an option, nested ones included, is the path ``old``."""
    return registry.build(_moved(plugin.model_dump(), old, new))


def canaried(router: Router) -> Router:
    """``router``, or where a canary lies beside its folder, a split that deals the canary its share.

    Raises:
        InvalidOptions: the canary cannot be read, or states no share.
    """
    folder = getattr(router, "path", None)
    canary = beside(folder, CANARY) if isinstance(folder, Path) else None
    if folder is None or canary is None or not canary.is_dir():
        return router
    share = read_manifest(canary).get("canary")
    if not isinstance(share, float) or not 0 < share < 1:
        told = "canary must be a share between 0 and 1, as `ensemble retrain --canary` writes it"
        raise InvalidOptions(f"{canary}/manifest.json: {told}")
    common = {name: getattr(router, name) for name in Router.model_fields}
    arms = {"served": router, "canary": moved(router, ROUTERS, folder, canary)}
    return Canaried(**common, arms=arms, weights={"served": 1 - share, "canary": share})


def without_canary(router: Router) -> Router:
    """The router as it is written down."""
    return router.arms["served"] if isinstance(router, Canaried) else router


def _moved(tree: Any, old: Path, new: Path) -> Any:
    if isinstance(tree, Mapping):
        return {key: _moved(value, old, new) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_moved(value, old, new) for value in tree)
    return new if isinstance(tree, Path) and tree == old else tree
