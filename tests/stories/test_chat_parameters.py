"""Every parameter of OpenAI's chat completions meets the fate that the table in the README tells."""

from typing import Any

import pytest

from ensemble.dialects import openai_chat
from ensemble.dialects.params import Param
from tests.served import a_question, a_tool
from tests.stories.conftest import Shared

pytestmark = pytest.mark.asyncio(loop_scope="module")
MESSAGES = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA==", "detail": "low"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,eA==", "filename": "a.pdf"}},
            {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}},
        ],
    }
]
FORM = {"type": "json_schema", "json_schema": {"name": "who", "schema": {"type": "object"}, "strict": True}}
CHOICE = {"type": "function", "function": {"name": "weather"}}
NEEDS: dict[str, dict[str, Any]] = {
    "stream_options": {"stream": True},
    "tool_choice": {"tools": [a_tool()]},
    "parallel_tool_calls": {"tools": [a_tool()]},
    "top_logprobs": {"logprobs": True},
}
"""What a parameter cannot be without."""
GIVEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "model": ("alpha", {"model": "alpha"}),
    "messages": (MESSAGES, {"messages": MESSAGES}),
    "n": (2, {}),
    "stream": (True, {}),
    "stream_options": ({"include_usage": True}, {}),
    "tools": ([a_tool()], {"tools": [a_tool()]}),
    "tool_choice": (CHOICE, {"tool_choice": CHOICE}),
    "parallel_tool_calls": (False, {"parallel_tool_calls": False}),
    "response_format": (FORM, {"response_format": FORM}),
    "max_tokens": (50, {"max_tokens": 50}),
    "max_completion_tokens": (50, {"max_tokens": 50}),
    "stop": (["END"], {"stop": ["END"]}),
    "seed": (7, {"seed": 7}),
    "logprobs": (True, {"logprobs": True}),
    "top_logprobs": (2, {"logprobs": True, "top_logprobs": 2}),
    "user": ("u1", {}),
    "metadata": ({"team": "red"}, {}),
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.5, {"top_p": 0.5}),
    "frequency_penalty": (0.5, {"frequency_penalty": 0.5}),
    "presence_penalty": (0.5, {"presence_penalty": 0.5}),
    "logit_bias": ({"42": -100}, {"logit_bias": {"42": -100}}),
    "reasoning_effort": ("low", {"reasoning_effort": "low"}),
    "verbosity": ("low", {"verbosity": "low"}),
    "service_tier": ("flex", {"service_tier": "flex"}),
    "prompt_cache_key": ("k", {"prompt_cache_key": "k"}),
    "prompt_cache_retention": ("24h", {"prompt_cache_retention": "24h"}),
    "prompt_cache_options": ({"mode": "implicit"}, {"prompt_cache_options": {"mode": "implicit"}}),
    "safety_identifier": ("s1", {"safety_identifier": "s1"}),
}
"""For every parameter that is not refused: a value, and what of it stands in the body that a member's provider gets."""
REFUSED: dict[str, Any] = {"store": True}
"""Values that ask for something, where "x" is no value of the parameter at all."""


@pytest.mark.parametrize("param", openai_chat.PARAMS, ids=lambda param: param.name)
async def test_every_parameter_meets_the_fate_that_the_table_tells(panel: Shared, param: Param) -> None:
    served = (await panel.begin()).served
    if param.fate == "refused":
        code, said, _ = await served.post(a_question(**{param.name: REFUSED.get(param.name, "x")}))
        assert (code, said["error"]["type"], said["error"]["param"]) == (400, "invalid_request_error", param.name)
        assert param.note in said["error"]["message"]
        assert panel.calls == []
        return
    value, arrives = GIVEN[param.name]
    asked = {**a_question(model="alpha"), **NEEDS.get(param.name, {}), param.name: value}
    async with served.http.post(f"{served.url}/chat/completions", json=asked) as got:
        raw = await got.text()
    assert got.status == 200, raw
    assert len(panel.calls) == asked.get("n", 1)
    sent = panel.calls[-1]
    assert sent.body.items() >= arrives.items()
    assert not {"n", "user", "metadata"} & sent.body.keys()
    record = await served.record(got.headers["x-ensemble-request-id"])
    assert record["end_user"] == ("u1" if param.name == "user" else None)
    assert record["metadata"] == ({"team": "red"} if param.name == "metadata" else {})
    if asked.get("stream"):
        assert ('"total_tokens"' in raw) == (param.name == "stream_options")
        assert raw.endswith("data: [DONE]\n\n")
