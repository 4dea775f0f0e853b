"""A kind of destination that tests know all about."""

from typing import Any

from pydantic import Field, SecretStr, field_validator

from services.connectors.addresses import AllowList
from services.connectors.destinations.interface import Audience, Config, DestinationType
from services.connectors.outbound import Outbound

OUTBOUND = Outbound(AllowList())


class ToolConfig(Config):
    """A list in a tool, with one secret that it needs and one that it may have."""

    list_id: str = Field(min_length=1)
    api_key: SecretStr = Field(min_length=8)
    signature: SecretStr | None = None
    size: int = 10

    @field_validator("size")
    @classmethod
    def _is_even(cls, size: int) -> int:
        if size % 2:
            raise ValueError("must be even")
        return size


def place(config: ToolConfig, audience: Audience) -> str:
    return config.list_id


def never(*_: object) -> Any:
    raise AssertionError("nothing is sent here")


TOOL = DestinationType(name="tool", config=ToolConfig, place=place, open=never)
