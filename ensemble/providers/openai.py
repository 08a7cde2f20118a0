"""OpenAI's chat completions, and every server that speaks them: vLLM, Ollama, llama.cpp, OpenRouter, Azure, Gemini."""

from typing import TYPE_CHECKING, ClassVar, cast
from urllib.parse import urlsplit

from pydantic import field_validator

from ensemble.provider import PROVIDERS
from ensemble.providers._batches import asking
from ensemble.providers._connection import Opened, SdkProvider
from ensemble.providers._http import client_settings, dress
from ensemble.providers._openai_embeddings import OpenAIConnection
from ensemble.providers._openai_reply import Gathered
from ensemble.providers._openai_request import Manner, TokenParameter, body_of
from ensemble.providers._options import Address
from judges.types import Prompt

if TYPE_CHECKING:
    import httpx2

_AT_HOME = ("api.openai.com", ".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_PATH = "/chat/completions"


@PROVIDERS.register("openai")
class OpenAI(SdkProvider):
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

    def open(self) -> Opened:
        import httpx2
        import openai

        key = self.key()
        headers = dress(self.headers(), {"authorization": f"Bearer {key}"} if key else {})
        client = openai.DefaultAioHttpClient(**client_settings(self, self.base_url, headers))
        # A key is demanded even where none is used; what is sent is settled by the headers above.
        sdk = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=self.base_url,
            max_retries=0,
            default_query=dict(self.query),
            http_client=client,
            timeout=client.timeout,
        )

        async def post(body: bytes) -> httpx2.Response:
            # Asked for the response itself, the SDK hands it over unread and unparsed, whatever stream_cls says.
            stream_cls = openai.AsyncStream[object]
            reply: object = await sdk.post(
                _PATH, cast_to=httpx2.Response, content=body, stream=True, stream_cls=stream_cls
            )
            return cast("httpx2.Response", reply)

        ask = asking(sdk, openai.AsyncStream[object])
        return Opened(client, post, openai.OpenAIError, lambda wire, format: OpenAIConnection(wire, format, ask))


class ChatCompletions:
    """The wire format, in the manner of one server."""

    def __init__(self, manner: Manner) -> None:
        self.manner = manner

    def body(self, model: str, prompt: Prompt, *, stream: bool) -> tuple[dict[str, object], tuple[str, ...]]:
        """As ``Format.body``."""
        return body_of(model, prompt, self.manner, stream=stream)

    def gathering(self) -> Gathered:
        """As ``Format.gathering``."""
        return Gathered()
