import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judges import JUDGES, Case, InvalidOptions
from judges.testing import a_candidate, a_case, check_judge
from judges.types import ResponseFormat, ToolCall
from tests.patience import PATIENCE_S

AGE: dict[str, Any] = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def demanding(schema: dict[str, Any] | None, *texts: str) -> Case:
    wanted = ResponseFormat(type="json_schema" if schema is not None else "json_object", schema=schema)
    return replace(a_case(*texts), response_format=wanted)


async def test_the_text_that_fits_wins() -> None:
    verdict = await JUDGES.build("schema").judge(demanding(AGE, '{"age": 3}', '{"age": "three"}'), {})
    assert (verdict.outcome, verdict.winners) == ("decided", ("c0",))
    assert verdict.usage.nano_usd == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "three",
        'Here: {"age": 3}',
        '```json\n{"age": 3}\n```',
        '{"age": NaN}',
        '{"age": 3',
        '{"age": "\\ud800"}',
        "[" * 9999,
    ],
)
async def test_what_a_client_could_not_parse_does_not_fit(text: str) -> None:
    assert (await JUDGES.build("schema").judge(demanding(AGE, '{"age": 3}', text), {})).winners == ("c0",)


async def test_it_is_silent_where_nothing_is_demanded_or_all_or_none_fit() -> None:
    judge = JUDGES.build("schema")
    for case in (a_case('{"age": 3}', "x"), demanding(AGE, '{"age": 3}', '{"age": 4}'), demanding(AGE, "x", "y")):
        assert (await judge.judge(case, {})).outcome == "abstained"


async def test_any_object_will_do_where_no_schema_is_given() -> None:
    verdict = await JUDGES.build("schema").judge(demanding(None, "{}", "[]", "x"), {})
    assert verdict.winners == ("c0",)


async def test_an_option_comes_before_the_request() -> None:
    judge = JUDGES.build({"use": "schema", "json_schema": {"type": "array"}})
    assert (await judge.judge(demanding(AGE, '{"age": 3}', "[]"), {})).winners == ("c1",)
    assert (await judge.judge(a_case("{}", "[]"), {})).winners == ("c1",)


async def test_a_tool_call_owes_no_json() -> None:
    called = a_candidate("", id="tool", tool_calls=(ToolCall(id="1", name="f", arguments="{}"),))
    case = replace(a_case(called, a_candidate("x", id="text")), response_format=ResponseFormat(type="json_object"))
    assert (await JUDGES.build("schema").judge(case, {})).winners == ("tool",)


@pytest.mark.parametrize("reference", ["http://127.0.0.1:1/x", "file:///etc/passwd", "other.json", "//evil/x"])
async def test_a_reference_out_of_the_schema_is_refused(reference: str) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": reference}}}
    verdict = await JUDGES.build("schema").judge(demanding(schema, '{"a": 1}', "x"), {})
    assert verdict.outcome == "failed"
    assert "nothing is fetched" in verdict.reason
    with pytest.raises(InvalidOptions, match=r"json_schema: .*nothing is fetched"):
        JUDGES.build({"use": "schema", "json_schema": schema})


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}, "[[], [[]]]", "[1]"),
        ({"$ref": "#n", "$defs": {"x": {"$anchor": "n", "type": "integer"}}}, "1", '"x"'),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}}, "1", '"x"'),
        ({"items": {"$ref": "#/prefixItems/0"}, "prefixItems": [{"type": "integer"}]}, "[1, 2]", '[1, "x"]'),
        ({"properties": {"$ref": {"type": "integer"}}}, '{"$ref": 1}', '{"$ref": "http://x"}'),
        ({"const": {"$ref": "http://x"}}, '{"$ref": "http://x"}', "1"),
        ({"pattern": "^(?!no)"}, '"yes"', '"no"'),
    ],
)
async def test_references_within_and_data_that_looks_like_them_work(
    schema: dict[str, Any], good: str, bad: str
) -> None:
    assert (await JUDGES.build("schema").judge(demanding(schema, good, bad), {})).winners == ("c0",)


async def test_nothing_hangs() -> None:
    """References that double at each step, one schema per attack: written out, the first has 2 ** 60 nodes."""
    doubling = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, 60)}
    by_anchor: dict[str, Any] = {
        f"a{n}": {"$anchor": f"a{n}", "allOf": [{"$ref": f"#a{n - 1}"}] * 2} for n in range(1, 60)
    }
    hidden = {
        f"a{n}": {"properties": {"const": {"$ref": f"#/$defs/a{n - 1}"}, "enum": {"$ref": f"#/$defs/a{n - 1}"}}}
        for n in range(1, 60)
    }
    attacks: list[tuple[dict[str, Any], str]] = [
        ({"$ref": "#/$defs/a59", "$defs": {**doubling, "a0": {}}}, "1"),
        ({"$ref": "#a59", "$defs": {**by_anchor, "a0": {"$anchor": "a0"}}}, "1"),
        ({"$ref": "#/$defs/a59", "$defs": {**hidden, "a0": {}}}, "1"),
        ({"items": {"allOf": [{}] * 30_000}}, f"[{'0,' * 30_000}0]"),
        ({"allOf": [{"pattern": f"((\\w{{50}}){{20}}){{10}}{n}"} for n in range(999)]}, '"x"'),
        ({"pattern": "^(a+)+$"}, f'"{"a" * 5000}!"'),
        ({"pattern": "^(?=(a|aa)+$)b"}, f'"{"a" * 5000}!"'),
        ({"$ref": "#"}, "1"),
        ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, "1"),
        ({"items": {"$ref": "#"}}, "[" * 900 + "]" * 900),
    ]
    async with asyncio.timeout(PATIENCE_S):
        for schema, text in attacks:
            verdict = await JUDGES.build("schema").judge(demanding(schema, text, text), {})
            assert verdict.outcome in ("failed", "abstained")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$ref", "type", "allOf", "items", "properties", "pattern", "$defs", "$anchor", "enum", "$id"]
            ),
            inner | st.sampled_from(["#", "#/$defs", "#/allOf/0", "object", "["]),
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(max_size=5), _JSON, max_size=3) | _JSON.filter(lambda one: isinstance(one, dict)), st.text()
)
@example({"$ref": "#/$defs/%zz"}, "1")
@example({"type": 7}, "1")
def test_no_schema_and_no_text_raises(schema: dict[str, Any], text: str) -> None:
    verdict = asyncio.run(JUDGES.build("schema").judge(demanding(schema, text, "{}"), {}))
    assert verdict.outcome in ("decided", "tie", "abstained", "failed")


async def test_the_laws_hold() -> None:
    cases = [demanding(AGE, '{"age": 3}', "x", "y"), a_case("x", "y"), demanding(AGE, "x")]
    await check_judge(JUDGES.build("schema"), cases)
    await check_judge(JUDGES.build({"use": "schema", "json_schema": AGE}), cases)
