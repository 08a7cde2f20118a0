"""Ask the one member that the log says is worth its price for a request like this."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from ensemble.errors import RouterError
from ensemble.money import NANO
from ensemble.router import ROUTERS, Context
from ensemble.routers._artifact import Artifact, hash_of, load
from ensemble.routers._features import features_of
from ensemble.routers._policy import Pinned
from ensemble.types import Plan, Request, Stage
from judges.learning.folder import retrain
from judges.learning.model import Learned


@dataclass(slots=True)
class Held:
    """What a router has read, and the lambda per USD that its policy pins; no part of its options."""

    artifact: Artifact[Learned] | None = None
    lam: float = 0.0


@ROUTERS.register("learned")
class LearnedRouter(Pinned):
    """Predict every member's quality from the request and take the highest quality minus lambda times cost.

    What it learned is a folder that ``ensemble train`` writes. Members that are not in the fleet any more are never
    asked, nor are those that changed since (another model, other options): train again. The remaining members stand
    behind the chosen one, in the order of their worth, for when it fails.

    Attributes:
        path: the router folder, relative to the configuration file.
        lambda_per_s: quality given up per second saved.
        retries: members asked in turn when the chosen one brings no answer.
    """

    outside: ClassVar[frozenset[str]] = Pinned.outside | {"path"}  # where the model lies says nothing of it

    path: Path
    lambda_per_s: float = Field(0.0, ge=0)
    retries: int = Field(2, ge=0, le=8)

    @cached_property
    def _held(self) -> Held:
        return Held()

    def ingredients(self) -> Mapping[str, str]:
        """The model: another one is another router."""
        held = self._held.artifact
        return {"model": held.manifest["model"] if held else hash_of(self.path)}

    def load(self) -> None:
        """Read the folder. Blocks for seconds, since it imports scikit-learn.

        Raises:
            InvalidOptions: it cannot be used, or cannot keep the policy; the sentence says how to train it again.
        """
        super().load()
        artifact = load(self.path)
        self._held.lam = self.lambda_at(artifact.frontier, str(self.path), retrain(artifact.manifest))
        self._held.artifact = artifact

    def trained_on(self) -> frozenset[str]:
        """Hashes of the groups in the training part, as the manifest names them."""
        held = self._held.artifact
        return frozenset(held.manifest.get("trained_on", ())) if held else frozenset()

    async def plan(self, request: Request, context: Context) -> Plan:
        """A plan of the best member for the request, the others in turn where it fails."""
        held = self._held.artifact
        if held is None:
            raise RouterError(f"{self.path} has not been loaded")
        known = [name for name in held.members if name in context.fleet]
        fit = held.unchanged(context.fleet)
        able = [name for name in fit if context.fleet[name].refusal(request.prompt) is None] or fit
        if not able:
            raise RouterError(f"{self.path} knows no member of the fleet as it is now; train it again")
        predicted, worth, lam = await asyncio.to_thread(self._worth, held, request)
        order = sorted(able, key=lambda name: (-worth[name], name))
        changed = sorted(set(known) - set(fit))
        reason = f"{order[0]}: predicted {predicted[order[0]]:.2f}, lambda {lam:.4g} per USD"
        return Plan(
            router=self.digest,
            stages=tuple(Stage(members=(name,)) for name in order[: 1 + self.retries]),
            fallback=self.fallback,
            predicted={name: predicted[name] for name in able},
            reason=f"{reason}; changed since training: {', '.join(changed)}" if changed else reason,
        )

    def _worth(self, held: Artifact[Learned], request: Request) -> tuple[dict[str, float], dict[str, float], float]:
        """Predicted quality and worth per member, and the lambda in force. An unknown cost counts as the highest."""
        asked = features_of(request)
        quality = held.model.predict(asked)[0]
        lam = self._held.lam
        worth = list(map(float, quality))
        for name, price in (("nano_usd", lam / NANO), ("seconds", self.lambda_per_s)):
            bill = held.model.bill(name, asked.figures) if price else None
            if bill is not None:
                known = [float(one) for one in bill[0] if math.isfinite(one)]
                dear = max(known, default=0.0)
                worth = [w - price * (b if math.isfinite(b) else dear) for w, b in zip(worth, bill[0], strict=True)]
        names = held.members
        return dict(zip(names, map(float, quality), strict=True)), dict(zip(names, worth, strict=True)), lam
