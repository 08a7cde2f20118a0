"""What Anthropic's models behind Amazon and behind Google have in common: who signs, and what the SDK must not add."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

import orjson
from pydantic import Field

from ensemble import identity
from ensemble.errors import CallFailed, ConfigError
from ensemble.providers._anthropic_request import SAMPLING_ENDED, Manner
from ensemble.providers._http import Incoming
from ensemble.providers._options import Address
from ensemble.providers._sdk import Ask, Received, SdkProvider
from ensemble.providers._text import Secrets
from ensemble.providers.anthropic import Messages

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropicBedrock, AsyncAnthropicVertex

_CUSTOM_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"


class CloudProvider(SdkProvider):
    """Anthropic's models at a cloud; its SDK signs the requests."""

    required: ClassVar[frozenset[str]] = frozenset({"max_output_tokens"})

    region: str = Field(pattern=r"^[a-z0-9-]+$")
    """The cloud's region, such as ``us-east-1`` or ``global``."""
    base_url: Address | None = None
    """Another address than the region's own, such as a private endpoint."""
    api_version: str = Field(SAMPLING_ENDED, pattern=r"^([a-z]+-)?\d{4}-\d{2}-\d{2}$")
    """Version of the API; older ones, with the cloud's name before the date, take ``temperature`` and its like."""

    def format(self) -> Messages:
        in_body = {"anthropic_version": self.api_version}
        return Messages(Manner(api_version=self.api_version, in_body=in_body, unsupported=frozenset(self.unsupported)))

    def own_headers(self, omit: object) -> dict[str, str]:
        """Headers to add to the SDK's. What the environment adds for it is replaced by ``omit``, which removes it.

        They cannot be removed later, since a signature covers them.

        Raises:
            ConfigError: a variable is missing.
        """
        names = [line.partition(":")[0].strip() for line in os.environ.get(_CUSTOM_HEADERS, "").split("\n")]
        removed = {name: omit for name in names if name}
        own = {"Accept-Encoding": "identity", **self.headers()}
        return cast("dict[str, str]", {**removed, **own})


def poster(
    sdk: "AsyncAnthropicBedrock | AsyncAnthropicVertex",
    stream_cls: object,
    secrets: Secrets,
    signing: tuple[type[Exception], ...],
) -> Ask:
    """Post through ``sdk``, which wants the body taken apart; ``signing`` are what it raises before it sends."""
    import httpx2

    async def ask(path: str, *, body: bytes | None = None, **_: object) -> Incoming:
        document: Mapping[str, object] = orjson.loads(body or b"{}")
        try:
            reply: object = await sdk.post(
                path, cast_to=httpx2.Response, body=document, stream=True, stream_cls=cast("type", stream_cls)
            )
        except signing as error:
            told = f"the request could not be signed: {type(error).__name__}"
            raise CallFailed(told, failure="unauthorized", sent=False) from error
        return Received(cast("httpx2.Response", reply), secrets)

    return ask


def optional(module: str, extra: str) -> Any:
    """A module that comes with ``extra``.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        told = f"use: this needs {error.name}, which comes with the extra {extra!r}: pip install '.[{extra}]'"
        raise ConfigError(f"{told} in the folder of {identity.DISTRIBUTION}") from error
