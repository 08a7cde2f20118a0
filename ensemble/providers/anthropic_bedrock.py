"""Anthropic's models at Amazon Bedrock; the optional dependencies come with the extra ``bedrock``."""

from pydantic import model_validator

from ensemble.errors import ConfigError
from ensemble.provider import PROVIDERS
from ensemble.providers._clouds import CloudProvider, optional, poster
from ensemble.providers._options import EnvironmentName, variable
from ensemble.providers._sdk import Opened, client_settings
from ensemble.providers._text import Secrets


@PROVIDERS.register("anthropic_bedrock")
class AnthropicBedrock(CloudProvider):
    """Anthropic's models at Amazon Bedrock.

    ``api_key_env`` names a Bedrock key. Without one, requests are signed with the access key given here, the profile,
    or what Amazon's SDK finds by itself: its environment variables, its files, the role of the machine.
    """

    access_key_env: EnvironmentName | None = None
    """Environment variable with the id of an access key; ``secret_key_env`` goes with it."""
    secret_key_env: EnvironmentName | None = None
    """Environment variable with the secret of the access key."""
    session_token_env: EnvironmentName | None = None
    """Environment variable with the session token of a temporary access key."""
    profile: str | None = None
    """Profile of Amazon's configuration files."""

    @model_validator(mode="after")
    def _one_way_in(self) -> "AnthropicBedrock":
        if (self.access_key_env is None) != (self.secret_key_env is None):
            raise ValueError("access_key_env and secret_key_env go together")
        ways = [self.api_key_env or self.api_key_file, self.access_key_env, self.profile]
        if sum(way is not None for way in ways) > 1:
            raise ValueError("give one of api_key_env or api_key_file, access_key_env, and profile")
        return self

    def secrets(self) -> Secrets:
        return Secrets([*super().secrets().texts, *(value or "" for value in self._access_key())])

    def open(self) -> Opened:
        import anthropic

        key = self.key()
        address = self.base_url or f"https://bedrock-runtime.{self.region}.amazonaws.com"
        signing = () if key else self._signing()
        client = anthropic.DefaultAioHttpClient(**client_settings(self, address, None))
        access_key, secret_key, session_token = self._access_key()
        sdk = anthropic.AsyncAnthropicBedrock(
            api_key=key,
            aws_region=self.region,
            aws_profile=self.profile,
            aws_access_key=access_key,
            aws_secret_key=secret_key,
            aws_session_token=session_token,
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

    def _access_key(self) -> tuple[str | None, str | None, str | None]:
        """Id, secret and session token."""
        return (
            variable("access_key_env", self.access_key_env) if self.access_key_env else None,
            variable("secret_key_env", self.secret_key_env) if self.secret_key_env else None,
            variable("session_token_env", self.session_token_env) if self.session_token_env else None,
        )

    def _signing(self) -> tuple[type[Exception], ...]:
        """What signing raises. Credentials are looked for here, so that a start without any fails as such."""
        boto3 = optional("boto3", "bedrock")
        failed: type[Exception] = optional("botocore.exceptions", "bedrock").BotoCoreError
        try:
            session = boto3.Session(profile_name=self.profile, region_name=self.region)
            found = self.access_key_env is not None or session.get_credentials() is not None
        except failed as error:
            raise ConfigError(f"profile: Amazon's SDK says: {error}") from error
        if not found:
            raise ConfigError("api_key_env: no key is named, and Amazon's SDK finds no credentials either")
        return (failed, RuntimeError)  # the latter is what Anthropic's SDK says once credentials have gone
