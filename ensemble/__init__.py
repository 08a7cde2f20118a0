"""Parallel ensembles of language models, judged, logged, and turned into cheaper routers."""

TYPE_CHECKING = False  # as type checkers know it; `typing` would take longer to load than all that is here

if TYPE_CHECKING:
    from ensemble.errors import ConfigError, EnsembleError
    from ensemble.service import Service
    from ensemble.service import open_service as open
    from ensemble.store.notebook import Log, read
    from ensemble.types import Answer, Request

__all__ = ["Answer", "ConfigError", "EnsembleError", "Log", "Request", "Service", "open", "read"]

_HOMES = {
    "Answer": "ensemble.types",
    "ConfigError": "ensemble.errors",
    "EnsembleError": "ensemble.errors",
    "Log": "ensemble.store.notebook",
    "Request": "ensemble.types",
    "Service": "ensemble.service",
    "read": "ensemble.store.notebook",
}


def __getattr__(name: str) -> object:
    # Imported on first use: `ensemble --help` must not wait for what it does not need.
    from importlib import import_module

    if name == "open":
        return import_module("ensemble.service").open_service
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ensemble' has no attribute {name!r}")
