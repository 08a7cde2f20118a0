"""Which log a command is about."""

from pathlib import Path

from ensemble.config import load, read
from ensemble.errors import StoreError


def log_of(config: Path, db: Path | None) -> Path:
    """``db``, or that of the configuration, of which nothing else needs to be in order.

    Raises:
        ConfigError: there is no such configuration.
        StoreError: there is no such log.
    """
    path = db or (read(config).settings if config.exists() else load(config)).store.path
    if not path.is_file():
        raise StoreError(f"{path}: there is no log; name the file with --db, or the configuration with --config")
    return path
