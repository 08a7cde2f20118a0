"""Anthropic's messages, and every server that speaks them."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator

from ensemble.provider import PROVIDERS
from ensemble.providers._anthropic_counting import AnthropicConnection
from ensemble.providers._anthropic_reply import Gathered
from ensemble.providers._anthropic_request import SAMPLING_ENDED, Manner, body_of
from ensemble.providers._direct import DirectProvider
from ensemble.providers._http import Wire, dress
from ensemble.providers._options import Address
from ensemble.providers._sdk import BySdk, Opened, asking, client_settings
from judges.types import Prompt

_PATH = "/v1/messages"


@PROVIDERS.register("anthropic")
class Anthropic(DirectProvider):
    """Models behind the messages of Anthropic, or of a server that imitates them."""

    required: ClassVar[frozenset[str]] = frozenset({"max_output_tokens"})

    base_url: Address = "https://api.anthropic.com"
    """Where ``/v1/messages`` is found."""
    api_version: str = Field(SAMPLING_ENDED, pattern=r"^\d{4}-\d{2}-\d{2}$")
    """Version of the API. Older ones, such as ``2023-06-01``, take ``temperature``, ``top_p`` and ``top_k``, which are
    left out and recorded otherwise."""

    @field_validator("base_url")
    @classmethod
    def _without_path(cls, url: str) -> str:
        for path in (_PATH, "/v1"):
            if url.endswith(path):
                raise ValueError(f"leave {path} away: {url.removesuffix(path)}")
        return url

    def format(self) -> "Messages":
        manner = Manner(api_version=self.api_version, in_body={}, unsupported=frozenset(self.unsupported))
        return Messages(manner)

    def dressed(self) -> dict[str, str]:
        key = self.key()
        auth = {"authorization": f"Bearer {key}"} if key else {}
        return dress(self.headers(), {**auth, "anthropic-version": self.api_version})

    def open(self) -> Opened:
        import anthropic

        client = anthropic.DefaultAioHttpClient(**client_settings(self, self.base_url, self.dressed()))
        # A key is demanded even where none is used; what is sent is settled by the headers above.
        sdk = anthropic.AsyncAnthropic(
            api_key=self.key() or "none",
            base_url=self.base_url,
            max_retries=0,
            default_query=dict(self.query),
            http_client=client,
            timeout=client.timeout,
            open_telemetry=False,
        )
        return Opened(client, asking(sdk, anthropic.AsyncStream[object], self.secrets()), anthropic.AnthropicError)

    def connection(self, wire: Wire, by_sdk: BySdk) -> AnthropicConnection:
        return AnthropicConnection(wire, self.format(), by_sdk)


class Messages:
    """The wire format, in the manner of one server."""

    path: ClassVar[str] = _PATH

    def __init__(self, manner: Manner) -> None:
        self.manner = manner

    def body(self, model: str, prompt: Prompt, *, stream: bool) -> tuple[Mapping[str, object], tuple[str, ...]]:
        """As ``Format.body``."""
        return body_of(model, prompt, self.manner, stream=stream)

    def gathering(self) -> Gathered:
        """As ``Format.gathering``."""
        return Gathered()
