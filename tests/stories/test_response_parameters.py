"""Every parameter of OpenAI's responses meets the fate that the table in the README tells."""

from typing import Any

import pytest

from ensemble.dialects import openai_responses
from ensemble.dialects.params import Param
from tests.served import a_tool
from tests.stories.conftest import Shared

pytestmark = pytest.mark.asyncio(loop_scope="module")
FUNCTION: Any = {"type": "function", **a_tool()["function"]}
FORM = {"name": "who", "schema": {"type": "object"}, "strict": True}
INPUT = [
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,eA==", "detail": "low"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,eA==", "filename": "a.pdf"},
        ],
    }
]
MESSAGES = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA==", "detail": "low"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,eA==", "filename": "a.pdf"}},
        ],
    }
]
SYSTEM = {"role": "system", "content": "Be brief."}
NEEDS: dict[str, dict[str, Any]] = {
    "stream_options": {"stream": True},
    "tool_choice": {"tools": [FUNCTION]},
    "parallel_tool_calls": {"tools": [FUNCTION]},
}
"""What a parameter cannot be without."""
GIVEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "model": ("alpha", {"model": "alpha"}),
    "input": (INPUT, {"messages": MESSAGES}),
    "instructions": ("Be brief.", {"messages": [SYSTEM, {"role": "user", "content": "Why?"}]}),
    "previous_response_id": ("", {}),
    "store": (False, {}),
    "stream": (True, {}),
    "stream_options": ({"include_obfuscation": False}, {}),
    "tools": ([FUNCTION], {"tools": [a_tool()]}),
    "tool_choice": (
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]},
        {"tool_choice": "required"},
    ),
    "parallel_tool_calls": (False, {"parallel_tool_calls": False}),
    "text": (
        {"format": {"type": "json_schema", **FORM}, "verbosity": "low"},
        {"response_format": {"type": "json_schema", "json_schema": FORM}, "verbosity": "low"},
    ),
    "reasoning": ({"effort": "low", "summary": "auto"}, {"reasoning_effort": "low"}),
    "include": (["message.output_text.logprobs"], {"logprobs": True}),
    "top_logprobs": (2, {"logprobs": True, "top_logprobs": 2}),
    "max_output_tokens": (50, {"max_tokens": 50}),
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.5, {"top_p": 0.5}),
    "service_tier": ("flex", {"service_tier": "flex"}),
    "prompt_cache_key": ("k", {"prompt_cache_key": "k"}),
    "prompt_cache_retention": ("24h", {"prompt_cache_retention": "24h"}),
    "prompt_cache_options": ({"mode": "implicit"}, {"prompt_cache_options": {"mode": "implicit"}}),
    "safety_identifier": ("s1", {"safety_identifier": "s1"}),
    "user": ("u1", {}),
    "metadata": ({"team": "red"}, {}),
    "client_metadata": ({"turn_id": "x" * 600}, {}),
}
"""For every parameter that is not refused: a value, and what of it stands in the body that a member's provider gets."""


@pytest.mark.parametrize("param", openai_responses.PARAMS, ids=lambda param: param.name)
async def test_every_parameter_meets_the_fate_that_the_table_tells(panel: Shared, param: Param) -> None:
    served = (await panel.begin()).served
    url, asked = f"{served.url}/responses", {"model": "alpha", "input": "Why?"}
    if param.fate == "refused":
        async with served.http.post(url, json={**asked, param.name: "x"}) as got:
            said = await got.json()
        assert (got.status, said["error"]["type"], said["error"]["param"]) == (400, "invalid_request_error", param.name)
        assert param.note in said["error"]["message"]
        assert panel.calls == []
        return
    value, arrives = GIVEN[param.name]
    if param.name == "previous_response_id":
        async with served.http.post(url, json=asked) as got:
            value = (await got.json())["id"]
    async with served.http.post(url, json={**asked, **NEEDS.get(param.name, {}), param.name: value}) as got:
        raw = await got.text()
    assert got.status == 200, raw
    body = panel.calls[-1].body
    assert body.items() >= arrives.items()
    assert not {"user", "metadata", "store"} & body.keys()
    assert len(body["messages"]) == {"previous_response_id": 3, "instructions": 2}.get(param.name, 1)  # type: ignore[arg-type]
    record = await served.record(got.headers["x-ensemble-request-id"])
    assert record["end_user"] == ("u1" if param.name == "user" else None)
    assert record["metadata"] == ({"team": "red"} if param.name == "metadata" else {})


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"truncation": "auto"}, "truncation"),
        ({"background": True}, "background"),
        ({"stream": True, "stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"include": ["file_search_call.results"]}, "include"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "s"}]}, "tools[0].type"),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "web_search_preview"}}, "tool_choice.type"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "other"}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"reasoning": {"generate_summary": "auto"}}, "reasoning.generate_summary"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}, "input[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        ({"input": []}, "input"),
        ({"input": ["hello"]}, "input[0]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_refused_within_a_parameter_is_named(panel: Shared, asked: Any, named: str) -> None:
    served = (await panel.begin()).served
    async with served.http.post(f"{served.url}/responses", json={"model": "alpha", "input": "Why?", **asked}) as got:
        said = await got.json()
    assert (got.status, said["error"]["param"]) == (400, named)
    assert panel.calls == []
