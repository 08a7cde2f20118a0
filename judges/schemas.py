"""JSON Schema over hostile schemas and hostile texts: nothing is fetched, and nothing takes exponential time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import jsonschema_rs

_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"const", "enum", "default", "example", "examples"})
_REFS = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})

_LATEST = "https://json-schema.org/draft/2020-12/schema"
_DRAFTS = {
    _LATEST,
    "https://json-schema.org/draft/2019-09/schema",
    *(f"http://json-schema.org/draft-0{number}/schema" for number in (4, 6, 7)),
}
_TYPES = "array, boolean, integer, null, number, object, string or a list of these"
_MOST_LOOKED_AT = 1_000
"""Tables of a schema in which flaws are looked for; it takes 25 ms on a slow core, and a server does nothing else."""
_MOST_TOLD = 200
"""Characters of what is told of a flaw."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a check may take.

    Attributes:
        steps: schema nodes times JSON values; measured: about 40 million a second.
        patterns: regular expressions; compiling one that is refused for its size takes some 4 ms.
    """

    steps: int
    patterns: int


THOROUGH = Effort(steps=100_000_000, patterns=200)
QUICK = Effort(steps=1_000_000, patterns=10)
"""For what every request goes through: the validator holds the interpreter's lock, so nothing else runs meanwhile."""


class Unusable(ValueError):
    """The schema cannot be used here; the text says why."""


class Checker:
    """One schema, ready to check texts. ``matches`` may be called from any thread.

    Raises:
        Unusable: it is no JSON Schema, refers to something outside itself, or takes more than ``effort``.
    """

    def __init__(self, schema: Mapping[str, object], effort: Effort = THOROUGH) -> None:
        self._most = effort.steps
        self._steps = _expanded(schema, effort)
        self._validator = _compiled(schema)

    def matches(self, text: str) -> bool | None:
        """Whether ``text`` as a whole is JSON that fits; None where checking it would take too long."""
        if self._steps * (1 + text.count(",") + text.count(":")) > self._most:
            return None
        try:
            return bool(self._validator.is_valid(json.loads(text, parse_constant=refuse_constant)))
        except (ValueError, RecursionError):  # lone surrogates and nesting beyond any use are no JSON either
            return False


def flaw(schema: Mapping[str, object]) -> str | None:
    """What makes ``schema`` unusable for anybody, with what mends it: a keyword's value, or a reference to nothing.

    None where there is nothing of the kind, or where nobody here can tell: patterns, dialects of others, giants. Where
    it does not state its draft, what an older one allowed is no flaw.
    """
    import jsonschema_rs  # late: 4 MB, and most requests ask for no schema

    stated = schema.get("$schema")
    known = not isinstance(stated, str) or stated.rstrip("#") in _DRAFTS
    if not known or next(islice(_nodes(schema), _MOST_LOOKED_AT, None), None) is not None:
        return None
    outside: list[str] = []

    def refuse(uri: str) -> NoReturn:
        outside.append(uri)
        _refuse(uri)

    try:
        found = [] if isinstance(stated, str) else list(_latest().iter_errors(dict(schema)))
        if wrong := [error for error in found if not _once_right(error)]:
            raise wrong[0]
        if not found:
            jsonschema_rs.validator_for(dict(schema), retriever=refuse)
    except jsonschema_rs.ValidationError as error:
        if error.kind.name in ("format", "pattern"):
            return None  # engines differ, and the model's provider has one of its own
        if outside:
            return f"the reference {outside[0][:_MOST_TOLD]} lies outside; put what it names under $defs"
        if error.kind.name == "$ref":
            return f"a reference leads nowhere: {error.message[:_MOST_TOLD]}; put what it names under $defs"
        of_type = error.kind.name == "anyOf" and error.instance_path[-1:] == ["type"]
        why = f"it must be {_TYPES}" if of_type else error.message[:_MOST_TOLD]
        return f"{'.'.join(map(str, error.instance_path))[-_MOST_TOLD:] or 'the whole'}: {why}"
    except ValueError:
        return None  # nested too deeply for the validator, if not for others
    return None


@cache
def _latest() -> "jsonschema_rs.Validator":
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator({"$ref": _LATEST}, validate_formats=False)


def _once_right(error: "jsonschema_rs.ValidationError") -> bool:
    """Whether a keyword has a value of the type that it had in an older draft."""
    keyword = error.instance_path[-1] if error.instance_path else None
    return (keyword == "items" and isinstance(error.instance, list)) or (
        keyword in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(error.instance, bool)
    )


def json_object(text: str) -> bool:
    """Whether ``text`` as a whole is a JSON object."""
    try:
        return isinstance(json.loads(text, parse_constant=refuse_constant), dict)
    except (ValueError, RecursionError):
        return False


def _compiled(schema: Mapping[str, object]) -> "jsonschema_rs.Validator":
    import jsonschema_rs  # late: 4 MB, and most requests ask for no schema

    # The linear-time engine first; lookaround needs the other one, which counts its steps and gives up.
    last: ValueError | None = None
    for engine in (jsonschema_rs.RegexOptions(), jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)):
        try:
            return jsonschema_rs.validator_for(dict(schema), retriever=_refuse, pattern_options=engine)
        except ValueError as error:
            last = error
    raise Unusable(f"no usable JSON Schema: {str(last).splitlines()[0]}")


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"{uri} lies outside the schema, and nothing is fetched")


def refuse_constant(name: str) -> NoReturn:
    """For ``json.loads``, which would take NaN and infinities."""
    raise ValueError(f"{name} is no JSON")


def _expanded(schema: Mapping[str, object], effort: Effort) -> int:
    """How many nodes the schema has once every reference is written out; a recursive one counts once.

    The validator remembers what recursion has seen, so only references that fan out without a circle multiply.
    """
    anchors = {
        str(node[key]): node for node, _ in _nodes(schema) for key in ("$anchor", "$dynamicAnchor") if key in node
    }
    if sum("pattern" in node for node, _ in _nodes(schema)) > effort.patterns:
        raise Unusable(f"it has more than {effort.patterns} patterns")
    sizes: dict[int, int] = {}

    def size(node: object, named: bool) -> int:
        if isinstance(node, Sequence) and not isinstance(node, str):
            return sum(size(item, False) for item in node)
        if not isinstance(node, Mapping):
            return 0
        if id(node) in sizes:
            return sizes[id(node)]
        sizes[id(node)] = 1  # what a circle finds on its way back
        total = 1
        for key, value in node.items():
            if not named and key in _REFS and isinstance(value, str):
                total += size(_target(schema, anchors, value), False)
            elif named or key not in _DATA:
                total += size(value, not named and key in _NAMED)
            if total > effort.steps:
                raise Unusable("its references fan out without end")
        sizes[id(node)] = total
        return total

    try:
        return size(schema, False)
    except RecursionError:
        raise Unusable("it is nested too deeply") from None


def _nodes(schema: object, named: bool = False) -> Iterator[tuple[Mapping[str, object], bool]]:
    """Every table in ``schema`` with whether its keys are names of the user's choosing."""
    left: list[tuple[object, bool]] = [(schema, named)]
    while left:
        node, names = left.pop()
        if isinstance(node, Mapping):
            yield node, names
            left.extend((value, not names and key in _NAMED) for key, value in node.items())
        elif isinstance(node, Sequence) and not isinstance(node, str):
            left.extend((item, False) for item in node)


def _target(schema: Mapping[str, object], anchors: Mapping[str, object], reference: str) -> object:
    place = reference.removeprefix("#")
    if not reference.startswith("#"):
        raise Unusable(f"{reference} lies outside the schema, and nothing is fetched")
    if place in anchors:
        return anchors[place]
    node: object = schema
    for step in place.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping):
            node = node.get(step)
        elif isinstance(node, Sequence) and not isinstance(node, str) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node
