"""What a provider is, and where providers register."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BeforeValidator, SerializeAsAny

from judges.quick import quick
from judges.registry import Plugin, Registry
from judges.types import Completion, Prompt, Usage


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a streamed answer: some text, a piece of a tool call as the wire gave it, or reasoning."""

    kind: Literal["text", "tool_call", "reasoning"]
    text: str
    index: int = 0
    id: str | None = None
    name: str | None = None


class Connection(Protocol):
    """An open client of one provider, shared by every task."""

    @property
    def transport(self) -> str:
        """``sdk`` or ``direct``; written into every line of the ledger."""
        ...

    async def complete(self, model: str, prompt: Prompt) -> Completion:
        """Ask ``model`` once. No retry and no rate limit here: the fleet does both, so that each attempt is seen.

        ``usage.nano_usd`` is left None: the fleet knows the prices.

        Raises:
            CallFailed: with ``failure``, ``retryable`` and ``retry_after_s`` filled from the reply.
        """
        ...

    def stream(self, model: str, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        """Yield pieces as they arrive and the whole ``Completion`` last.

        Raises as ``complete`` does; the partial answer is then in ``CallFailed.completion``.
        """
        ...


Vectors = Sequence[Sequence[float]]
"""One vector per text, all of one length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Texts as ``vectors``, in the order of the texts; ``model`` as the provider named it."""

    vectors: Vectors
    usage: Usage = Usage()
    model: str | None = None
    provider_request_id: str | None = None


@runtime_checkable
class EmbeddingConnection(Protocol):
    """A connection that also turns texts into vectors. Its provider says so by ``embeds``."""

    async def embed(self, model: str, texts: Sequence[str], options: Mapping[str, object]) -> Embedded:
        """Embed ``texts``, at least one and none of them empty; ``options`` by wire name, such as ``dimensions``.

        Raises as ``Connection.complete`` does.
        """
        ...


@runtime_checkable
class Selective(Protocol):
    """A connection that can tell beforehand what it would not send; where one cannot, it is taken to send all."""

    def dropped(self, prompt: Prompt) -> tuple[str, ...]:
        """Wire names of what ``prompt`` asks for and would not be sent; nothing is sent to find out.

        Raises:
            CallFailed: the prompt cannot be said in this wire format at all.
        """
        ...


@runtime_checkable
class Demanding(Protocol):
    """A connection whose provider takes no conversation without a question in it."""

    def unsaid(self, prompt: Prompt) -> str | None:
        """What ``prompt`` lacks and how to mend it, for its client to read; None where it can be answered."""
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """A connection whose provider tells beforehand how many tokens a prompt has."""

    async def count_tokens(self, model: str, prompt: Prompt) -> int:
        """Input tokens of ``prompt``, free of charge.

        Raises:
            CallFailed: as ``Connection.complete``.
        """
        ...


class Provider(Plugin):
    """A wire format and where it is spoken. Keys are named by environment variable or file, never held as options."""

    required: ClassVar[frozenset[str]] = frozenset()
    """Keys that every member of this provider must have, such as ``max_output_tokens``."""
    embeds: ClassVar[bool] = False
    """Whether its connections are ``EmbeddingConnection``."""
    outside: ClassVar[frozenset[str]] = frozenset({"training_use", "data"})

    requests_per_minute: float | None = None
    """Most calls started per minute, spread over it; None for no limit."""
    tokens_per_minute: float | None = None
    """Most tokens per minute, estimated before a call and corrected after it; None for no limit."""
    max_in_flight: int | None = 256
    """Most calls at once, fewer while the provider says 429 or 529; None for no limit."""
    data: frozenset[str] | None = None
    """Classes of data that may go there, such as `public` or `eu`; left out, only what states no class."""
    training_use: bool = True
    """Whether models may be trained on its answers; false keeps their texts, not their scores, out of exports."""

    def origin(self) -> str:
        """SHA-256 (64 hex digits) over whose answers its members bring: all options but limits and permissions."""
        options = self.model_dump(mode="json", exclude={*Provider.model_fields, *self.outside})
        recipe = [self.use, self.file_hash, options]
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()

    def dropped(self, prompt: Prompt) -> tuple[str, ...]:
        """Wire names of what ``prompt`` asks for and this provider does not send, told without connecting.

        A provider that cannot tell is taken to send all, as this default does.
        """
        return ()

    @abstractmethod
    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """Open one client for the life of the service; leaving the context closes every connection.

        Raises:
            ConfigError: the key or another thing that the environment must hold is missing.
        """


PROVIDERS: Registry[Provider] = Registry("provider", homes=("ensemble.providers",), group="ensemble.providers")
AnyProvider = Annotated[SerializeAsAny[Provider], BeforeValidator(PROVIDERS.build)]
