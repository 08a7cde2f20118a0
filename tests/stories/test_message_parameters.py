"""Every parameter of Anthropic's messages meets the fate that the table in the README tells."""

from pathlib import Path
from typing import Any

import pytest

from ensemble.dialects import anthropic_messages
from ensemble.dialects.params import Param
from tests.messages import ASKED, PARTS, TOOL, sent
from tests.served import SERVER, serving

CACHE = {"type": "ephemeral"}
GIVEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "model": ("claude", {"model": "beta"}),
    "messages": (ASKED["messages"], {}),
    "max_tokens": (50, {"max_tokens": 50}),
    "system": ("Be brief.", {"system": "Be brief."}),
    "tools": ([TOOL], {"tools": [TOOL]}),
    "tool_choice": ({"type": "any"}, {"tool_choice": {"type": "any"}}),
    "thinking": ({"type": "adaptive"}, {"thinking": {"type": "adaptive"}}),
    "output_config": ({"effort": "low"}, {"output_config": {"effort": "low"}}),
    "cache_control": (CACHE, {"cache_control": CACHE}),
    "speed": ("fast", {"speed": "fast"}),
    "stream": (False, {}),
    "stop_sequences": (["END"], {"stop_sequences": ["END"]}),
    "metadata": ({"user_id": "u1", "team": "red"}, {}),
    "service_tier": ("auto", {"service_tier": "auto"}),
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.5, {"top_p": 0.5}),
    "top_k": (5, {"top_k": 5}),
}
"""For every parameter that is not refused: a value, and what of it stands in the body that a member's provider gets."""


@pytest.mark.parametrize("param", anthropic_messages.PARAMS, ids=lambda param: param.name)
async def test_every_parameter_meets_the_fate_that_the_table_tells(tmp_path: Path, param: Param) -> None:
    old = PARTS.replace('base_url = "{anthropic_url}"\n', 'base_url = "{anthropic_url}"\napi_version = "2023-06-01"\n')
    async with serving(tmp_path, SERVER, parts=old) as served:
        asked = {**ASKED, "model": "claude"} | ({"tools": [TOOL]} if param.name == "tool_choice" else {})
        value, arrives = GIVEN.get(param.name, ("x", {}))
        headers = {"anthropic-version": "2026-10-21"}
        async with served.http.post(
            f"{served.url}/messages", json={**asked, param.name: value}, headers=headers
        ) as got:
            said = await got.json()
        if param.fate == "refused":
            assert (got.status, said["error"]["details"]["param"]) == (400, param.name)
            assert param.note in said["error"]["message"]
            assert len(served.simulator.served) == 0
            return
        assert got.status == 200, said
        assert sent(served, "claude").items() >= arrives.items()
        record = await served.record(said["id"])
        if param.name == "metadata":
            assert (record["end_user"], record["metadata"]) == ("u1", {"team": "red"})
