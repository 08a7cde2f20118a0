import dataclasses
import inspect
from collections.abc import Mapping
from typing import Generic, TypeVar

import pytest

from judges.quick import changer, maker, quick, replace

T = TypeVar("T")


@quick
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    name: str
    size: int = 3
    about: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name: is empty")


def test_it_is_what_it_would_be() -> None:
    one = Thing(name="a")
    assert (one.name, one.size, one.about) == ("a", 3, {})
    assert one == Thing(name="a", size=3, about={})
    assert dataclasses.replace(one, size=4) == Thing(name="a", size=4)
    assert repr(one) == "Thing(name='a', size=3, about={})".replace("Thing", Thing.__qualname__)


def test_each_has_a_default_of_its_own() -> None:
    assert Thing(name="a").about is not Thing(name="a").about


def test_it_is_still_checked_and_frozen() -> None:
    with pytest.raises(ValueError, match="is empty"):
        Thing(name="")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Thing(name="a").size = 4  # type: ignore[misc]


def test_what_is_missing_or_unknown_is_refused() -> None:
    with pytest.raises(TypeError, match="name"):
        Thing()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        Thing(name="a", colour=1)  # type: ignore[call-arg]
    assert list(inspect.signature(Thing).parameters) == ["name", "size", "about"]


def test_one_that_is_derived_is_of_its_own_class() -> None:
    class Named(Thing):
        """Without fields of its own."""

    named = Named(name="a", size=4)
    assert type(named) is Named
    assert (named.name, named.size, named.about) == ("a", 4, {})


def test_a_generic_one_is_made_as_others_are() -> None:
    one = Pair(first="a", second="b")
    assert replace(one, second="c") == Pair(first="a", second="c")


@quick
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Generic[T]):
    first: T
    second: T
    type: str = "pair"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Larger(Thing):
    colour: str = "red"


@dataclasses.dataclass(frozen=True)
class Plain:
    name: str
    size: int = 3


@pytest.mark.parametrize("one", [Thing(name="a", size=4), Larger(name="a", size=4, colour="blue"), Plain("a", 4)])
def test_made_anew_it_is_what_it_would_be(one: Thing | Larger | Plain) -> None:
    for changes in ({}, {"name": "b"}, {"name": "b", "size": 5}):
        assert replace(one, **changes) == dataclasses.replace(one, **changes)
    with pytest.raises(TypeError, match="weight"):
        replace(one, weight=1)  # type: ignore[call-arg]


def test_made_anew_it_is_still_checked() -> None:
    with pytest.raises(ValueError, match="is empty"):
        replace(Thing(name="a"), name="")


def test_a_maker_makes_what_calling_the_class_makes() -> None:
    make = maker(Thing)
    one = make(name="a", size=4)
    assert type(one) is Thing
    assert one == Thing(name="a", size=4)
    assert make(name="a") == Thing(name="a")
    assert make(name="a").about is not make(name="a").about
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.size = 5  # type: ignore[misc]


def test_a_maker_refuses_what_the_class_refuses() -> None:
    make = maker(Thing)
    with pytest.raises(ValueError, match="is empty"):
        make(name="")
    with pytest.raises(TypeError, match="name"):
        make()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        make(name="a", colour=1)  # type: ignore[call-arg]


def test_a_maker_takes_fields_that_are_needed_behind_others() -> None:
    assert maker(Late)(last="b") == Late(last="b")


@quick
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    first: str = "a"
    last: str


@pytest.mark.parametrize("one", [Thing(name="a", about={"b": "c"}), Larger(name="a", size=5)])
def test_a_changer_makes_what_replacing_makes(one: Thing) -> None:
    changed = changer(Thing, "size")(one, 7)
    assert changed == dataclasses.replace(one, size=7)
    assert type(changed) is type(one)
    with pytest.raises(dataclasses.FrozenInstanceError):
        changed.size = 8  # type: ignore[misc]


def test_a_changer_checks_as_the_class_does() -> None:
    with pytest.raises(ValueError, match="is empty"):
        changer(Thing, "name")(Thing(name="a"), "")
    with pytest.raises(TypeError, match="colour"):
        changer(Thing, "colour")
