"""Anthropic's models at Google's Vertex AI; the optional dependencies come with the extra ``vertex``."""

from pydantic import Field

from ensemble.provider import PROVIDERS
from ensemble.providers._clouds import CloudProvider, optional, poster
from ensemble.providers._sdk import Opened, client_settings

_ADDRESSES = {
    "global": "https://aiplatform.googleapis.com/v1",
    "us": "https://aiplatform.us.rep.googleapis.com/v1",
    "eu": "https://aiplatform.eu.rep.googleapis.com/v1",
}


@PROVIDERS.register("anthropic_vertex")
class AnthropicVertex(CloudProvider):
    """Anthropic's models at Google's Vertex AI.

    ``api_key_env`` names an access token, which Google lets expire within the hour. Without one, Google's SDK finds the
    application's default credentials and renews them.
    """

    project: str = Field(min_length=1)
    """Id of the project that pays."""

    def open(self) -> Opened:
        import anthropic

        key = self.key()
        signing = () if key else _signing()
        address = self.base_url or _ADDRESSES.get(self.region, f"https://{self.region}-aiplatform.googleapis.com/v1")
        client = anthropic.DefaultAioHttpClient(**client_settings(self, address, None))
        sdk = anthropic.AsyncAnthropicVertex(
            region=self.region,
            project_id=self.project,
            access_token=key,
            base_url=address,
            max_retries=0,
            default_headers=self.own_headers(anthropic.omit),
            default_query=dict(self.query),
            http_client=client,
            timeout=client.timeout,
            open_telemetry=False,
        )
        ask = poster(sdk, anthropic.AsyncStream[object], self.secrets(), signing)
        return Opened(client, ask, anthropic.AnthropicError)


def _signing() -> tuple[type[Exception], ...]:
    """What fetching a token raises."""
    failed: type[Exception] = optional("google.auth.exceptions", "vertex").GoogleAuthError
    return (failed, RuntimeError)
