"""The open clients of the providers, which outlive a change of the configuration where they are the same after it."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypedDict

from ensemble.config import Settings
from ensemble.config.environment import secrets_of
from ensemble.errors import ConfigError
from ensemble.fleet import Fleet, Member
from ensemble.limits import Limiter
from ensemble.place import PLACE
from ensemble.provider import Connection, Provider
from ensemble.shared.gate import ProviderGate
from ensemble.shared.link import Shared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """One provider, connected: its client, the one queue in front of it, and how to close it.

    ``mark`` is a SHA-256 over every option and every secret that the options name. It never leaves the process.
    ``limits`` is what ``limiter`` becomes once the link serves: the provider goes on counting what it had before.
    """

    mark: str
    connection: Connection
    limiter: Limiter
    limits: Limiter
    closing: AsyncExitStack


Links = Mapping[str, Link]
"""By the name of the provider."""


async def connect(providers: Mapping[str, Provider], held: Links | None = None, shared: Shared | None = None) -> Links:
    """Open a client of each provider; one of ``held`` serves on where options and secrets are what they were.

    Where they are not, the queue of ``held`` is that of the new one, too, and ``enforce`` gives it the new limits.

    Their limits are kept together with the other replicas where there is a ``shared`` Redis; without one, each of
    several workers gets its share of them, so that all together keep them.

    Raises:
        ConfigError: the environment lacks what a provider needs, or there are more workers than calls in flight. What
            had been opened is closed again.
    """
    held = held or {}
    marks = await asyncio.to_thread(lambda: {name: _mark(provider) for name, provider in providers.items()})
    links: dict[str, Link] = {}
    async with AsyncExitStack() as undo:
        for name, provider in providers.items():
            if name in held and held[name].mark == marks[name]:
                links[name] = held[name]
                continue
            closing = AsyncExitStack()
            limits = _limiter(name, provider, shared)
            connection = await closing.enter_async_context(provider.connect())
            undo.push_async_callback(closing.aclose)
            links[name] = Link(
                mark=marks[name],
                connection=connection,
                limiter=held[name].limiter if name in held else limits,
                limits=limits,
                closing=closing,
            )
        undo.pop_all()
    return links


def dropped(links: Links, kept: Links) -> tuple[Link, ...]:
    """The links of ``links`` that are none of ``kept``."""
    return tuple(link for link in links.values() if link not in kept.values())


def enforce(links: Iterable[Link]) -> None:
    """Have the queues of ``links``, which begin to serve, go by their limits."""
    for link in links:
        link.limiter.become(link.limits)


async def close(links: Iterable[Link]) -> None:
    """Close what is open, in reverse."""
    async with AsyncExitStack() as stack:
        for link in links:
            stack.push_async_callback(link.closing.aclose)


def fleet_of(settings: Settings, links: Links, before: Fleet | None = None) -> Fleet:
    """The members of ``settings``; one of ``before`` goes on, with its health, where nothing of it changed."""
    fleet = {}
    for name, member in settings.members.items():
        link, old = links[member.provider], (before or {}).get(name)
        same = old is not None and old.settings == member and old.connection is link.connection
        provider = settings.providers[member.provider]
        new = Member(name, member, link.connection, link.limiter, data=provider.data, origin=provider.origin())
        fleet[name] = old if old is not None and same else new
    return fleet


def _limiter(name: str, provider: Provider, shared: Shared | None) -> Limiter:
    """The queue in front of ``provider``, with what of its limits is this process's."""
    limits: _Limits = {
        "requests_per_minute": provider.requests_per_minute,
        "tokens_per_minute": provider.tokens_per_minute,
        "max_in_flight": provider.max_in_flight,
    }
    place = PLACE.get()
    if shared is not None:
        return Limiter(**limits, together=ProviderGate(shared, name, **limits), parts=shared.replicas * place.of)
    requests, tokens, flying = provider.requests_per_minute, provider.tokens_per_minute, provider.max_in_flight
    if flying is not None and flying < place.of:
        raise ConfigError(
            f"[providers.{name}] max_in_flight: {place.of} workers cannot share {flying}; "
            "start fewer with --workers, or allow more calls"
        )
    return Limiter(
        requests_per_minute=None if requests is None else place.share(requests),
        tokens_per_minute=None if tokens is None else place.share(tokens),
        max_in_flight=None if flying is None else place.seats(flying),
    )


class _Limits(TypedDict):
    requests_per_minute: float | None
    tokens_per_minute: float | None
    max_in_flight: int | None


def _mark(provider: Provider) -> str:
    # More than the digest, which leaves out what decides no answer: a change of any option must take effect.
    recipe = [provider.file_hash, provider.model_dump(mode="json"), secrets_of(provider)]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
