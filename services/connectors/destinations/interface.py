"""What a destination is. A new one is a file beside this one and a line in `destinations/__init__.py`."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.connectors.outbound import Outbound


class Config(BaseModel):
    """What the owner of a connector says about its destination. Secrets are fields of the type SecretStr.

    What an owner sends is validated with the Outbound as pydantic's context, which says what URLs may be called:
    `model_validate(values, context=outbound)`. What was stored is validated without, and checked when it is used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


C = TypeVar("C", bound=Config)


class Refused(Exception):
    """The destination will not take this, however often it is tried.

    The text is for the connector's owner. It may have words of the destination in it: whoever shows it cuts it, and
    takes secrets out.
    """


class TryLater(Exception):
    """The destination may take this later; the text is as in Refused.

    `seconds`: how long it asked to be left alone, None if it did not say.
    """

    def __init__(self, text: str, *, seconds: float | None = None) -> None:
        super().__init__(text)
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Users to add and users to remove, each user once in all, both by id.

    `id` is the same whenever the same chunk is sent again.
    """

    id: UUID
    entered: Sequence[str]
    exited: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A user whom the destination will never take, and why, for the connector's owner.

    `user_id` is empty where the destination tells only that there is one.
    """

    user_id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Audience:
    """Which segment of which tenant is sent, by which connector."""

    tenant_id: int
    activation_id: int
    segment_id: int
    segment_name: str


class Destination(Protocol):
    """Where the users of one connector are sent.

    `chunk_users`: the most users of a chunk. `parallel`: how many chunks it takes at a time.
    """

    chunk_users: int
    parallel: int

    async def send(self, chunk: Chunk) -> Sequence[Skipped]:
        """Returns when the destination has accepted the chunk: those of its users that it never will, most often none.

        Raises Refused or TryLater; any part of the chunk may have been taken then. Sending it again, whole or after
        such a part, leaves the same users in the destination. Whoever sends makes sure that users of a chunk that was
        begun are sent again: with the same chunk, or with what is true of them by then.
        """

    async def finish(self) -> None:
        """Called when all chunks of a sync were accepted, and again if that was interrupted.

        Raises Refused or TryLater.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One user in a destination: the names by which it may be known there, and a handle to remove it by."""

    handle: str
    names: Sequence[str]


@runtime_checkable
class Readable(Destination, Protocol):
    """A destination whose list can be read back."""

    def name(self, user_id: str) -> str:
        """The name by which a user whom `send` added is found among the entries."""

    def entries(self) -> AsyncGenerator[Entry]:
        """All users in it, in no order. Raises Refused or TryLater."""

    async def remove(self, handles: Sequence[str]) -> None:
        """Removes up to `chunk_users` entries; `finish` is called after the last. Raises Refused or TryLater."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What destinations work with, from the operator's settings.

    `files_url`: where the files of tenants go, as services/kit/objects.py takes it. `klaviyo_url`: where Klaviyo's API
    is, without a slash at the end.
    """

    outbound: Outbound
    files_url: str
    klaviyo_url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DestinationType(Generic[C]):
    """One kind of destination: its name, its configuration, and how one is opened.

    `place` tells where a configuration sends an audience. Another place than before starts with nobody in it: when the
    configuration changes, everything is sent again; when the segment changes and the place with it (the segment's id
    is part of a name there), the users of the old segment leave the old place and those of the new one enter the new.
    """

    name: str
    config: type[C]
    place: Callable[[C, Audience], str]
    open: Callable[[C, Audience, Means], Destination]
