"""A served fleet of three simulated sizes, a judge that may route, and how its members are described."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from tests.served import Served, a_question

MEMBERS = (
    "".join(
        f"""
[members.{name}]
provider = "sim"
model = "{name}"
max_attempts = 1
price = {{{{ input = {price}, output = {price} }}}}
"""
        for name, price in (("small", 1), ("balanced", 4), ("large", 20), ("judge", 2))
    )
    + '\n[judges.longest]\nuse = "longest"\n'
)
PARTS = '[providers.sim]\nuse = "openai"\nbase_url = "{base_url}"\n' + MEMBERS
DESCRIBED = """members = {
  small = "greetings, simple and short tasks",
  balanced = "everyday tasks of a moderate kind",
  large = "hard tasks: proofs, reasoning over many steps, critical decisions",
}
default = "balanced"
""".replace("\n  ", " ").replace(",\n}", " }")
LLM = f"""
[routers.llm]
use = "llm"
model = "judge"
{DESCRIBED}
"""


async def planned(served: Served, messages: Iterable[Mapping[str, str]], model: str = "llm", **more: Any) -> Any:
    """The record of one request by the official client."""
    async with served.client() as client:
        raw = await client.chat.completions.with_raw_response.create(
            model=model,
            messages=list(messages),  # type: ignore[arg-type]
            **more,
        )
    return await served.record(raw.headers["x-ensemble-request-id"])


async def chosen(served: Served, texts: Iterable[str], model: str = "llm") -> list[str]:
    """The member that answers each text, in order; twenty requests at a time."""
    gate = asyncio.Semaphore(20)

    async def one(text: str) -> str:
        async with gate:
            status, said, headers = await served.post(a_question(text, model=model))
        assert status == 200, said
        return headers["x-ensemble-winner"]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(text)) for text in texts]
    return [task.result() for task in tasks]
