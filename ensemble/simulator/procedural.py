"""The procedural fleet: two families of three tiers and a judge, with the prices and the pace of their like."""

from dataclasses import dataclass

from ensemble.simulator.chat import Chat
from ensemble.simulator.draw import share
from ensemble.simulator.evaluator import Bias, Evaluator
from ensemble.simulator.models import Brain, Profile, SimulatedModel
from ensemble.simulator.routing import Reader
from ensemble.simulator.settings import SimulatorSettings
from ensemble.simulator.skill import Skill
from ensemble.simulator.solver import Samples, Solver
from ensemble.simulator.talk import Ask, Said
from ensemble.simulator.tasks.checking import right, stated
from ensemble.simulator.tasks.solving import solve
from judges.llm._render import Shown

JUDGE = "judge"
PROFILES = (
    Profile(
        name="small",
        family="oak",
        tier="small",
        first_token_s=0.25,
        tokens_per_s=160,
        usd_in="0.15",
        usd_out="0.60",
        usd_cached="0.075",
        context_tokens=128_000,
    ),
    Profile(
        name="balanced",
        family="oak",
        tier="balanced",
        first_token_s=0.45,
        tokens_per_s=95,
        usd_in="1.10",
        usd_out="4.40",
        usd_cached="0.275",
        context_tokens=200_000,
    ),
    Profile(
        name="large",
        family="oak",
        tier="large",
        first_token_s=0.8,
        tokens_per_s=55,
        usd_in="5",
        usd_out="20",
        usd_cached="1.25",
        context_tokens=400_000,
    ),
    Profile(
        name="birch-small",
        family="birch",
        tier="small",
        wire="anthropic",
        first_token_s=0.3,
        tokens_per_s=140,
        usd_in="0.80",
        usd_out="4",
        usd_cached="0.08",
        usd_cache_write="1",
        context_tokens=200_000,
    ),
    Profile(
        name="birch-balanced",
        family="birch",
        tier="balanced",
        wire="anthropic",
        first_token_s=0.5,
        tokens_per_s=80,
        usd_in="3",
        usd_out="15",
        usd_cached="0.30",
        usd_cache_write="3.75",
        context_tokens=200_000,
    ),
    Profile(
        name="birch-large",
        family="birch",
        tier="large",
        wire="anthropic",
        first_token_s=1.0,
        tokens_per_s=45,
        usd_in="15",
        usd_out="75",
        usd_cached="1.50",
        usd_cache_write="18.75",
        context_tokens=200_000,
    ),
    Profile(
        name=JUDGE,
        family="elm",
        tier="judge",
        first_token_s=0.5,
        tokens_per_s=110,
        usd_in="2",
        usd_out="8",
        usd_cached="0.50",
        context_tokens=200_000,
    ),
)
"""What a configuration for this fleet needs to know; every figure is simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedTaste:
    """Solves the question of the page itself and prefers who is right; without a solution the taste is arbitrary.

    It believes the reference answer on the page, which can be one that it wrote, and got wrong, itself.
    """

    seed: int

    def grades(self, shown: Shown) -> tuple[float, ...]:
        work = solve(shown.turns)
        if work is None:
            return tuple(
                0.2 + 0.6 * share("taste", self.seed, text) if text.strip() else 0.0 for text in shown.candidates
            )
        truth = stated(work.checker, shown.reference) if shown.reference is not None else None
        wanted = work.truth if truth is None else truth
        return tuple(0.9 if right(work.checker, wanted, text) else 0.1 for text in shown.candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges what is a judge's page, chooses on a router's, and chats about everything else."""

    evaluator: Evaluator
    reader: Reader
    chat: Chat

    def answer(self, ask: Ask) -> Said:
        if (choice := self.reader.choose(ask)) is not None:
            return choice
        page = any("Page code: " in turn.text for turn in ask.turns)
        return self.evaluator.answer(ask) if page else self.chat.answer(ask)


def procedural_models(settings: SimulatorSettings, bias: Bias) -> dict[str, SimulatedModel]:
    """The fleet by name."""
    samples = Samples()

    def reader(profile: Profile) -> Reader:
        return Reader(name=profile.name, tier=profile.tier, seed=settings.seed, gullible=settings.gullibility)

    def solver(profile: Profile) -> Solver:
        skill = Skill(tier=profile.tier, family=profile.family)
        return Solver(name=profile.name, skill=skill, seed=settings.seed, samples=samples, reader=reader(profile))

    def brain(profile: Profile) -> Brain:
        if profile.tier == "judge":
            evaluator = Evaluator(taste=SolvedTaste(seed=settings.seed), bias=bias, writer=solver(profile))
            return Judge(evaluator=evaluator, reader=reader(profile), chat=Chat(name=profile.name))
        return solver(profile)

    return {profile.name: SimulatedModel(profile=profile, brain=brain(profile)) for profile in PROFILES}
