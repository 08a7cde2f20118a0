"""Embeddings through the official SDK: alike texts lie close together."""

import openai
import pytest
from openai import AsyncOpenAI

from ensemble.simulator import Simulator


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_alike_texts_are_close_and_usage_is_told(sim: Simulator) -> None:
    texts = ["What is the capital of France?", "What is the capital of Spain?", "Sort these numbers: 3, 1, 2"]
    async with AsyncOpenAI(base_url=sim.base_url, api_key="any", max_retries=0) as client:
        packed = await client.embeddings.create(model="embed", input=texts)
        plain = await client.embeddings.create(model="embed", input=texts[0], encoding_format="float", dimensions=64)
        vectors = [item.embedding for item in packed.data]
        assert [len(vector) for vector in vectors] == [256] * 3
        assert likeness(vectors[0], vectors[0]) == pytest.approx(1)
        assert likeness(vectors[0], vectors[1]) > 0.4 > likeness(vectors[0], vectors[2])
        assert len(plain.data[0].embedding) == 64
        assert packed.usage.prompt_tokens == sim.served[0].told_prompt_tokens == sim.served[0].prompt_tokens > 0
        for bad in ({"model": "embed", "input": []}, {"model": "embed", "input": ["x", ""]}):
            with pytest.raises(openai.BadRequestError):
                await client.embeddings.create(**bad)  # type: ignore[arg-type]
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="small", input="x")
