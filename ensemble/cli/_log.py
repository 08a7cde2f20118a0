"""Which log a command is about."""

from pathlib import Path

from ensemble.config import load, read
from ensemble.errors import StoreError
from ensemble.store.address import NO_LOG, Address
from ensemble.store.opening import exists


def log_of(config: Path, db: Address | None) -> Address:
    """``db``, or that of the configuration, of which nothing else needs to be in order.

    Raises:
        ConfigError: there is no such configuration.
        StoreError: there is no such log.
    """
    log = db or (read(config).settings if config.exists() else load(config)).store.address
    if not exists(log):
        raise StoreError(f"{log}: {NO_LOG}")
    return log
