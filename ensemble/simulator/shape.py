"""A JSON value of the shape that a schema wants, with an answer in the place where it belongs."""

import re
from collections.abc import Mapping

from ensemble.simulator.wire import rows, table, text

_ANSWER = re.compile(r"answer|result|value|solution|output|label|choice", re.IGNORECASE)
_REASON = re.compile(r"reason|explan|steps|thought|why", re.IGNORECASE)
DEEPEST = 12


class Filler:
    """Fills schemas with one answer. ``known`` are values by the name of their key, which win over everything."""

    def __init__(self, answer: str, reason: str = "", known: Mapping[str, object] | None = None) -> None:
        self._answer = answer
        self._reason = reason
        self._known = known or {}

    def fill(self, schema: Mapping[str, object]) -> object:
        """A value for ``schema``; an empty one takes any object."""
        if not schema:
            return dict(self._known) or {"answer": self._answer}
        return self._fill(schema, schema, "answer", 0)

    def _fill(self, schema: Mapping[str, object], root: Mapping[str, object], name: str, depth: int) -> object:
        if depth > DEEPEST:
            return None
        if "$ref" in schema:
            return self._fill(_resolve(text(schema["$ref"]), root), root, name, depth + 1)
        if name in self._known:
            return self._known[name]
        if "const" in schema:
            return schema["const"]
        options = rows(schema.get("enum"))
        if options:
            return next((each for each in options if str(each).casefold() == self._answer.casefold()), options[0])
        for union in ("anyOf", "oneOf", "allOf"):
            if rows(schema.get(union)):
                return self._fill(table(rows(schema[union])[0]), root, name, depth + 1)
        return self._by_type(schema, root, name, depth)

    def _by_type(self, schema: Mapping[str, object], root: Mapping[str, object], name: str, depth: int) -> object:
        kind = schema.get("type")
        first = next((each for each in rows(kind) if each != "null"), kind)
        if first == "object" or "properties" in schema:
            inner = table(schema.get("properties"))
            return {key: self._fill(table(each), root, key, depth + 1) for key, each in inner.items()}
        if first == "array":
            least = schema.get("minItems")
            count = max(1, least) if isinstance(least, int) else 1
            return [self._fill(table(schema.get("items")), root, name, depth + 1) for _ in range(min(count, 20))]
        if first in ("integer", "number"):
            return self._number(schema, whole=first == "integer")
        if first == "boolean":
            return self._answer.casefold() in ("yes", "true")
        if first == "null":
            return None
        if _REASON.search(name):
            return self._reason or "This is a simulated answer."
        return self._answer if _ANSWER.search(name) else f"simulated {name}"

    def _number(self, schema: Mapping[str, object], *, whole: bool) -> float:
        found = re.search(r"-?\d+(?:\.\d+)?", self._answer)
        value = float(found.group()) if found else 0.0
        for bound, choose in (("minimum", max), ("maximum", min)):
            limit = schema.get(bound)
            if isinstance(limit, int | float):
                value = choose(value, float(limit))
        return int(value) if whole or value == int(value) else value


def _resolve(ref: str, root: Mapping[str, object]) -> Mapping[str, object]:
    at: Mapping[str, object] = root
    for step in ref.removeprefix("#").strip("/").split("/"):
        at = table(at.get(step)) if step else at
    return at
