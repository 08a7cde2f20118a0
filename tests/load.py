"""Clients that never pause."""

import asyncio
from typing import Any

from openai import AsyncOpenAI

CLIENTS = 4


class Load:
    """Clients that ask one question after the other until they are told to stop; the first failure ends the test."""

    def __init__(self, url: str, model: str) -> None:
        self.url, self.model, self.answers, self.over = url, model, 0, False

    async def run(self) -> None:
        client = AsyncOpenAI(base_url=self.url, api_key="none", max_retries=0)
        async with client, asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._ask(client, stream=number % 2 == 0))

    async def _ask(self, client: AsyncOpenAI, *, stream: bool) -> None:
        asked: Any = {"model": self.model, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
        while not self.over:
            if stream:
                chunks = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
                text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            else:
                text = (await client.chat.completions.create(**asked)).choices[0].message.content or ""
            assert text
            self.answers += 1
