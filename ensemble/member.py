"""What a configuration says of a member: one model of one provider."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt

from ensemble.fitness import Capability
from ensemble.money import Price
from judges.registry import Name

ANSWERING = {"provider", "model", "options", "system", "max_output_tokens"}
"""Settings that decide what a member answers, as against what it costs and when it is asked."""


class ProviderName(Name):
    """Name of a provider of the configuration."""

    __slots__ = ()
    kind = "provider"


def _rows(value: object) -> object:
    return (value,) if isinstance(value, Mapping | Price) else value


class MemberSettings(BaseModel):
    """One model of one provider, as a ``[members.NAME]`` table.

    Attributes:
        provider: name of the ``[providers.NAME]`` table.
        model: the provider's own model id.
        max_output_tokens: most tokens of an answer; sent where the request states no lower number.
        options: sampling options by wire name; what a request states itself goes before them.
        system: text put before the conversation as a system turn, for candidates alone.
        price: one table, or an array of tables with ``valid_from``; left out, the price is unknown.
        context_tokens: a request that cannot fit is not sent to this member.
        strict_params: left out of a request that states a parameter which the provider does not take; otherwise the
            parameter is dropped, recorded with the call and told in the reply. What judges ask for is dropped always.
        tags: words of your own, for selections.
        capabilities: what the member can do; left out, everything is assumed.
        family: who trained it; a judge of the same family stands aside or is marked.
        comparable: about as good as the others so marked, so that consensus may count its answers.
        max_attempts: tries per call, the first included.
        timeout_s: most seconds of one attempt.
        circuit_failures: failures in a row after which the member is left alone for a while; 0 for never.
        circuit_open_s: seconds until it is tried again, doubled with each failed trial up to five minutes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: ProviderName
    model: str = Field(min_length=1)
    max_output_tokens: PositiveInt | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    system: str | None = None
    price: Annotated[tuple[Price, ...], BeforeValidator(_rows)] = ()
    context_tokens: PositiveInt | None = None
    capabilities: frozenset[Capability] | None = None
    family: str | None = None
    comparable: bool = False
    strict_params: bool = False
    tags: frozenset[str] = frozenset()
    max_attempts: int = Field(3, ge=1, le=10)
    timeout_s: float = Field(120.0, gt=0, le=3600)
    circuit_failures: int = Field(5, ge=0)
    circuit_open_s: float = Field(30.0, gt=0, le=300)


def digest_of(settings: MemberSettings) -> str:
    """SHA-256 over what decides the answers: provider, model id, options, system text, output limit."""
    recipe = settings.model_dump(mode="json", include=ANSWERING)
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
