"""What a router is, and where routers register."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import BeforeValidator, Field, SerializeAsAny

from ensemble.fleet import Fleet
from ensemble.provider import Vectors
from ensemble.types import Plan, Request
from judges.registry import Name, Plugin, Registry
from judges.types import Model


class MemberName(Name):
    """Name of a member of the fleet."""

    __slots__ = ()
    kind = "member"


class JudgeName(Name):
    """Name of a judge of the configuration."""

    __slots__ = ()
    kind = "judge"


class EmbedderName(Name):
    """Name of a member whose provider turns texts into vectors."""

    __slots__ = ()
    kind = "embedder"


@runtime_checkable
class Embedder(Protocol):
    """A model of ``Context.models`` that turns texts into vectors; limited, metered and logged as all of them."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, none of which may be empty. Wrap the call in ``asyncio.timeout`` to bound it.

        Raises:
            ModelError: the call failed after every retry that its policy allows.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a router may use. ``models`` holds every member as a model that is limited, metered and logged.

    Those whose provider makes embeddings are an ``Embedder`` too.
    """

    fleet: Fleet
    models: Mapping[str, Model]


class Router(Plugin):
    """Turns a request into a plan. It decides; it never calls candidates, judges them or stores anything."""

    deadline_s: float = Field(55.0, gt=0, le=3600)
    """Default for requests that state none, below the 60 s after which many proxies and clients give up."""
    fallback: tuple[MemberName, ...] = ()
    """Whose answer to take when no judge decides, most trusted first; empty for the order of the members."""
    on_disconnect: Literal["finish", "cancel"] = "finish"
    """What to do when the client goes away: finish and log, or cancel every call."""
    strict_params: bool = False
    """Leave out a member that does not take every parameter of a request, instead of dropping what it does not take."""

    infeasible: Literal["nearest", "refuse"] = "nearest"
    """Where nothing fits the limits of a request: ask the cheapest or fastest member and warn, or refuse with a 422."""
    store_content: bool = True
    """Keep the texts of requests and answers in the log; `false` keeps numbers, names and the prompt's hash alone."""

    @abstractmethod
    async def plan(self, request: Request, context: Context) -> Plan:
        """Choose members of ``context.fleet`` for ``request``. Must not block the event loop for more than about 5 ms.

        Raises:
            RouterError: no plan can be made; the configured fallback plan runs and the record says so.
        """

    def trained_on(self) -> frozenset[str]:
        """Ids of the requests and hashes of the groups that the router was fitted on, known once it is loaded.

        It is not measured on them: see ``ensemble.training.table.hashed`` for the hash. Empty for one that was not
        fitted. A router made of routers names what its parts were fitted on.
        """
        return frozenset().union(*(part.trained_on() for _, part in self.parts() if isinstance(part, Router)))


ROUTERS: Registry[Router] = Registry("router", homes=("ensemble.routers",), group="ensemble.routers")
AnyRouter = Annotated[SerializeAsAny[Router], BeforeValidator(ROUTERS.build)]
