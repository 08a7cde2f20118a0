"""Frozen dataclasses that are made, and made anew, in a third of the time: a request makes about a hundred of them."""

import dataclasses
from collections.abc import Callable
from functools import update_wrapper
from types import new_class
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
_AGAIN: dict[type, Callable[..., Any]] = {}
_MADE: dict[object, Callable[..., Any]] = {}

if TYPE_CHECKING:
    # By this name alone the type checker knows which fields there are.
    from dataclasses import replace as replace
else:

    def replace(one: T, /, **changes: Any) -> T:
        """As ``dataclasses.replace``, which looks at every field by its name: 5.5 us for 26 fields, 1.8 with this."""
        # Of the class itself, since one that is derived from it may have further fields.
        again = _AGAIN.get(type(one))
        return dataclasses.replace(one, **changes) if again is None else again(one, **changes)


def quick(cls: type[T]) -> type[T]:
    """``cls``, a frozen dataclass with slots and keywords alone, whose objects are filled before they are frozen.

    The standard library's ``__init__`` sets each field by its name through ``object.__setattr__``: 4.6 us for 26
    fields. Here an object is of a class with the same slots and no frozen ``__setattr__`` until all of them are set:
    1.4 us. Nothing else is different.
    """
    names = [one.name for one in dataclasses.fields(cls)]  # type: ignore[arg-type]  # a dataclass, as it says above
    bases = getattr(cls, "__orig_bases__", cls.__bases__)
    slots = {"__slots__": vars(cls)["__slots__"]}
    unfrozen = new_class(cls.__name__, bases, exec_body=lambda body: body.update(slots))
    held: dict[str, object] = {
        "_unset": dataclasses.MISSING,
        "_cls": cls,
        "_unfrozen": unfrozen,
        "_new": cls.__new__,
        "_become": vars(object)["__class__"].__set__,
        "_derived": cls.__init__,
    }
    arguments, needed, factories = list[str](), list[str](), list[str]()
    for one in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = one.name
        if one.default_factory is not dataclasses.MISSING:
            held[f"_make_{name}"] = one.default_factory
            arguments.append(f"{name}=_unset")
            factories.append(f"{name} = _make_{name}() if {name} is _unset else {name}")
        elif one.default is not dataclasses.MISSING:
            held[f"_default_{name}"] = one.default
            arguments.append(f"{name}=_default_{name}")
        else:
            arguments.append(name)
            needed.append(name)
    checked = hasattr(cls, "__post_init__")
    init = (
        f"def __init__(self, *, {', '.join(arguments)}):",
        *factories,
        "if self.__class__ is not _cls:",  # one that is derived from it has other slots
        f"    return _derived(self, {', '.join(f'{name}={name}' for name in names)})",
        "_become(self, _unfrozen)",
        *(f"self.{name} = {name}" for name in names),
        "self.__class__ = _cls",
        *(["self.__post_init__()"] if checked else []),
    )
    # Not by keyword alone, as these are called: Python looks up each default of such a one by its name.
    given = ", ".join([*needed, *(one for one in arguments if one not in needed)])
    finished = ("new.__class__ = _cls", *(["new.__post_init__()"] if checked else []), "return new")
    made = (
        f"def _made({given}):",
        *factories,
        "new = _new(_unfrozen)",
        *(f"new.{name} = {name}" for name in names),
        *finished,
    )
    again = (
        f"def _again(self, {', '.join(f'{name}=_unset' for name in names)}):",
        "new = _new(_unfrozen)",
        *(f"new.{name} = self.{name} if {name} is _unset else {name}" for name in names),
        *finished,
    )
    code = "\n".join("\n    ".join(one) for one in (init, made, again))
    exec(code, held)  # nosec B102 # noqa: S102 - from the names of our own fields, as `dataclass` does it
    built: Callable[..., None] = held["__init__"]  # type: ignore[assignment]
    type.__setattr__(cls, "__init__", update_wrapper(built, cls.__init__))
    _AGAIN[cls], _MADE[cls] = held["_again"], held["_made"]  # type: ignore[assignment]
    return cls


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    """What makes an object of the quick class ``cls`` as calling it does, by keywords alone, in half of the time.

    For where many are made. A class that is called collects its keywords in a dictionary and takes them out again.
    """
    return _MADE[cls]


def changer(cls: type[T], name: str) -> Callable[[T, Any], T]:
    """What makes an object of the quick class ``cls`` anew with another ``name``, in half of the time of ``replace``.

    For where it is done with every call: no keywords are collected, and nothing is asked of the fields that stay.
    """
    made = _MADE[cls]
    fields = [one.name for one in dataclasses.fields(cls)]  # type: ignore[arg-type]  # a dataclass, as in `quick`
    if name not in fields:
        raise TypeError(f"{cls.__name__} has no field {name!r}")
    code = (
        "def _changed(one, value):",
        "if one.__class__ is not _cls:",
        f"    return _replace(one, {name}=value)",
        "new = _new(_unfrozen)",
        *(f"new.{field} = {'value' if field == name else f'one.{field}'}" for field in fields),
        "new.__class__ = _cls",
        *(["new.__post_init__()"] if hasattr(cls, "__post_init__") else []),
        "return new",
    )
    held = {**made.__globals__, "_replace": dataclasses.replace}
    exec("\n    ".join(code), held)  # nosec B102 # noqa: S102 - as in `quick`
    changed: Callable[[T, Any], T] = held["_changed"]
    return changed
