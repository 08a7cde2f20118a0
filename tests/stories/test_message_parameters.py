"""Every parameter of Anthropic's messages meets the fate that the table in the README tells."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ensemble.dialects import anthropic_messages
from ensemble.dialects.params import Param
from tests.messages import ASKED, MODELS, PARTS, TOOL
from tests.served import SERVER
from tests.stories.conftest import TRANSPORTS, Shared, sharing

pytestmark = pytest.mark.asyncio(loop_scope="module")
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


OLD = PARTS.replace('base_url = "{anthropic_url}"\n', 'base_url = "{anthropic_url}"\napi_version = "2023-06-01"\n')
HEADERS = {"anthropic-version": "2026-10-21"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    """A service whose provider is asked in the API's older version, which takes most."""
    async with sharing(request.param, tmp_path_factory.mktemp("old"), SERVER, parts=OLD) as opened:
        yield opened


@pytest.mark.parametrize("param", anthropic_messages.PARAMS, ids=lambda param: param.name)
async def test_every_parameter_meets_the_fate_that_the_table_tells(old: Shared, param: Param) -> None:
    served = (await old.begin()).served
    asked = {**ASKED, "model": "claude"} | ({"tools": [TOOL]} if param.name == "tool_choice" else {})
    value, arrives = GIVEN.get(param.name, ("x", {}))
    async with served.http.post(f"{served.url}/messages", json={**asked, param.name: value}, headers=HEADERS) as got:
        said = await got.json()
    if param.fate == "refused":
        assert (got.status, said["error"]["details"]["param"]) == (400, param.name)
        assert param.note in said["error"]["message"]
        assert old.calls == []
        return
    assert got.status == 200, said
    (call,) = old.calls
    assert call.model == MODELS["claude"]
    assert call.body.items() >= arrives.items()
    record = await served.record(said["id"])
    if param.name == "metadata":
        assert (record["end_user"], record["metadata"]) == ("u1", {"team": "red"})
