"""Where the service and its log are: the tables that may differ from machine to machine."""

import ipaddress
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from ensemble.config.environment import beside, missing
from ensemble.errors import ConfigError, StoreError
from ensemble.observing.telemetry import TelemetrySettings
from ensemble.shared.settings import SharedSettings
from ensemble.store.address import Address, address_of

PREFIX = "ENSEMBLE_"
"""What the names of environment variables begin with."""


class ServerSettings(BaseModel):
    """How the service is reached, as the ``[server]`` table or ``ENSEMBLE_SERVER__...`` variables.

    Attributes:
        host: address to bind; another than loopback needs a key.
        port: TCP port; 0 takes a free one.
        api_key_env: environment variable that holds the key which clients must send.
        api_key_file: file that holds it; it goes before the variable. That key may do everything.
        keys: nobody is served without a key of `ensemble keys`, or the one named here; so it is too once there is one.
        singleflight: identical requests of one key that are under way at the same moment are answered once.
        data_class: class of the data of requests that state none, where their key has none.
        max_body_bytes: a larger request is refused with 413.
        max_requests: most requests under way at once; beyond them the answer is 503.
        drain_s: seconds that work under way gets at shutdown.
        hold_s: most seconds that a stream waits with its status line for a first candidate; an error before is a plain
            reply with a status of its own.
        log: how lines on standard error look: `json` for programs, `text` for people; neither holds content.
        keepalive_s: seconds between the comments that keep a waiting stream open.
        watch_s: seconds between two looks at this file, key files and router folders; 0 looks at SIGHUP alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    api_key_env: str | None = None
    api_key_file: Path | None = None
    keys: bool = False
    singleflight: bool = False
    data_class: str | None = Field(None, min_length=1, max_length=64)
    max_body_bytes: int = Field(16_000_000, ge=1_000)
    max_requests: int = Field(1000, ge=1)
    drain_s: float = Field(20.0, ge=0, le=3600)
    hold_s: float = Field(10.0, ge=0, le=600)
    log: Literal["json", "text"] = "json"
    keepalive_s: float = Field(10.0, gt=0, le=600)
    watch_s: float = Field(1.0, ge=0, le=3600)

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not _is_loopback(self.host) and self.api_key_env is None and self.api_key_file is None and not self.keys:
            told = f"host: {self.host} can be reached from outside"
            raise ValueError(f"{told}; name a key with api_key_env as well, or set keys = true")
        return self

    def api_key(self) -> SecretStr | None:
        """The key that clients must send, read now; None where none is configured.

        Raises:
            ConfigError: it is configured and not there.
        """
        for key, wrong in missing(self):
            raise ConfigError(f"[server] {key}: {wrong}")
        if self.api_key_file is not None:
            return SecretStr(self.api_key_file.read_text(encoding="utf-8").strip())
        return SecretStr(os.environ[self.api_key_env]) if self.api_key_env else None


class StoreSettings(BaseModel):
    """Where the log is, as the ``[store]`` table or ``ENSEMBLE_STORE__...`` variables.

    Attributes:
        path: the SQLite file, relative to the configuration file; it is made where it is missing.
        url: a PostgreSQL server that keeps the log instead, such as `postgresql://user@host/database?schema=ensemble`.
        password_env: environment variable that holds the password for it; `PGPASSWORD` and `~/.pgpass` do as well.
        keep_content: how long texts stay, such as `90d` or `36h`; then numbers and hashes alone do. Unset, for ever.
        on_failure: `refuse` answers 503 while the log cannot be written; `spill` answers, and keeps records in a file.
        spill_path: that file; by default the log's name with `.spill` behind it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Path("ensemble.db")
    url: SecretStr | None = None
    password_env: str | None = None
    keep_content: str | None = Field(None, pattern=r"^[1-9][0-9]{0,5}[hdw]$")
    on_failure: Literal["refuse", "spill"] = "refuse"
    spill_path: Path | None = None

    @field_validator("url")
    @classmethod
    def _of_a_server(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            try:
                found = address_of(url.get_secret_value())
            except StoreError as error:
                raise ValueError(str(error)) from error
            if found.file is not None:
                raise ValueError("name a server, postgresql://USER@HOST/DATABASE; a file is named by path")
        return url

    @property
    def address(self) -> Address:
        """The log, with the password as the environment has it now.

        Raises:
            ConfigError: ``password_env`` names a variable that is not set.
        """
        if self.url is None:
            return address_of(self.path)
        for key, wrong in missing(self):
            raise ConfigError(f"[store] {key}: {wrong}")
        password = os.environ[self.password_env] if self.password_env else None
        return address_of(self.url.get_secret_value(), local=self.path, password=password)

    @property
    def keep_for(self) -> timedelta | None:
        """How long texts stay; None for ever."""
        if self.keep_content is None:
            return None
        return {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}[self.keep_content[-1]] * int(
            self.keep_content[:-1]
        )

    @property
    def spill(self) -> Path | None:
        """The file for records that the log does not take; None where they are refused."""
        if self.on_failure == "refuse":
            return None
        return self.spill_path or self.path.with_name(f"{self.path.name}.spill")


class Operations(BaseModel):
    """The tables that may differ from machine to machine, so the environment goes before the file."""

    model_config = ConfigDict(extra="forbid")

    server: ServerSettings = Field(default_factory=ServerSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    shared: SharedSettings = Field(default_factory=SharedSettings)

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> "Operations":
        """From the tables as they are ``written`` and the environment.

        Raises:
            ValidationError: an option is not as it must be.
            ValueError: a variable that stands for a whole table holds no JSON.
        """
        if not any(name.upper().startswith(PREFIX) for name in os.environ):
            return cls(**written)
        from ensemble.config.variables import FromEnvironment  # 1.5 MB that few services need

        return FromEnvironment(**written)

    def relative_to(self, base: Path) -> Self:
        """The same with its paths read relative to ``base``."""
        key_file = self.server.api_key_file
        server = self.server.model_copy(update={"api_key_file": key_file and beside(key_file, base)})
        spill = self.store.spill_path
        paths = {"path": beside(self.store.path, base), "spill_path": spill and beside(spill, base)}
        store = self.store.model_copy(update=paths)
        return self.model_copy(update={"server": server, "store": store})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
