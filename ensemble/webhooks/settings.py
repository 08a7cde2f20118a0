"""Where events go: the ``[webhooks]`` table."""

import base64
import binascii
import ipaddress
import os
from pathlib import Path
from typing import Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from yarl import URL

from ensemble.store.outbox import Kind

PREFIX = "whsec_"
SIZES = range(24, 65)
"""Bytes that a secret may have, as Standard Webhooks demands."""


class WebhookSettings(BaseModel):
    """Where events are sent, as Standard Webhooks has it: signed, and again until they are taken.

    Attributes:
        url: `https`, or `http` on this machine; left out, nothing is sent.
        secret_env: environment variable that holds the secret for signatures: `whsec_` and 24 to 64 bytes as base64.
        secret_file: file that holds it; it goes before the variable.
        events: which ones are sent.
        timeout_s: most seconds of one attempt.
        retry_s: seconds until the second attempt; each further one waits twice as long, six hours at most.
        attempts: most attempts; then the event is given up, and the log of the service says so.
        private: the address may be one of a private network, and without TLS.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(None, max_length=2000)
    secret_env: str | None = None
    secret_file: Path | None = None
    events: tuple[Kind, ...] = Field(get_args(Kind), min_length=1)
    timeout_s: float = Field(10.0, gt=0, le=60)
    retry_s: float = Field(5.0, gt=0, le=3600)
    attempts: int = Field(15, ge=1, le=50)
    private: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.url is None:
            return self
        if self.secret_env is None and self.secret_file is None:
            raise ValueError("secret_env: name the variable that holds the secret by which receivers know our events")
        try:
            url = URL(self.url)
        except ValueError:
            raise ValueError("url: is no address") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("url: must begin with https://")
        if url.user or url.password:
            raise ValueError("url: holds a name or password; events are signed, so leave them out")
        if not self.private and not is_local(url.host):
            if url.scheme == "http":
                raise ValueError("url: http is for this machine; use https, or set private = true")
            if not is_public(url.host):
                raise ValueError("url: is no public address; set private = true if it is meant")
        return self

    def wrong_secret(self) -> str | None:
        """What is wrong with the secret that is there; None where nothing is, or where none is."""
        try:
            self.secret()
        except ValueError as error:
            return str(error)
        except OSError:
            return None  # told as a file that cannot be read
        return None

    def secret(self) -> bytes:
        """The bytes to sign with, read now.

        Raises:
            ValueError: it is none; the sentence does not hold it.
            OSError: the file cannot be read.
        """
        if self.secret_file is not None:
            text = self.secret_file.read_text(encoding="utf-8", errors="replace")
        else:
            text = os.environ.get(self.secret_env or "", "")
        try:
            key = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) not in SIZES:
            told = f"must hold {PREFIX} and {SIZES[0]} to {SIZES[-1]} bytes as base64"
            raise ValueError(f"{told}, as of `echo {PREFIX}$(openssl rand -base64 32)`") from None
        return key


def is_local(host: str) -> bool:
    """Whether a host, by the look of it, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def is_public(host: str) -> bool:
    """Whether an address is one of the internet; a name counts as one until it is looked up."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    return address.is_global and not address.is_multicast
