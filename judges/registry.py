"""Plugins and where they are found: one file adds a judge, an aggregator, a router or a provider."""

import difflib
import hashlib
import importlib
import importlib.util
import json
import pkgutil
import re
import sys
from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic import ValidationError as PydanticError
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from judges.errors import InvalidOptions, UnknownPlugin

_COUNTED = re.compile(r"^\w+ should have (at (?:least|most) \d+ items?) after validation, not")


class Name(str):
    """A reference by name to something configured elsewhere, so that a start can check it before anything runs."""

    __slots__ = ()
    kind: ClassVar[str] = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[object], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(min_length=1))


class ModelName(Name):
    """Name of a model that a judge or a router consults: a member of the fleet, where there is one."""

    __slots__ = ()
    kind = "model"


class Plugin(BaseModel, ABC):
    """A strategy whose fields are its options: frozen, unknown fields refused, identified by its configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    use: ClassVar[str] = ""
    """The registered name, set by ``Registry.register``; also written by ``model_dump``."""
    version: ClassVar[int] = 1
    """Raise it when the same options start to give different results."""
    file_hash: ClassVar[str | None] = None
    """SHA-256 of the file, for a plugin that came from a path."""
    outside: ClassVar[frozenset[str]] = frozenset()
    """Options that are no part of the digest, since they name what was learned about the plugin, not what it is."""

    @model_serializer(mode="wrap")
    def _with_name(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {"use": self.use, **handler(self)}

    def ingredients(self) -> Mapping[str, str]:
        """What else decides the result beside the options (prompt files by name and hash); part of the digest."""
        return {}

    def load(self) -> None:
        """Read artifacts. Called once at start, in a worker thread, so it may block.

        Here it loads the plugins among the options: whoever overrides it calls ``super().load()``.

        Raises:
            InvalidOptions: parts cannot be loaded; ``problems`` has the place of each.
        """
        problems = [
            (f"{place}.{key}" if key else place, wrong)
            for place, part in self.parts()
            for key, wrong in obstacles(part)
        ]
        if problems:
            raise InvalidOptions(_told(problems), tuple(problems))

    def parts(self) -> Iterator[tuple[str, "Plugin"]]:
        """Every plugin directly among the options, with its dotted place."""
        for name in type(self).model_fields:
            yield from _parts(getattr(self, name), name)

    def trained_on(self) -> frozenset[str]:
        """Ids of the requests and hashes of the groups and texts that it was fitted on, known once it is loaded.

        It is not measured on them: see ``ensemble.training.table.hashed`` for the hash. Empty for one that was not
        fitted; a plugin made of others names what these were fitted on.
        """
        return frozenset().union(*(part.trained_on() for _, part in self.parts()))

    def references(self) -> Iterator[tuple[str, Name]]:
        """Every reference by name among the options, nested plugins included, with its dotted place."""
        yield from _references(self, "")

    @cached_property
    def digest(self) -> str:
        """SHA-256, 64 hex digits, over name, version and every option, nested plugins and prompt files included.

        For a plugin that came from a path, the hash of the file takes the place of ``version``.
        """
        inside = [name for name in type(self).model_fields if name not in self.outside]
        recipe = {
            "use": self.use,
            "version": self.file_hash or self.version,
            "options": {name: _canonical(getattr(self, name)) for name in inside},
            "ingredients": dict(self.ingredients()),
        }
        return hashlib.sha256(json.dumps(recipe, sort_keys=True, default=str).encode()).hexdigest()


BROKEN = (ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError)
"""What importing a faulty plugin can raise."""
UNSOUND = (LookupError, ArithmeticError, RuntimeError, EOFError)
"""What else a plugin raises that reads an artifact in another form than it expects."""

P = TypeVar("P", bound=Plugin)
Q = TypeVar("Q", bound=Plugin)


class Registry(Generic[P]):
    """Plugins of one kind, imported on first use; listing them imports nothing."""

    def __init__(self, kind: str, *, homes: tuple[str, ...], group: str) -> None:
        """``homes`` are packages that hold plugins only; ``group`` is an entry-point group."""
        self.kind = kind
        self.group = group
        self._homes = homes
        self._classes: dict[str, type[P]] = {}
        self._files: dict[Path, str] = {}

    def register(self, name: str) -> Callable[[type[Q]], type[Q]]:
        """Class decorator. Raises ValueError if another class already holds ``name``, hyphens being underscores."""

        def bind(cls: type[Q]) -> type[Q]:
            held = self._classes.get(_plain(name))
            if held is not None and (held.__module__, held.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ValueError(f"{self.kind} {name!r} is already registered by {held.__module__}.{held.__qualname__}")
            cls.use = name
            self._classes[_plain(name)] = cast("type[P]", cls)
            return cls

        return bind

    def build(self, spec: str | Mapping[str, object] | P) -> P:
        """Make a plugin from a name, or from a table with ``use`` and options; an instance passes through.

        A name is looked for in this order: already registered; a path that ends in ``.py``; a module of that name in
        ``homes``; an entry point. In a name, a hyphen is as good as an underscore. Specs come from the operator's
        configuration, never from a request.

        Raises:
            UnknownPlugin, InvalidOptions
        """
        if isinstance(spec, Plugin):
            return spec
        options: dict[str, object] = {"use": spec} if isinstance(spec, str) else dict(spec)
        name = options.pop("use", None)
        if not isinstance(name, str):
            raise InvalidOptions(f"use: name the {self.kind} to use; known are {', '.join(self.names())}")
        cls = self.find(name)
        try:
            return cls.model_validate(options)
        except PydanticError as error:
            problems = tuple(_problems(error, cls))
            raise InvalidOptions(_told(problems), problems) from None

    def find(self, name: str) -> type[P]:
        """The class behind ``name``, imported now if need be.

        Raises:
            UnknownPlugin: nothing has that name, or what has it cannot be imported; the message says why.
        """
        if name.endswith(".py"):
            return self._from_file(Path(name))
        key = _plain(name)
        if key in self._classes:
            return self._classes[key]
        home = self._modules().get(key)
        entry = None if home else self._entry_points().get(key)
        try:
            if home:
                importlib.import_module(home)
            elif entry:
                self._classes.setdefault(key, entry.load())
        except BROKEN as error:
            raise UnknownPlugin(f"{self.kind} {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
        if key not in self._classes:
            near = difflib.get_close_matches(key, self.names(), n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known are {', '.join(self.names())}"
            raise UnknownPlugin(f"there is no {self.kind} {name!r}; {hint}")
        return self._classes[key]

    def names(self) -> list[str]:
        """Every name that ``build`` would find, sorted, written with underscores."""
        return sorted({*self._classes, *self._modules(), *self._entry_points()})

    def files(self) -> Mapping[Path, str]:
        """Files that plugins came from, with the hash that each had when it was imported."""
        return {path: str(self._classes[name].file_hash) for path, name in self._files.items()}

    def origin(self, name: str) -> str:
        """Where ``name`` comes from: a module, a file, or an entry point with its distribution. Imports nothing."""
        key = _plain(name)
        for path, held in self._files.items():
            if held == key:
                return str(path)
        if key in self._classes:
            return self._classes[key].__module__
        if home := self._modules().get(key):
            return home
        entry = self._entry_points().get(key)
        return f"{entry.value} ({entry.dist.name if entry.dist else 'unknown distribution'})" if entry else "nowhere"

    def _modules(self) -> dict[str, str]:
        found = {}
        for home in self._homes:
            spec = importlib.util.find_spec(home)
            for module in pkgutil.iter_modules(spec.submodule_search_locations if spec else None, f"{home}."):
                short = module.name.rpartition(".")[2]
                if not short.startswith("_"):
                    found[short] = module.name
        return found

    def _entry_points(self) -> dict[str, EntryPoint]:
        return {_plain(entry.name): entry for entry in entry_points(group=self.group)}

    def _from_file(self, path: Path) -> type[P]:
        path = path.resolve()
        if path in self._files:
            return self._classes[self._files[path]]
        if not path.is_file():
            raise UnknownPlugin(f"there is no file {path}; a path is read relative to the configuration file")
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        twin = next((name for name in self._files.values() if self._classes[name].file_hash == content), None)
        if twin is not None:
            self._files[path] = twin  # the same file in another folder is the same plugin
            return self._classes[twin]
        spec = importlib.util.spec_from_file_location(f"_plugin_{path.stem}_{len(self._files)}", path)
        if spec is None or spec.loader is None:
            raise UnknownPlugin(f"{path} is not a Python module")
        module = importlib.util.module_from_spec(spec)
        # pydantic resolves a class's annotations through sys.modules, so the module must be there while it runs.
        sys.modules[spec.name] = module
        before = set(self._classes)
        try:
            spec.loader.exec_module(module)
        except BROKEN as error:
            del sys.modules[spec.name]
            raise UnknownPlugin(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
        added = sorted(set(self._classes) - before)
        if len(added) != 1:
            raise UnknownPlugin(f"{path} must register exactly one {self.kind}; it registered {added or 'none'}")
        cls = self._classes[added[0]]
        cls.file_hash = content
        self._files[path] = added[0]
        return cls


def obstacles(plugin: Plugin) -> Sequence[tuple[str, str]]:
    """Load ``plugin`` and tell what stands in the way: (dotted option, or nothing, and what is wrong). Blocks.

    Raises:
        Exception: what a faulty plugin raises beside ``BROKEN``, ``UNSOUND`` and ``OSError``.
    """
    try:
        plugin.load()
    except InvalidOptions as error:
        return error.problems or (("", str(error)),)
    except OSError as error:
        return (("", f"{plugin.use!r} cannot read its files: {error}"),)
    except (*BROKEN, *UNSOUND) as error:
        return (("", f"{plugin.use!r} cannot be loaded: {type(error).__name__}: {error}"),)
    return ()


def _told(problems: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{place}: {wrong}" if place else wrong for place, wrong in problems)


def _plain(name: str) -> str:
    """The form of a plugin's name by which it is found."""
    return name.replace("-", "_")


def _canonical(value: object) -> object:
    if isinstance(value, Plugin):
        return {"digest": value.digest}
    if isinstance(value, BaseModel):
        return {name: _canonical(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_canonical(item) for item in value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_canonical(item) for item in value]
    return value


def _parts(value: object, place: str) -> Iterator[tuple[str, Plugin]]:
    if isinstance(value, Plugin):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _parts(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _parts(item, f"{place}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            yield from _parts(item, f"{place}.{index}")


def _references(value: object, place: str) -> Iterator[tuple[str, Name]]:
    if isinstance(value, Name):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _references(getattr(value, name), f"{place}.{name}" if place else name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _references(key, place)
            yield from _references(item, f"{place}.{key}")
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            yield from _references(item, f"{place}.{index}")


def _problems(error: PydanticError, cls: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for detail in error.errors(include_url=False, include_input=False):
        place = ".".join(str(step) for step in detail["loc"])
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, InvalidOptions) and cause.problems:
            for inner, wrong in cause.problems:
                yield f"{place}.{inner}" if place and inner else place or inner, wrong
        else:
            yield place, explain(detail, cls)


def explain(detail: ErrorDetails, cls: type[BaseModel]) -> str:
    """One finding of pydantic as a sentence; a misspelt key of ``cls`` gets the nearest valid names."""
    cause: Any = detail.get("ctx", {}).get("error")
    if cause is not None:
        return str(cause)
    if detail["type"] == "extra_forbidden":
        fields = sorted(_fields_at(cls, detail["loc"][:-1]))
        near = difflib.get_close_matches(str(detail["loc"][-1]), fields, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(fields)}"
        return f"unknown key{hint if fields else ''}"
    return worded(detail["msg"])


def worded(told: str) -> str:
    """``told``, a message of pydantic, within a sentence and without Python's names for what holds several things."""
    told = _COUNTED.sub(r"There should be \1, not", told)
    return told[:1].lower() + told[1:]


def _fields_at(cls: type[BaseModel], place: Sequence[str | int]) -> set[str]:
    """The keys of the table at ``place``; none where that is no table of fixed keys."""
    models = {cls}
    for step in place:
        held = [model.model_fields[step].annotation for model in models if step in model.model_fields]
        # A number or a name between two tables belongs to the list or mapping that holds the inner one.
        models = {model for annotation in held for model in _models_in(annotation)} if held else models
    return {field for model in models for field in model.model_fields}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
