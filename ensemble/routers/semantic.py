"""Ask the members of the domain that a request's words lie nearest to."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ensemble.errors import RouterError
from ensemble.router import ROUTERS, Context, Embedder, EmbedderName, MemberName, Router
from ensemble.routers._domains import Domains, Nearest, by_examples
from ensemble.routers._embedding import Encoder, hash_of_model, static, tfidf, unit
from ensemble.routers._features import utterance_of
from ensemble.types import Plan, Request, Stage
from judges.errors import ModelError
from judges.learning.features import clipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 32
"""Examples per call to an embeddings endpoint: so few that a reply is read in some milliseconds."""
OF_WORDS, OF_MEANING = 0.2, 0.4
"""Thresholds where nothing else is said: of TF-IDF, which is near 0 for texts without a word in common, and of
embeddings, where texts that have nothing to do with one another lie at 0.1 to 0.3."""


def _one(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Members = Annotated[tuple[MemberName, ...], BeforeValidator(_one), Field(min_length=1)]


class Domain(BaseModel):
    """What belongs together, by example, and who answers it.

    Attributes:
        examples: what users say who mean this domain; ten different ones do better than three.
        members: a name, or several: the first is asked, each next one where those before brought no answer.
        threshold: least cosine between a request and the closest example; left out, that of the router.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    examples: tuple[Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S")], ...] = Field(min_length=1)
    members: Members
    threshold: float | None = Field(None, ge=0, le=1)


@dataclass(slots=True)
class Held:
    """What a router has read or asked for; no part of its options."""

    encoder: Encoder | None = None
    domains: Domains | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


@ROUTERS.register("semantic")
class Semantic(Router):
    """Send a request to the members of the domain whose examples it resembles most, or to ``default``.

    The last turn of the user is compared by cosine with every example of every domain; the closest one counts if it
    reaches the domain's threshold. Where none does, where the turn has no text, or where the embedder fails or takes
    too long, nothing is known of the request: ``default`` answers, and the plan says why.

    Attributes:
        domains: examples and members by name of the domain.
        default: members for what is near to no domain: a name, or several in the order in which they are tried.
        embedder: member that turns texts into vectors; its calls are in the ledger. The examples go there once, with
            the first request.
        model2vec: folder of a model2vec model, in the place of ``embedder``. With neither, words are compared (TF-IDF).
        threshold: for domains that state none; left out, 0.2 for words and 0.4 for embeddings.
        timeout_s: most seconds that a request waits for the embedder.
    """

    domains: Mapping[str, Domain] = Field(min_length=1)
    default: Members
    embedder: EmbedderName | None = None
    model2vec: Path | None = None
    threshold: float | None = Field(None, ge=0, le=1)
    timeout_s: float = Field(2.0, gt=0, le=60)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.embedder is not None and self.model2vec is not None:
            raise ValueError("embedder: leave it or model2vec away; one of them makes the vectors")
        return self

    @cached_property
    def _held(self) -> Held:
        return Held()

    def ingredients(self) -> Mapping[str, str]:
        """The local model: another one is another router."""
        return {"model2vec": hash_of_model(self.model2vec)} if self.model2vec else {}

    def load(self) -> None:
        """Read the local model, or learn which words the examples hold. Blocks for up to seconds.

        Raises:
            InvalidOptions: there is no such model, or an extra is not installed.
        """
        super().load()
        held = self._held
        if self.embedder is None:
            held.encoder = static(self.model2vec) if self.model2vec else tfidf(self._examples())
            held.domains = self._placed(held.encoder.encode(self._examples()))

    async def plan(self, request: Request, context: Context) -> Plan:
        """A plan of one stage per member of the domain, in their order.

        Raises:
            RouterError: no member of the domain or of ``default`` is in the fleet.
        """
        found = await self._find(utterance_of(request.prompt.messages), context)
        if isinstance(found, str):
            return self._plan(self.default, f"{found}; default", request, context)
        name = list(self.domains)[found.place]
        told = f"domain {name}: similarity {found.similarity:.3f}, threshold {found.threshold:.3f}"
        if not found.near:
            return self._plan(self.default, f"nothing near; closest {told}; default", request, context)
        return self._plan(self.domains[name].members, told, request, context)

    async def _find(self, text: str, context: Context) -> Nearest | str:
        """Where ``text`` lies, or why that is not known."""
        if not text.strip():
            return "the last turn of the user has no text"
        held = self._held
        if self.embedder is None:
            if held.encoder is None or held.domains is None:
                raise RouterError("the router has not been loaded")
            return await asyncio.to_thread(_nearest, held.domains, held.encoder, text)
        model = context.models.get(self.embedder)
        if not isinstance(model, Embedder):
            told = f"embedder: {str(self.embedder)!r} cannot be asked here"
            raise RouterError(f"{told} (`ensemble evaluate` asks models with --call alone)")
        try:
            async with asyncio.timeout(self.timeout_s):
                domains = await self._known(model)
                vectors = await model.embed([clipped(text)])
            if len(vectors[0]) != domains.prototypes.shape[1]:
                return f"no embedding: {len(vectors[0])} dimensions, the examples have {domains.prototypes.shape[1]}"
            return await asyncio.to_thread(lambda: domains.nearest(_array(vectors)))
        except TimeoutError:
            return f"no embedding within {self.timeout_s:g} s"
        except ModelError as error:
            return f"no embedding: {error}"

    async def _known(self, model: Embedder) -> Domains:
        """The domains; their examples are embedded for whoever comes first, and again where that failed."""
        held = self._held
        async with held.asking:
            if held.domains is None:
                texts = self._examples()
                vectors: list[Sequence[float]] = []
                for begin in range(0, len(texts), AT_ONCE):
                    vectors += await model.embed(texts[begin : begin + AT_ONCE])
                held.domains = await asyncio.to_thread(lambda: self._placed(_array(vectors)))
            return held.domains

    def _examples(self) -> list[str]:
        return [text for domain in self.domains.values() for text in domain.examples]

    def _placed(self, vectors: Any) -> Domains:
        usual = OF_MEANING if self.embedder or self.model2vec else OF_WORDS
        usual = usual if self.threshold is None else self.threshold
        stated = [usual if one.threshold is None else one.threshold for one in self.domains.values()]
        return by_examples(vectors, [len(one.examples) for one in self.domains.values()], stated)

    def _plan(self, members: Sequence[str], reason: str, request: Request, context: Context) -> Plan:
        known = [name for name in members if name in context.fleet] or [n for n in self.default if n in context.fleet]
        if not known:
            raise RouterError(f"the fleet holds none of {', '.join((*members, *self.default))}")
        able = [name for name in known if context.fleet[name].refusal(request.prompt) is None] or known
        stages = tuple(Stage(members=(name,)) for name in able)
        return Plan(router=self.digest, stages=stages, fallback=self.fallback, reason=reason)


def _nearest(domains: Domains, encoder: Encoder, text: str) -> Nearest:
    return domains.nearest(encoder.encode([text]))


def _array(vectors: Sequence[Sequence[float]]) -> "NDArray[np.float64]":
    import numpy as np

    return unit(np.array(vectors, dtype=np.float64))
