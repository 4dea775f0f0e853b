"""Destinations before stand-ins of their vendors. Nothing else runs."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.connectors.addresses import AllowList
from services.connectors.destinations import TYPES
from services.connectors.destinations.interface import Audience, Chunk, Destination, Means, TryLater
from services.connectors.outbound import Outbound

AUDIENCE = Audience(tenant_id=3, activation_id=5, segment_id=7, segment_name="Buyers")


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    outbound = Outbound(AllowList.parse("127.0.0.1"))
    yield outbound
    await outbound.close()


@pytest.fixture
def means(outbound: Outbound, tmp_path: Path) -> Means:
    return Means(outbound=outbound, files_url=(tmp_path / "files").as_uri(), klaviyo_url="https://unused.example")


def opened(kind: str, config: Mapping[str, object], means: Means, *, audience: Audience = AUDIENCE) -> Any:
    """A destination with this configuration, as a connector's owner may send it."""
    found = TYPES[kind]
    return found.open(found.config.model_validate(config, context=means.outbound), audience, means)


def chunk(entered: Sequence[str] = (), exited: Sequence[str] = ()) -> Chunk:
    """A chunk with an id of its own."""
    return Chunk(id=uuid4(), entered=entered, exited=exited)


async def send_until_taken(destination: Destination, sent: Chunk, *, most: int = 200) -> int:
    """Sends a chunk again and again until it is taken; how often it was not."""
    for failures in range(most):
        try:
            await destination.send(sent)
        except TryLater:
            continue
        return failures
    raise AssertionError("the chunk was never taken")
