"""Where the Redis is that several replicas share, and what each does while it is gone."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_SCHEMES = ("redis", "rediss")


class SharedSettings(BaseModel):
    """What replicas share, as the ``[shared]`` table or ``ENSEMBLE_SHARED__...`` variables. Without a URL, nothing.

    Attributes:
        url: the Redis or Valkey, as `redis://host:6379/0`, or `rediss://` for TLS. A password in it is never shown;
            `ENSEMBLE_SHARED__URL` keeps it out of the file.
        replicas: services that share it; while it is gone, each takes that part of every provider's limit.
        prefix: what every key begins with; services with the same prefix share.
        timeout_s: seconds that one look at it may take; then each replica goes on by itself until it is back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = None
    replicas: int | None = Field(None, ge=1, le=10_000)
    prefix: str = Field("ensemble", pattern=r"^[A-Za-z0-9._:-]{1,100}$")
    timeout_s: float = Field(0.25, gt=0, le=10)

    @field_validator("url")
    @classmethod
    def _a_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url.get_secret_value())
            named = parts.scheme in _SCHEMES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            named = False
        if not named:
            # The value stays out of the sentence: a password may stand in it.
            raise ValueError("is no URL of a Redis; write it as redis://host:6379/0, or rediss:// for TLS")
        return url

    @model_validator(mode="after")
    def _divided(self) -> Self:
        if self.url is not None and self.replicas is None:
            told = "is missing; add how many services share the Redis, so that each knows its part while it is gone"
            raise ValueError(f"replicas: {told}")
        return self
