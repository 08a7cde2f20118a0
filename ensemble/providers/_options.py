"""Options that every provider spoken to over HTTP has, and the secrets that they name."""

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from ensemble.errors import ConfigError
from ensemble.provider import Provider
from ensemble.providers._text import Secrets

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(f"{url!r} is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits:
        raise ValueError(f"{url!r} must start with http:// or https:// and name a host")
    if "@" in parts.netloc:
        raise ValueError("an address holds no user name and no password; name them by environment variable")
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r} must not have a query; use the option query")
    return url.rstrip("/")


def _header_names(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name in headers:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
    return headers


Address = Annotated[str, AfterValidator(_address)]
EnvironmentName = Annotated[str, Field(min_length=1)]


class HttpProvider(Provider):
    """What a provider over HTTP needs to know; what stands in the file is all that counts.

    No environment variable of an SDK (``OPENAI_BASE_URL``, ``*_CUSTOM_HEADERS``, ...) and no proxy variable has any
    effect, so that the same file always sends the same prompts to the same place.
    """

    api_key_env: EnvironmentName | None = None
    """Environment variable that holds the key; neither this nor ``api_key_file`` for a server that wants no key."""
    api_key_file: Path | None = None
    """File that holds the key and nothing else."""
    headers_env: Annotated[Mapping[str, EnvironmentName], AfterValidator(_header_names)] = Field(default_factory=dict)
    """Further headers: name of the header, and of the environment variable that holds its value."""
    query: Mapping[str, str] = Field(default_factory=dict)
    """Put after every address, such as Azure's ``api-version``."""
    proxy: Address | None = None
    """Proxy through which every call goes; without user name and password."""
    proxy_env: EnvironmentName | None = None
    """Environment variable that holds the address of a proxy together with its user name and password."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust in place of the system's."""
    connect_timeout_s: float = Field(10.0, gt=0, le=300)
    """Most seconds until a connection stands."""
    silence_timeout_s: float = Field(600.0, gt=0, le=3600)
    """Most seconds without a byte of the reply; members have their own limit for a whole call."""
    max_body_bytes: int = Field(16 * 1024 * 1024, ge=1024)
    """A longer reply is given up while it is read."""
    unsupported: tuple[str, ...] = ()
    """Parameters by wire name that the server does not take: not sent, and recorded with every call."""

    @model_validator(mode="after")
    def _one_of_each(self) -> "HttpProvider":
        if self.api_key_env and self.api_key_file:
            raise ValueError("give api_key_env or api_key_file, not both")
        if self.proxy and self.proxy_env:
            raise ValueError("give proxy or proxy_env, not both")
        return self

    def key(self) -> str | None:
        """The key, or None where none is configured. Blocks where it stands in a file.

        Raises:
            ConfigError: it is configured and missing, or cannot be sent.
        """
        if self.api_key_env:
            return variable("api_key_env", self.api_key_env)
        if self.api_key_file is None:
            return None
        try:
            key = self.api_key_file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"api_key_file: {self.api_key_file} cannot be read: {type(error).__name__}") from error
        return _sendable(f"api_key_file: {self.api_key_file}", key)

    def headers(self) -> dict[str, str]:
        """The further headers, values included.

        Raises:
            ConfigError: a variable is missing, or cannot be sent.
        """
        return {name: variable(f"headers_env.{name}", held) for name, held in self.headers_env.items()}

    def secrets(self) -> Secrets:
        """Everything that must not show up in a message.

        Raises:
            ConfigError: as ``key`` and ``headers``.
        """
        password = urlsplit(self.proxy_address() or "").password
        return Secrets([self.key() or "", password or "", *self.headers().values()])

    def proxy_address(self) -> str | None:
        """The proxy to use, password included; None for none.

        Raises:
            ConfigError: the variable is missing.
        """
        return variable("proxy_env", self.proxy_env) if self.proxy_env else self.proxy

    def trust(self) -> ssl.SSLContext | bool:
        """Whom to trust: the certificates of ``ca_file``, or True for the system's. Blocks.

        Raises:
            ConfigError: the file cannot be read or holds no certificate.
        """
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file.expanduser()))
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(f"ca_file: {self.ca_file} holds no certificates that can be read: {error}") from error


def variable(key: str, name: str) -> str:
    """What the environment variable ``name`` holds, which the option ``key`` names.

    Raises:
        ConfigError: it is not set, or cannot be sent.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"{key}: the environment variable {name} is not set")
    return _sendable(f"{key}: the environment variable {name}", value)


def _sendable(place: str, value: str) -> str:
    if not value:
        raise ConfigError(f"{place} is empty")
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"{place} holds characters that no header can carry")
    return value
