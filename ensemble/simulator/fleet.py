"""The state of a running simulator: its models, what they are told to do next, its limits and its ledger."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ensemble.simulator.draw import share
from ensemble.simulator.evaluator import Bias
from ensemble.simulator.models import SimulatedModel
from ensemble.simulator.procedural import Judge
from ensemble.simulator.script import FAULTS, Step, fault
from ensemble.simulator.served import Served, ServedLog
from ensemble.simulator.settings import SimulatorSettings
from ensemble.simulator.solver import Solver
from ensemble.simulator.talk import Ask, Problem, Said

UNKNOWN = "(unknown)"
"""Under which the totals count requests for models that the fleet does not have."""


class Fleet:
    """Models, scripts, limits and ledger of one simulator."""

    def __init__(self, settings: SimulatorSettings, models: dict[str, SimulatedModel], spare: SimulatedModel) -> None:
        unknown = set(settings.faults) - set(FAULTS)
        if unknown:
            raise ValueError(f"faults: no such kind {', '.join(sorted(unknown))}; known are {', '.join(FAULTS)}")
        self.settings = settings
        self.models = models
        self.log = ServedLog(settings.keep_served)
        self.closing = asyncio.Event()
        self.redirects_followed = 0
        self.hurried = False
        self._spare = spare
        self._scripts: dict[str, deque[Step]] = {}
        self._standing: dict[str, Step] = {}
        self._changed = asyncio.Event()
        self._arrivals: deque[tuple[float, int]] = deque()
        self._lots = 0

    def script(self, model: str, steps: list[Step]) -> None:
        """Let the next requests to ``model`` take ``steps`` in order; an unknown model joins the fleet."""
        self._join(model)
        self._scripts.setdefault(model, deque()).extend(steps)

    def always(self, model: str, step: Step | None) -> None:
        """Let every request to ``model`` without a script take ``step``, None for life as usual."""
        self._join(model)
        self._standing.pop(model, None)
        if step is not None:
            self._standing[model] = step

    def _join(self, model: str) -> None:
        if model not in self.models:
            profile = replace(self._spare.profile, name=model)
            self.models[model] = SimulatedModel(profile=profile, brain=self._spare.brain)

    def next_step(self, model: str) -> Step:
        """What becomes of the next request to ``model``."""
        waiting = self._scripts.get(model)
        if waiting:
            return waiting.popleft()
        if model in self._standing:
            return self._standing[model]
        if not self.settings.faults:
            return Step()
        self._lots += 1
        drawn = share("fault", self.settings.seed, self._lots)
        for kind, rate in self.settings.faults.items():
            if drawn < rate:
                return self._drawn_fault(kind)
            drawn -= rate
        return Step()

    def _drawn_fault(self, kind: str) -> Step:
        retry_after = self.settings.fault_retry_after_s if kind in {"429", "503", "529"} else None
        return fault(kind, retry_after=retry_after)

    def model(self, name: str) -> SimulatedModel:
        """The model of that name; raises Problem (404) where there is none."""
        found = self.models.get(name)
        if found is None:
            known = ", ".join(sorted(self.models))
            raise Problem(
                404,
                f"The model '{name}' does not exist in this simulated fleet, which has: {known}.",
                code="model_not_found",
                param="model",
            )
        return found

    def degrade(self, model: str, kind: str, by: float) -> None:
        """Take ability from ``model`` for one ``kind`` of task, ``*`` for all; 0 gives it back."""
        known = self.model(model)
        if not isinstance(known.brain, Solver):
            raise Problem(400, f"{model} solves no tasks, so it cannot be made worse at them.")
        skill = replace(known.brain.skill, worse={**known.brain.skill.worse, kind: by})
        self.models[model] = replace(known, brain=replace(known.brain, skill=skill))

    def mislead(self, model: str, **bias: float) -> None:
        """Give the judge ``model`` another ``Bias``: ``noise``, ``position`` and ``length``, 0 where left out."""
        known = self.model(model)
        if not isinstance(known.brain, Judge):
            raise Problem(400, f"{model} is no judge, so it cannot be misled.")
        evaluator = replace(known.brain.evaluator, bias=Bias(seed=self.settings.seed, **bias))
        self.models[model] = replace(known, brain=replace(known.brain, evaluator=evaluator))

    def replace(self, model: str, like: str) -> None:
        """Let ``model`` answer as ``like`` does from now on, under its old name and with another fingerprint."""
        known, other = self.model(model), self.model(like)
        self.models[model] = replace(known, brain=other.brain, version=known.version + 1)

    def admit(self, tokens: int) -> None:
        """Count an arrival of ``tokens`` prompt tokens; raises Problem (429) where a limit of the window is reached."""
        rpm, tpm, window = self.settings.rpm, self.settings.tpm, self.settings.window_s
        if rpm is None and tpm is None:
            return
        now = asyncio.get_running_loop().time()
        while self._arrivals and self._arrivals[0][0] <= now - window:
            self._arrivals.popleft()
        full = rpm is not None and len(self._arrivals) >= rpm
        heavy = tpm is not None and self._arrivals and sum(each for _, each in self._arrivals) + tokens > tpm
        if full or heavy:
            what = f"{rpm} requests" if full else f"{tpm} tokens"
            wait = self._arrivals[0][0] + window - now if self._arrivals else window
            raise Problem(
                429,
                f"Rate limit reached: {what} per {window:g} s. Please try again in {wait:.3f} s.",
                code="rate_limit_exceeded",
                retry_after_s=wait,
            )
        self._arrivals.append((now, tokens))

    def pace(self, model: SimulatedModel, ask: Ask, said: Said) -> tuple[float, float]:
        """Seconds to the first token and per token after it; the first one scatters by a factor of about two."""
        scale = self.settings.latency
        if scale == 0:
            return 0.0, 0.0
        drawn = share("latency", model.profile.name, ask.question, len(said.text), self.settings.seed)
        scatter = math.exp(0.35 * math.sqrt(2) * _normal(drawn))
        return model.profile.first_token_s * scatter * scale, scale / model.profile.tokens_per_s

    def next_id(self) -> str:
        """The request id of the next arrival."""
        return f"req_sim_{self.log.started + 1:07d}"

    def begin(self, served: Served) -> None:
        """A request has arrived."""
        self.log.begin(served)
        self._note()

    def end(self, served: Served) -> None:
        """A request is done."""
        # Names that nobody has are counted together, so that a client cannot fill the memory with them.
        self.log.end(served, served.model if served.model in self.models else UNKNOWN)
        self._note()

    def _note(self) -> None:
        # Whoever waits holds the old event: setting it wakes all of them once, and none misses the next change.
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until ``holds()``, looked at after each arrival and each end of a request."""
        while not holds():
            await self._changed.wait()


def _normal(drawn: float) -> float:
    """About a standard normal number from an even one, by Tukey's lambda approximation."""
    inside = min(max(drawn, 1e-6), 1 - 1e-6)
    return (math.pow(inside, 0.135) - math.pow(1 - inside, 0.135)) / 0.1975
