"""Options of operations that environment variables give, such as ``ENSEMBLE_SERVER__PORT``."""

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ensemble.config.operations import PREFIX, Operations


class FromEnvironment(Operations, BaseSettings):
    """``Operations`` with the environment before what is handed in."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings
