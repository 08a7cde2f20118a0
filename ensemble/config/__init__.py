"""One TOML file -> checked settings; every error is one line that names the file, the table, the key and the mend."""

from pathlib import Path

from ensemble.config.artifacts import unloadable
from ensemble.config.operations import ServerSettings, StoreSettings
from ensemble.config.reader import Reader
from ensemble.config.settings import Draft, Problem, Settings
from ensemble.errors import ConfigError

__all__ = ["Draft", "Problem", "ServerSettings", "Settings", "StoreSettings", "load", "read", "unloadable"]


def load(path: Path, *, secrets: bool = True) -> Settings:
    """Read and check ``path``; plugins that it names are imported. Without ``secrets``, keys need not be there.

    Raises:
        ConfigError: it cannot be used; the message has one line for each thing to mend.
    """
    draft = read(path)
    if problems := [problem for problem in draft.problems if secrets or not problem.secret]:
        raise ConfigError("\n".join(problem.line for problem in problems))
    return draft.settings


def read(path: Path) -> Draft:
    """Build what can be built of ``path``, for who wants to see all that is wrong with it."""
    return Reader(path).draft()
