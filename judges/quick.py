"""Frozen dataclasses that are made, and made anew, in half the time: a request makes about a hundred of them."""

import dataclasses
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    # By this name alone the type checker knows which fields there are.
    from dataclasses import replace as replace
else:

    def replace(one: T, /, **changes: Any) -> T:
        """As ``dataclasses.replace``, which looks at every field by its name: 2.7 us for 13 fields, 1.2 with this."""
        # Of the class itself, since one that is derived from it may have further fields.
        again = vars(type(one)).get("_again")
        return dataclasses.replace(one, **changes) if again is None else again(one, **changes)


def quick(cls: type[T]) -> type[T]:
    """``cls``, a frozen dataclass with slots and keywords alone, made by its slots' own setters.

    The standard library's ``__init__`` sets each field by its name through ``object.__setattr__``, which looks the slot
    up again each time: 2.9 us for 13 fields, 1.6 with this one. Nothing else is different.
    """
    held: dict[str, object] = {"_unset": dataclasses.MISSING, "_new": cls.__new__, "_cls": cls}
    arguments, lines, again = list[str](), list[str](), list[str]()
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # a dataclass, as the docstring says
    for one in fields:
        name = one.name
        held[f"_set_{name}"] = vars(cls)[name].__set__
        again.append(f"_set_{name}(new, self.{name} if {name} is _unset else {name})")
        if one.default_factory is not dataclasses.MISSING:
            held[f"_make_{name}"] = one.default_factory
            arguments.append(f"{name}=_unset")
            lines.append(f"_set_{name}(self, _make_{name}() if {name} is _unset else {name})")
            continue
        if one.default is not dataclasses.MISSING:
            held[f"_default_{name}"] = one.default
        arguments.append(name if one.default is dataclasses.MISSING else f"{name}=_default_{name}")
        lines.append(f"_set_{name}(self, {name})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
        again.append("new.__post_init__()")
    heads = (
        f"def __init__(self, *, {', '.join(arguments)}):",
        f"def _again(self, *, {', '.join(f'{one.name}=_unset' for one in fields)}):\n    new = _new(_cls)",
    )
    code = "\n    ".join((heads[0], *lines)) + "\n" + "\n    ".join((heads[1], *again, "return new"))
    exec(code, held)  # nosec B102 # noqa: S102 - from the names of our own fields, as `dataclass` does it
    made: Callable[..., None] = held["__init__"]  # type: ignore[assignment]
    type.__setattr__(cls, "__init__", update_wrapper(made, cls.__init__))
    type.__setattr__(cls, "_again", held["_again"])
    return cls
