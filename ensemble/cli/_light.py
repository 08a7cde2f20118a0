"""What the command line leaves out of memory."""

import ctypes
import importlib.util
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

_UNUSED = ("numpy", "pandas")
_ELSEWHERE = ("dateutil.parser", "rapidfuzz.fuzz", "rapidfuzz.process")
"""Modules of packages that we need, for functions that we do not."""
_M_ARENA_MAX = -8
"""Of ``malloc.h``."""
_CONFIG_MEMSTATUS = 9
"""Of ``sqlite3.h``."""


def load_sqlite_utils() -> None:
    """Import sqlite-utils without numpy and pandas, which it loads wherever they are installed: 13 and 60 MB.

    It knows the types of their columns then, of which the log has none. Whatever needs them imports them afterwards as
    ever; only here, where the process is ours, since a program that uses this package may count on those types.
    """
    if "sqlite_utils" in sys.modules:
        return
    hidden = [name for name in _UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # so an import of it fails, as the import system says
    try:
        importlib.import_module("sqlite_utils")
    finally:
        for name in hidden:
            del sys.modules[name]


class _Later(ModuleType):
    """Stands in the place of a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)  # `inspect` asks all modules for their files
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def put_off() -> None:
    """Have modules loaded by who uses them, though packages that we need import them: 2 MB."""
    for name in _ELSEWHERE:
        sys.modules.setdefault(name, _Later(name))


def share_one_heap() -> None:
    """Have threads that begin later allocate from one heap, where the C library is glibc: 2 MB less under load.

    Each would get one of its own, most of which lies idle, though hardly any two of them allocate at the same time.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has one heap anyway
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def leave_uncounted() -> None:
    """Have SQLite keep no count of its memory, which nobody reads: a lock taken for every allocation, of any thread.

    It takes that as long as nothing of it has been used, and is loaded for it from where Python would load it.
    """
    found = importlib.util.find_spec("_sqlite3")
    if sys.platform == "linux" and found is not None:
        with suppress(AttributeError, OSError):  # where it is part of the interpreter
            ctypes.CDLL(found.origin).sqlite3_config(_CONFIG_MEMSTATUS, 0)
