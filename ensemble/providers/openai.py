"""OpenAI's chat completions, and every server that speaks them: vLLM, Ollama, llama.cpp, OpenRouter, Azure, Gemini."""

from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import field_validator

from ensemble.provider import PROVIDERS
from ensemble.providers._direct import DirectProvider
from ensemble.providers._http import Wire, dress
from ensemble.providers._openai_embeddings import OpenAIConnection
from ensemble.providers._openai_reply import Gathered
from ensemble.providers._openai_request import Manner, TokenParameter, body_of
from ensemble.providers._options import Address
from ensemble.providers._sdk import BySdk, Opened, asking, client_settings
from judges.types import Prompt

_AT_HOME = ("api.openai.com", ".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_PATH = "/chat/completions"


@PROVIDERS.register("openai")
class OpenAI(DirectProvider):
    """Models behind the chat completions of OpenAI, or of a server that imitates them."""

    embeds: ClassVar[bool] = True

    base_url: Address = "https://api.openai.com/v1"
    """Where ``/chat/completions`` is found; usually ends with ``/v1``."""
    token_parameter: TokenParameter | None = None
    """What the limit of output tokens is called; left out: ``max_completion_tokens`` at OpenAI and Azure, whose
    reasoning models take nothing else, ``max_tokens`` anywhere else."""

    @field_validator("base_url")
    @classmethod
    def _without_path(cls, url: str) -> str:
        if url.endswith(_PATH):
            raise ValueError(f"leave {_PATH} away: {url.removesuffix(_PATH)}")
        return url

    def format(self) -> "ChatCompletions":
        at_home = (urlsplit(self.base_url).hostname or "").endswith(_AT_HOME)
        manner = Manner(
            token_parameter=self.token_parameter or ("max_completion_tokens" if at_home else "max_tokens"),
            developer=at_home,
            unsupported=frozenset(self.unsupported),
        )
        return ChatCompletions(manner)

    def dressed(self) -> dict[str, str]:
        key = self.key()
        return dress(self.headers(), {"authorization": f"Bearer {key}"} if key else {})

    def open(self) -> Opened:
        import openai

        client = openai.DefaultAioHttpClient(**client_settings(self, self.base_url, self.dressed()))
        # A key is demanded even where none is used; what is sent is settled by the headers above.
        sdk = openai.AsyncOpenAI(
            api_key=self.key() or "none",
            base_url=self.base_url,
            max_retries=0,
            default_query=dict(self.query),
            http_client=client,
            timeout=client.timeout,
        )
        return Opened(client, asking(sdk, openai.AsyncStream[object], self.secrets()), openai.OpenAIError)

    def connection(self, wire: Wire, by_sdk: BySdk) -> OpenAIConnection:
        return OpenAIConnection(wire, self.format(), by_sdk)


class ChatCompletions:
    """The wire format, in the manner of one server."""

    path: ClassVar[str] = _PATH

    def __init__(self, manner: Manner) -> None:
        self.manner = manner

    def body(self, model: str, prompt: Prompt, *, stream: bool) -> tuple[dict[str, object], tuple[str, ...]]:
        """As ``Format.body``."""
        return body_of(model, prompt, self.manner, stream=stream)

    def gathering(self) -> Gathered:
        """As ``Format.gathering``."""
        return Gathered()
