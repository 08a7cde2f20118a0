"""What a configuration expects around it: plugin files and secrets, found by the names of the options.

An option that is called ``calibration``, or whose name ends in ``_file``, is a path relative to the configuration. So
are ``path`` and ``model2vec`` of a plugin. One whose name ends in ``_env`` names environment variables, which must be
set. All of it holds for plugins from anywhere, so that a new provider's key is checked like that of ours.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from ensemble.config.text import toml_key

Part = TypeVar("Part", bound=BaseModel)

FOLDERS = frozenset({"path", "model2vec"})
"""Options of a plugin, beside its ``use``; elsewhere such a key may be anything, such as the name of an arm."""


def located(options: object, base: Path, key: str = "") -> Any:
    """``options`` with the paths of plugin files, folders and ``_file`` options put behind ``base``, parts included."""
    if isinstance(options, dict):
        found = {name: located(value, base, name) for name, value in options.items()}
        folders = FOLDERS & found.keys() if "use" in found else frozenset[str]()
        for name in folders:
            if isinstance(found[name], str) and found[name]:
                found[name] = str(beside(Path(found[name]), base))
        return found
    if isinstance(options, list):
        return [located(value, base, key) for value in options]
    if not isinstance(options, str):
        return options
    # A nested plugin may be given as a bare string; an option that only looks like a path names no file.
    is_plugin = options.endswith(".py") and (key == "use" or beside(Path(options), base).is_file())
    is_path = bool(options) and (key == "calibration" or key.endswith("_file"))
    return str(beside(Path(options), base)) if is_plugin or is_path else options


def beside(path: Path, base: Path) -> Path:
    """``path`` relative to the folder ``base``, unless it is absolute or begins with ``~``."""
    return base / path.expanduser()


def missing(part: BaseModel) -> Iterator[tuple[str, str]]:
    """What ``part`` needs from the environment and does not find there, with the key that names it."""
    for option in type(part).model_fields:
        value = getattr(part, option)
        if option.endswith("_env") and value:
            named = value.items() if isinstance(value, Mapping) else [("", value)]
            for inner, variable in named:
                if not os.environ.get(variable):
                    yield f"{option}.{toml_key(inner)}" if inner else option, _unset(variable)
        elif option.endswith("_file") and value is not None:
            try:
                if not Path(value).read_bytes().strip():
                    yield option, f"{value} is empty"
            except OSError as error:
                yield option, f"{value} cannot be read: {error.strerror}"


def without_missing(part: Part) -> Part:
    """``part`` as if it did not name what is missing, for whoever calls nobody; what it cannot do without stays."""
    names = {key.partition(".")[0] for key, _ in missing(part)}
    fields = type(part).model_fields
    free = {
        name: fields[name].get_default(call_default_factory=True) for name in names if not fields[name].is_required()
    }
    return part.model_copy(update=free)


def _unset(variable: str) -> str:
    # Whoever writes the key itself here must not find it in a log afterwards.
    if re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", variable):
        return f"the environment variable {variable} is not set"
    return "must be the name of an environment variable that is set, and not the key itself"


def secrets_of(part: BaseModel) -> dict[str, str]:
    """What the variables and files that ``part`` names hold now, by the name of the variable or file."""
    found = {}
    for option in type(part).model_fields:
        value = getattr(part, option)
        if option.endswith("_env") and value:
            for variable in value.values() if isinstance(value, Mapping) else [value]:
                if secret := os.environ.get(variable, "").strip():
                    found[variable] = secret
        elif option.endswith("_file") and value is not None:
            try:
                if secret := Path(value).read_text(encoding="utf-8").strip():
                    found[str(value)] = secret
            except (OSError, UnicodeDecodeError):
                continue  # what cannot be read has not been used either
    return found
