"""Parallel ensembles of language models, judged, logged, and turned into cheaper routers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ensemble.errors import ConfigError, EnsembleError
    from ensemble.service import Service
    from ensemble.service import open_service as open
    from ensemble.types import Answer, Request

__all__ = ["Answer", "ConfigError", "EnsembleError", "Request", "Service", "open"]

_HOMES = {
    "Answer": "ensemble.types",
    "ConfigError": "ensemble.errors",
    "EnsembleError": "ensemble.errors",
    "Request": "ensemble.types",
    "Service": "ensemble.service",
}


def __getattr__(name: str) -> object:
    # Imported on first use: `ensemble --help` must not wait for what it does not need.
    from importlib import import_module

    if name == "open":
        return import_module("ensemble.service").open_service
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ensemble' has no attribute {name!r}")
