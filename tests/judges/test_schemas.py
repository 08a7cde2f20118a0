"""What is wrong with a demanded schema, and what only seems to be."""

from typing import Any

import pytest

from judges.schemas import flaw

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TYPES = "it must be array, boolean, integer, null, number, object, string or a list of these"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "objekt"}, f"type: {TYPES}"),
        ({"type": ["string", "text"]}, f"type: {TYPES}"),
        ({"properties": {"a": {"type": 5}}}, f"properties.a.type: {TYPES}"),
        ({"$defs": {"unused": {"type": "any"}}}, f"$defs.unused.type: {TYPES}"),
        ({"properties": ["a"]}, 'properties: ["a"] is not of type "object"'),
        ({"properties": {"a": {"required": True}}}, 'properties.a.required: true is not of type "array"'),
        ({"dependentRequired": {"a": "b"}}, 'dependentRequired.a: "b" is not of type "array"'),
        ({"minLength": -1}, "minLength: -1 is less than the minimum of 0"),
        ({"items": [{}], "minimum": "3"}, 'minimum: "3" is not of type "number"'),
        ({"$schema": 5}, '$schema: 5 is not of type "string"'),
        ({"$schema": DRAFT_7, "type": "objekt"}, f"type: {TYPES}"),
        (
            {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"a": {}}},
            "a reference leads nowhere: Pointer '/$defs/b' does not exist; put what it names under $defs",
        ),
        ({"$dynamicRef": "#node"}, "a reference leads nowhere: Anchor 'node' does not exist; put what it names"),
        (
            {"$ref": "https://example.com/s.json"},
            "the reference https://example.com/s.json lies outside; put what it names under $defs",
        ),
        ({"const": "x" * 1000, "required": "y" * 1000}, f'required: "{"y" * 199}'),
    ],
)
def test_a_flaw_is_told_with_its_place_and_what_mends_it(schema: dict[str, Any], told: str) -> None:
    assert (flaw(schema) or "").startswith(told)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": ["string", "null"], "nullable": True, "x-of-somebody": 3, "format": "of-somebody", "enum": []},
        {"$ref": "#"},
        {"properties": {"child": {"$ref": "#"}, "$ref": {"type": "string"}, "type": {"const": 5}}},
        {"const": {"type": "objekt", "$ref": "#/nowhere"}, "default": {"$ref": 5}, "examples": [{"type": 5}]},
        {"$anchor": "here", "properties": {"a": {"$ref": "#here"}}},
        {"$dynamicAnchor": "node", "items": {"$dynamicRef": "#node"}},
        {"$id": "https://example.com/a", "$ref": "b", "$defs": {"b": {"$id": "b", "type": "string"}}},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$ref": "#/definitions/a~1b%20c", "definitions": {"a/b c": True}},
        {"prefixItems": [{"type": "string"}, True], "items": False, "unevaluatedProperties": False},
        {"pattern": "(?<=a)b", "patternProperties": {"^\\p{Lu}+$": True}},
        {"pattern": "("},
        {"items": [{"type": "string"}], "minimum": 1, "exclusiveMinimum": True},
        {"$schema": DRAFT_7, "items": [{"type": "string"}], "definitions": {"a": {}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"$schema": "https://example.com/my-own", "type": "tensor"},
    ],
)
def test_what_is_right_somewhere_is_no_flaw(schema: dict[str, Any]) -> None:
    assert flaw(schema) is None


def test_what_would_take_long_to_look_at_is_not() -> None:
    nested: dict[str, Any] = {}
    for _ in range(5000):
        nested = {"not": nested}
    fan: dict[str, Any] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
    giant = {"anyOf": [{"type": "objekt"}] * 1_000}  # a server would do nothing else meanwhile
    for schema in (nested, {"$ref": "#/$defs/a0", "$defs": fan | {"a40": True}}, giant):
        assert flaw(schema) is None
