"""What a router is, and where routers register."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol, Self, runtime_checkable

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator

from ensemble.fleet import Fleet
from ensemble.money import Usd
from ensemble.provider import Vectors
from ensemble.trust import Trust
from ensemble.types import Answer, Plan, Request
from judges.quick import quick
from judges.registry import ModelName, Name, Plugin, Registry
from judges.types import Model


class MemberName(Name):
    """Name of a member of the fleet."""

    __slots__ = ()
    kind = "member"


class JudgeName(Name):
    """Name of a judge of the configuration."""

    __slots__ = ()
    kind = "judge"


class EmbedderName(ModelName):
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


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a router may use. ``models`` holds every member as a model that is limited, metered and logged.

    Those whose provider makes embeddings are an ``Embedder`` too. ``shadows`` tells whether a watch draws shadows now.
    """

    fleet: Fleet
    models: Mapping[str, Model]
    shadows: bool = False


class Shadow(BaseModel):
    """A share of a router's requests goes to the whole panel after the answer: labels, and a watch on the router.

    Quality kept is 1 + score(served) - score(best of the panel), or 1 and 0 for a winner and a loser where the judge
    gives no scores. The watch demotes the router to the panel where that mean is surely below ``floor``.

    Attributes:
        share: of the requests, by lot.
        panel: members to ask; those that the answer has cost already are not asked again.
        judge: who judges the panel.
        max_usd_per_day: most that calls and judge may cost in a day (UTC), set aside before each call.
        floor: least quality kept, over all requests and for each kind of task; 0 never demotes.
        alpha: probability of ever demoting a router that keeps its quality.
        anchors: how many of the first labels that tell good from bad are kept as anchors; nothing is decided before.
        recheck: share of the labels after which the judge judges one of the anchors again.
        judge_floor: least agreement of the judge with its own findings on the anchors; below it, ``judge_drift``.
        seed: another seed draws other requests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(gt=0, le=1)
    panel: tuple[MemberName, ...] = Field(min_length=2)
    judge: JudgeName
    max_usd_per_day: Usd | None = None
    floor: float = Field(0.7, ge=0, lt=1)
    alpha: float = Field(0.001, gt=0, lt=0.5)
    anchors: int = Field(20, ge=10, le=1000)
    recheck: float = Field(0.2, ge=0, le=1)
    judge_floor: float = Field(0.8, gt=0, lt=1)
    seed: int = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.panel)) < len(self.panel):
            raise ValueError("panel: a member is named twice")
        return self


class Watching(Protocol):
    """What looks after one router (``ensemble.watching``)."""

    @property
    def drawing(self) -> bool:
        """Whether any request can be drawn now."""
        ...

    def instead(self) -> Plan | None:
        """The plan for every request while the router is demoted, else None."""
        ...

    def shadowed(self, plan: Plan, request: Request) -> Plan:
        """``plan`` with members for after the answer, where ``request`` is drawn."""
        ...

    async def after(self, answer: Answer) -> None:
        """Ask those members and judge what they say. Bounds its own time and handles its own failures."""
        ...


class Router(Plugin):
    """Turns a request into a plan. It decides; it never calls candidates, judges them or stores anything."""

    outside: ClassVar[frozenset[str]] = frozenset({"shadow", "cache_s", "streaming", "leader", "trust"})

    deadline_s: float = Field(55.0, gt=0, le=3600)
    """Default for requests that state none, below the 60 s after which many proxies and clients give up."""
    fallback: tuple[MemberName, ...] = ()
    """Whose answer to take when no judge decides, most trusted first; empty for the order of the members."""
    on_disconnect: Literal["finish", "cancel"] = "finish"
    """What to do when the client goes away: finish and log, or cancel every call."""
    stick: Literal["conversation"] | None = None
    """`conversation` keeps a conversation with the member that won its last turn, as long as that member answers."""
    strict_params: bool = False
    """Leave out a member that does not take every parameter of a request, instead of dropping what it does not take."""

    infeasible: Literal["nearest", "refuse"] = "nearest"
    """Where nothing fits the limits of a request: ask the cheapest or fastest member and warn, or refuse with a 422."""
    store_content: bool = True
    """Keep the texts of requests and answers in the log; `false` keeps numbers, names and the prompt's hash alone, not
    what the client calls its user."""

    cache_s: float | None = Field(None, gt=0, le=31_536_000)
    """Seconds for which a member's answer to the very same prompt is taken again, for the same key; unset, never."""

    streaming: Literal["after_verdict", "leader"] = "after_verdict"
    """Send streams the winner once there is a verdict, or one member's answer while it is written, judged behind it."""
    leader: MemberName | None = None
    """Whose answer `streaming = "leader"` sends; left out, or not in the plan, that of the most trusted member."""

    shadow: Shadow | None = None
    """A share for the whole panel after the answer, and the watch on the router, as a table of its own."""
    trust: Trust | None = None
    """What an answer must reach to be trusted, and the way out where it does not, as a table of its own."""

    @model_validator(mode="after")
    def _leads(self) -> Self:
        if self.leader is not None and self.streaming != "leader":
            raise ValueError('leader: nobody leads unless streaming = "leader"')
        if self.streaming == "leader" and self.trust is not None:
            raise ValueError("streaming: a leader speaks before there is a verdict, so that trust could demand nothing")
        return self

    @model_validator(mode="after")
    def _remembers(self) -> Self:
        if self.shadow is not None and not self.store_content:
            raise ValueError("shadow: its labels and anchors are texts, which store_content = false does not keep")
        for place, part in self.parts():
            if isinstance(part, Router) and part.shadow is not None:
                raise ValueError(f"{place}.shadow: only the router that is asked is watched; give it to that one")
            if isinstance(part, Router) and part.trust is not None:
                raise ValueError(
                    f"{place}.trust: it holds for answers of the router that is asked; give it to that one"
                )
            if isinstance(part, Router) and part.streaming != "after_verdict":
                raise ValueError(f"{place}.streaming: only the router that is asked streams; give it to that one")
        return self

    @abstractmethod
    async def plan(self, request: Request, context: Context) -> Plan:
        """Choose members of ``context.fleet`` for ``request``. Must not block the event loop for more than about 5 ms.

        Raises:
            RouterError: no plan can be made; the configured fallback plan runs and the record says so.
        """

    def scored(self) -> Iterator[tuple[str, JudgeName | None]]:
        """Where an answer stands by a score that was learned, not stated as ``accept_score``: (option, its judge)."""
        return iter(())


ROUTERS: Registry[Router] = Registry("router", homes=("ensemble.routers",), group="ensemble.routers")
AnyRouter = Annotated[SerializeAsAny[Router], BeforeValidator(ROUTERS.build)]
