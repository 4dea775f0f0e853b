"""Settings that may come from files: what is secret stays out of the environment, which others get to see."""

import os

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

DIRECTORY_VARIABLE = "SEGOPS_SECRETS_DIR"


class FileSettings(BaseSettings):
    """Settings from variables, and from files in the directory that `SEGOPS_SECRETS_DIR` names.

    A file is called like its variable in lower case, `segops_smtp_url`. A variable counts first, unless it is empty.
    Errors name the setting and never what it was set to.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, the one that counts most first."""
        files = SecretsSettingsSource(settings_cls, secrets_dir=os.environ.get(DIRECTORY_VARIABLE) or None)
        return init_settings, env_settings, files
