"""A service over members of every wire format, and Anthropic's official client before it."""

from typing import Any

from anthropic import AsyncAnthropic

from ensemble.simulator import reply
from tests.served import Served

PARTS = """
[providers.sim]
use = "openai"
base_url = "{base_url}"

[providers.vllm]
use = "openai"
base_url = "{anthropic_url}/vllm/v1"

[providers.claude]
use = "anthropic"
base_url = "{anthropic_url}"

[members.alpha]
provider = "sim"
model = "alpha"
max_attempts = 1

[members.claude]
provider = "claude"
model = "beta"
max_attempts = 1
max_output_tokens = 3000

[members.deep]
provider = "vllm"
model = "gamma"
max_attempts = 1

[judges.longest]
use = "longest"

[routers.panel]
use = "parallel"
members = ["alpha", "claude", "deep"]
judge = "longest"
"""
MODELS = {"alpha": "alpha", "claude": "beta", "deep": "gamma"}
"""The simulated model behind each member: one of OpenAI's format, one of Anthropic's, one that tells its thoughts."""
ASKED: Any = {
    "model": "panel",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "How cold is Oslo?"}],
}
BEST = "It is three degrees below zero, and the wind makes it feel colder than that."
TOOL: Any = {
    "name": "weather",
    "description": "Weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def client(served: Served, **options: Any) -> AsyncAnthropic:
    return AsyncAnthropic(**{"base_url": served.root, "api_key": "none", "max_retries": 0, **options})


def say(served: Served, winner: str, text: str = BEST, **told: Any) -> None:
    """Let the member ``winner`` win by length."""
    for member, model in MODELS.items():
        served.simulator.script(model, [reply(text, **told) if member == winner else reply("No idea.")])


def sent(served: Served, member: str) -> Any:
    """The last body that came to ``member``'s model."""
    return [one for one in served.simulator.served if one.model == MODELS[member]][-1].body
