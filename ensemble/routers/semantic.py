"""Ask the members of the domain that a request's words lie nearest to."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ensemble.errors import RouterError
from ensemble.money import NANO
from ensemble.router import ROUTERS, Context, Embedder, EmbedderName, MemberName
from ensemble.routers._artifact import Artifact, hash_of
from ensemble.routers._domains import Domains, Nearest, by_examples
from ensemble.routers._embedding import Encoder, hash_of_model, static, tfidf, unit
from ensemble.routers._features import as_said, utterance_of
from ensemble.routers._policy import Pinned
from ensemble.routers._taught import Taught, check_embedding, load_domains
from ensemble.types import Plan, Request, Stage
from judges.errors import ModelError
from judges.learning.features import clipped
from judges.learning.folder import retrain

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
    taught: Artifact[Taught] | None = None
    lam: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Ranking(NamedTuple):
    """Members in the order in which they are asked, with what is known of their quality and of this order."""

    members: Sequence[str]
    predicted: Mapping[str, float] = {}
    told: str = ""


@ROUTERS.register("semantic")
class Semantic(Pinned):
    """Send a request to the members of the domain whose examples it resembles most, or to ``default``.

    The last turn of the user is compared by cosine with every example of every domain; the closest one counts if it
    reaches the domain's threshold. Where none does, where the turn has no text, or where the embedder fails or takes
    too long, nothing is known of the request: ``default`` answers, and the plan says why.

    ``ensemble train --kind semantic`` writes a folder in which the labels say what is near enough to a domain and how
    good each member is there; with ``path``, the members of a domain are those of the highest quality minus lambda
    times cost, and so are those of ``default`` where it is left out.

    Attributes:
        domains: examples and members by name of the domain; left out with ``path``.
        default: members for what is near to no domain: a name, or several in the order in which they are tried.
        embedder: member that turns texts into vectors; its calls are in the ledger. The examples go there once, with
            the first request.
        model2vec: folder of a model2vec model, relative to the configuration file, in the place of ``embedder``. With
            neither, words are compared (TF-IDF).
        threshold: for domains that state none; left out, 0.2 for words and 0.4 for embeddings.
        timeout_s: most seconds that a request waits for the embedder.
        path: the router folder, relative to the configuration file, in the place of ``domains``.
        lambda_per_s: quality given up per second saved.
        retries: members asked in turn when the chosen one brings no answer; needs ``path``.
    """

    outside: ClassVar[frozenset[str]] = Pinned.outside | {"path", "model2vec"}  # what lies there is an ingredient

    domains: Mapping[str, Domain] = Field(default_factory=dict)
    default: Annotated[tuple[MemberName, ...], BeforeValidator(_one)] = ()
    embedder: EmbedderName | None = None
    model2vec: Path | None = None
    threshold: float | None = Field(None, ge=0, le=1)
    timeout_s: float = Field(2.0, gt=0, le=60)
    path: Path | None = None
    lambda_per_s: float = Field(0.0, ge=0)
    retries: int = Field(2, ge=0, le=8)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.embedder is not None and self.model2vec is not None:
            raise ValueError("embedder: leave it or model2vec away; one of them makes the vectors")
        if bool(self.domains) == (self.path is not None):
            raise ValueError("domains: describe at least one, or name the folder of a trained router as path, not both")
        if self.path is None and not self.default:
            raise ValueError("default: name the member for what is near to no domain")
        return self

    @cached_property
    def _held(self) -> Held:
        return Held()

    def ingredients(self) -> Mapping[str, str]:
        """The local model, and what was learned: others are another router."""
        local = {"model2vec": hash_of_model(self.model2vec)} if self.model2vec else {}
        taught = self._held.taught
        return {**local, "model": taught.manifest["model"] if taught else hash_of(self.path)} if self.path else local

    def load(self) -> None:
        """Read the local model and the folder, or learn which words the examples hold. Blocks for up to seconds.

        Raises:
            InvalidOptions: one of them cannot be used, or an extra is not installed.
        """
        super().load()
        held = self._held
        local = static(self.model2vec) if self.model2vec else None
        if self.path is not None:
            held.taught = taught = load_domains(self.path)
            check_embedding(taught.manifest, local=hash_of_model(self.model2vec) if self.model2vec else None,
                            asks=self.embedder is not None)  # fmt: skip
            held.lam = self.lambda_at(taught.frontier, str(self.path), retrain(taught.manifest))
            held.domains = taught.model.domains
            held.encoder = local or (None if self.embedder else taught.model)
        elif self.embedder is None:
            held.encoder = local or tfidf(self._examples())
            held.domains = self._placed(held.encoder.encode(self._examples()))

    def trained_on(self) -> frozenset[str]:
        """Hashes of the groups in the training part, as the manifest names them, and as those of utterances."""
        taught = self._held.taught
        named = frozenset(taught.manifest.get("trained_on", ())) if taught else frozenset()
        return named | frozenset(map(as_said, named))

    async def plan(self, request: Request, context: Context) -> Plan:
        """A plan of one stage per member of the domain, in their order.

        Raises:
            RouterError: no member of the domain or of ``default`` is in the fleet.
        """
        found = await self._find(utterance_of(request.prompt.messages), context)
        if isinstance(found, str):
            return self._plan(None, f"{found}; default", request, context)
        taught = self._held.taught
        name = (taught.model.names if taught else list(self.domains))[found.place]
        told = f"domain {name}: similarity {found.similarity:.3f}, threshold {found.threshold:.3f}"
        if not found.near:
            return self._plan(None, f"nothing near; closest {told}; default", request, context)
        return self._plan(found.place, told, request, context)

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
            raise RouterError(f"embedder: {str(self.embedder)!r} cannot be asked here")
        if self.embedder not in context.fleet:
            return f"no embedding: {self.embedder} may not be asked of this request"
        if held.taught and held.taught.manifest["embedding"].get("digest") != context.fleet[self.embedder].digest:
            return "no embedding: the embedder changed since training; train again"
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

    def _plan(self, place: int | None, reason: str, request: Request, context: Context) -> Plan:
        """A plan for the domain at ``place``, or for what is near to none."""
        taught = self._held.taught
        ranked = self._written(place, context) if taught is None else self._learned(taught, place, context)
        if not ranked.members:
            raise RouterError(f"the fleet as it is now holds no member for this ({reason})")
        able = [name for name in ranked.members if context.fleet[name].refusal(request.prompt) is None]
        stages = tuple(Stage(members=(name,)) for name in able or ranked.members)
        return Plan(
            router=self.digest,
            stages=stages if taught is None else stages[: 1 + self.retries],
            fallback=self.fallback,
            predicted=ranked.predicted,
            reason=reason + ranked.told,
        )

    def _written(self, place: int | None, context: Context) -> Ranking:
        """Members as the configuration names them."""
        named = self.default if place is None else list(self.domains.values())[place].members
        return Ranking([n for n in named if n in context.fleet] or [n for n in self.default if n in context.fleet])

    def _learned(self, taught: Artifact[Taught], place: int | None, context: Context) -> Ranking:
        """Members by what they are worth, those that changed since training left out."""
        model, row = taught.model, -1 if place is None else place
        lam = self._held.lam
        worth = dict(zip(taught.members, model.worth(row, lam / NANO, self.lambda_per_s), strict=True))
        fit = taught.unchanged(context.fleet)
        predicted = {name: float(quality) for name, quality in zip(taught.members, model.quality[row], strict=True)}
        if place is None and self.default:
            fit = [name for name in self.default if name in context.fleet]
            return Ranking(fit, {name: predicted[name] for name in fit if name in predicted})
        order = sorted(fit, key=lambda name: (-worth[name], name))
        return Ranking(order, {name: predicted[name] for name in order}, f"; lambda {lam:.4g} per USD")


def _nearest(domains: Domains, encoder: Encoder, text: str) -> Nearest:
    return domains.nearest(encoder.encode([text]))


def _array(vectors: Sequence[Sequence[float]]) -> "NDArray[np.float64]":
    import numpy as np

    return unit(np.array(vectors, dtype=np.float64))
