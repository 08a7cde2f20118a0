"""What a simulated model is: a profile with price and speed, and a brain that answers."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from ensemble.simulator.talk import Ask, Said, Usage

Tier = Literal["small", "balanced", "large", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Price, speed and limits of a simulated model.

    Attributes:
        wire: the format that its provider speaks; the simulator answers in any.
        first_token_s: median time to the first token at latency 1, in seconds.
        tokens_per_s: pace of the tokens after it at latency 1.
        usd_in, usd_out, usd_cached, usd_cache_write: decimal USD per million tokens; a batch costs half.
        context_tokens: most tokens of prompt and answer together; None for no limit.
    """

    name: str
    family: str
    tier: Tier
    wire: Literal["openai", "anthropic"] = "openai"
    first_token_s: float = 0.3
    tokens_per_s: float = 100.0
    usd_in: str = "0"
    usd_out: str = "0"
    usd_cached: str = "0"
    usd_cache_write: str = "0"
    context_tokens: int | None = None

    def cost_usd(self, usage: Usage) -> Decimal:
        """What an answer costs at these prices, exactly."""
        fresh = usage.prompt - usage.cached - usage.cache_write
        parts = (
            (fresh, self.usd_in),
            (usage.completion, self.usd_out),
            (usage.cached, self.usd_cached),
            (usage.cache_write, self.usd_cache_write),
        )
        return sum((tokens * Decimal(price) for tokens, price in parts), Decimal(0)) / 1_000_000


class Brain(Protocol):
    """Where the answers of a model come from."""

    def answer(self, ask: Ask) -> Said:
        """Answer at once; raises Problem for what this model cannot be asked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedModel:
    """A model of the fleet; ``version`` goes up when another model takes its place under its name."""

    profile: Profile
    brain: Brain
    version: int = 0
