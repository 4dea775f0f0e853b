"""Settings of the identity process, on top of those every process reads."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.kit.vault import KeySettings


class IdentitySettings(KeySettings):
    """How secrets are kept and keys change, from `SEGOPS_IDENTITY_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SEGOPS_IDENTITY_")

    key_publication_seconds: float = Field(
        default=60.0,
        ge=0,
        description="Seconds for which a new signing key is shown before it signs, so that whoever verifies tokens "
        "has it by then.",
    )
    password_memory_mib: int = Field(
        default=64,
        ge=19,
        description="MiB that the hash of a password takes (argon2id, 3 passes). Less is faster, for guessers too.",
    )
