"""Labelled requests as vectors of a configured embedder: what training a semantic router asks of a model."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from uuid_utils import uuid7

from ensemble.bench import open_bench
from ensemble.config import Settings
from ensemble.errors import InvalidRequest
from ensemble.ledger import Aim
from ensemble.money import Total, total
from ensemble.routers.semantic import AT_ONCE, Semantic
from ensemble.training.held import Held
from ensemble.training.semantic import Scheme, scheme_of
from ensemble.types import Call, Request, RequestId
from judges.learning.features import clipped
from judges.types import Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PATIENCE_S = 120.0
"""Seconds that one call with its retries may take."""


async def embedded(settings: Settings, router: Semantic, held: Held) -> tuple[Scheme, Held, Total]:
    """How ``router`` sees requests, by its own embedder; the labels that it could embed, and what that cost.

    ``held`` is ``spoken``. A request whose data class bars it from the embedder's provider is left out. The calls go
    through limits and retries; they belong to no request, so the ledger has no line of them.

    Raises:
        ConfigError: the provider cannot be reached with what the environment holds.
        InvalidRequest: the embedder failed.
    """
    scheme, calls = scheme_of(router), list[Call]()
    wanted: dict[str | None, dict[str, None]] = {None: dict.fromkeys(_examples(scheme))}
    for text, example in zip(held.table.texts, held.examples, strict=True):
        wanted.setdefault(example.data_class, {})[text] = None
    found: dict[tuple[str | None, str], Sequence[float]] = {}
    async with open_bench(settings, {}) as fleet:
        member = fleet[str(router.embedder)]
        for data_class, texts in wanted.items():
            if not member.permits(data_class):
                continue
            for batch in _batches([*texts]):
                request = _request(member.name, data_class)
                aim = Aim(purpose="router", seat="train")
                short = [clipped(text) for text in batch]
                call, vectors = await member.embed(request, short, aim, seen=calls.append)
                if call.failure is not None:
                    raise InvalidRequest(f"{member.name} makes no embeddings: {call.failure}: {call.detail}")
                found.update(((data_class, text), vector) for text, vector in zip(batch, vectors, strict=True))
        told = {"by": "member", "digest": member.digest}
    kept = [
        row
        for row, (text, example) in enumerate(zip(held.table.texts, held.examples, strict=True))
        if (example.data_class, text) in found
    ]
    known = {text: vector for (_, text), vector in found.items()}
    scheme = replace(scheme, encode=lambda texts: _array(known, texts), told=told)
    return scheme, held.take(kept), total(call.usage.nano_usd for call in calls)


def _examples(scheme: Scheme) -> Iterator[str]:
    for texts in scheme.examples.values():
        yield from texts


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(texts), AT_ONCE):
        yield texts[begin : begin + AT_ONCE]


def _request(name: str, data_class: str | None) -> Request:
    return Request(
        id=RequestId(str(uuid7())),
        model=name,
        prompt=Prompt(messages=()),
        arrived_at=datetime.now(UTC),
        deadline=asyncio.get_running_loop().time() + PATIENCE_S,
        data_class=data_class,
    )


def _array(known: Mapping[str, Sequence[float]], texts: Sequence[str]) -> "NDArray[np.float64]":
    import numpy as np

    from ensemble.routers._embedding import unit

    return unit(np.array([known[text] for text in texts], dtype=np.float64))
