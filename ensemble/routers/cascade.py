"""Cheapest first, the next one where the answer does not stand (FrugalGPT)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from ensemble.router import ROUTERS, Context, JudgeName, MemberName
from ensemble.routers._artifact import hash_of
from ensemble.routers._policy import Pinned, Point, cheapest_at
from ensemble.types import Plan, Request, Stage
from judges.errors import InvalidOptions
from judges.learning.folder import read_manifest, retrain


class Tier(BaseModel):
    """One step of a cascade.

    Attributes:
        members: asked at once; several cheap ones let the judge see whether they agree.
        samples: answers wanted per member, where it is more than one.
        judge: reads the answers and gives each a score; left out, that of the cascade.
        accept_score: the best answer stands from this score on; left out, the threshold that training chose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    members: tuple[MemberName, ...] = Field(min_length=1)
    samples: Mapping[MemberName, PositiveInt] = Field(default_factory=dict)
    judge: JudgeName | None = None
    accept_score: float | None = Field(None, gt=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        return {"members": (given,)} if isinstance(given, str) else given


@dataclass(slots=True)
class Learned:
    """What training found: the score from which an answer stands, whether the scorer reads logprobs, and by what."""

    threshold: float = 1.0
    logprobs: bool = False
    trained_on: frozenset[str] = frozenset()


@ROUTERS.register("cascade")
class Cascade(Pinned):
    """Ask the cheapest tier; go on to the next one where no answer reaches the score at which it may stand.

    Every call is paid, those of a tier whose answer did not stand included. The judge must give scores: ``learned``
    reads question and answer as the log taught it, ``agreement`` counts how many of a tier say the same. The last tier
    is always accepted. Source: Chen et al. 2023, FrugalGPT.

    Attributes:
        tiers: from the cheapest to the dearest; a name alone is a tier of one member.
        judge: scores the answers of every tier but the last.
        path: scorer folder of ``ensemble train --kind scorer``, relative to the configuration file, whose threshold
            holds where a tier states none: the one that the policy pins. A scorer that learned from logprobs gets them
            of every tier but the last.
    """

    outside: ClassVar[frozenset[str]] = Pinned.outside | {"path"}

    tiers: tuple[Tier, ...] = Field(min_length=2)
    judge: JudgeName | None = None
    path: Path | None = None

    @cached_property
    def _learned(self) -> Learned:
        return Learned()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for number, tier in enumerate(self.tiers[:-1]):
            if tier.judge is None and self.judge is None:
                raise ValueError(f"tiers.{number}.judge: name the judge that scores the answers of this tier")
            if tier.accept_score is None and self.path is None:
                raise ValueError(f"tiers.{number}.accept_score: state it, or name the scorer folder as path")
        if self.path is None and (self.max_cost is not None or self.lambda_per_usd is not None):
            raise ValueError("path: name the scorer folder, whose training measured what a threshold costs")
        return self

    def ingredients(self) -> Mapping[str, str]:
        """The scorer, of which the thresholds are: another one is another router."""
        return {"scorer": hash_of(self.path)} if self.path else {}

    def scored(self) -> Iterator[tuple[str, JudgeName | None]]:
        """The tiers that go by the threshold of ``path``."""
        for number, tier in enumerate(self.tiers[:-1]):
            if tier.accept_score is None:
                yield f"tiers.{number}.accept_score", tier.judge or self.judge

    def load(self) -> None:
        """Read the thresholds that training chose.

        Raises:
            InvalidOptions: the folder is none, or has no threshold that keeps the policy.
        """
        super().load()
        if self.path is not None:
            manifest = read_manifest(self.path)
            place = str(self.path)
            self._learned.threshold = _score(self.pinned(points_of(manifest, place), place, retrain(manifest)))
            self._learned.logprobs = manifest.get("logprobs") is True
            self._learned.trained_on = frozenset(manifest.get("trained_on", ()))

    def trained_on(self) -> frozenset[str]:
        """What its thresholds, and the scorer of ``path``, were fitted on."""
        return super().trained_on() | self._learned.trained_on

    async def plan(self, request: Request, context: Context) -> Plan:
        """A plan of one stage per tier."""
        stages = tuple(self._stage(tier, last=tier is self.tiers[-1]) for tier in self.tiers)
        told = " -> ".join("+".join(stage.members) for stage in stages)
        return Plan(router=self.digest, stages=stages, fallback=self.fallback, reason=f"cascade {told}")

    def _stage(self, tier: Tier, *, last: bool) -> Stage:
        judge = tier.judge or (None if last and len(tier.members) == 1 else self.judge)
        accept = 0.0 if last else tier.accept_score or self._learned.threshold
        samples = {str(name): number for name, number in tier.samples.items()}
        return Stage(
            members=tier.members,
            samples=samples,
            judge=judge,
            accept_score=accept,
            logprobs=self._learned.logprobs and not last,
        )


def points_of(manifest: Mapping[str, object], place: str) -> Sequence[Point]:
    """The thresholds that training measured, the highest and dearest first.

    Raises:
        InvalidOptions: the manifest, that of ``place``, holds none.
    """
    rows = manifest.get("thresholds")
    if not isinstance(rows, Sequence) or not rows:
        raise InvalidOptions(f"{place} holds no thresholds of a scorer; train one: {retrain(manifest)}")
    return sorted((Point.read(one, "score") for one in rows), key=lambda one: -one.at)


def threshold(manifest: Mapping[str, object], target: float, place: str) -> float:
    """The lowest score at which an answer may stand, such that training kept ``target`` of the quality.

    Raises:
        InvalidOptions: the manifest, that of ``place``, holds no thresholds.
    """
    return _score(cheapest_at(points_of(manifest, place), target))


def _score(point: Point | None) -> float:
    """A score that a stage can ask for; where no threshold will do, only what is certain stands."""
    return 1.0 if point is None else min(max(point.at, 1e-6), 1.0)
