"""Where connectors of every type send to in a test, and who is there."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.standins.braze import Braze
from tests.standins.klaviyo import Klaviyo
from tests.standins.receiver import Receiver
from tests.standins.server import StandIn
from tests.standins.talonone import TalonOne


class Place(Protocol):
    """Where one connector sends to."""

    @property
    def kind(self) -> str:
        """The connector's type."""

    @property
    def standin(self) -> StandIn | None:
        """Who stands in for the vendor; None where it is a disk."""

    @property
    def config(self) -> Mapping[str, object]:
        """The connector's configuration."""

    def audiences(self, segment_id: int) -> tuple[set[str], set[str]]:
        """Who is in the audience of a segment, and who is in any other of the connector's."""


class BrazePlace:
    """An attribute for each segment."""

    kind = "braze"

    def __init__(self, standin: Braze) -> None:
        self.standin = standin

    @property
    def config(self) -> Mapping[str, object]:
        return {"rest_endpoint": self.standin.url, "api_key": self.standin.key}

    def audiences(self, segment_id: int) -> tuple[set[str], set[str]]:
        mine = f"segops_segment_{segment_id}"
        others = [self.standin.members(name) for name in self.standin.attributes if name != mine]
        return self.standin.members(mine), set().union(*others)


class KlaviyoPlace:
    """One list of an account."""

    kind = "klaviyo"

    def __init__(self, standin: Klaviyo, list_id: str) -> None:
        self.standin = standin
        self._list_id = list_id

    @property
    def config(self) -> Mapping[str, object]:
        return {"list_id": self._list_id, "api_key": self.standin.key}

    def audiences(self, segment_id: int) -> tuple[set[str], set[str]]:
        return self.standin.members(self._list_id), set()


class TalonOnePlace:
    """One audience of a deployment."""

    kind = "talonone"

    def __init__(self, standin: TalonOne, audience_id: int) -> None:
        self.standin = standin
        self._audience_id = audience_id

    @property
    def config(self) -> Mapping[str, object]:
        return {"base_url": self.standin.url, "api_key": self.standin.key, "audience_id": self._audience_id}

    def audiences(self, segment_id: int) -> tuple[set[str], set[str]]:
        return self.standin.audiences[self._audience_id], set()


class ReceiverPlace:
    """A receiver that keeps segments apart."""

    kind = "webhook"

    def __init__(self, standin: Receiver) -> None:
        self.standin = standin

    @property
    def config(self) -> Mapping[str, object]:
        secret = {"secret": self.standin.secret} if self.standin.secret else {}
        return {"url": self.standin.url, **secret}

    def audiences(self, segment_id: int) -> tuple[set[str], set[str]]:
        others = [users for other_id, users in self.standin.segments.items() if other_id != segment_id]
        return self.standin.segments[segment_id], set().union(*others)


class FilePlace:
    """A file of a tenant's only connector that sends to files, whose folder is below `directory`."""

    kind = "file"
    standin = None

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name

    @property
    def config(self) -> Mapping[str, object]:
        return {"name": self._name}

    def audiences(self, segment_id: int) -> tuple[set[str], set[str]]:
        [path] = self._directory.glob(f"*/{self._name}.csv")
        with path.open(newline="") as file:
            _, *rows = csv.reader(file)
        return {user for (user,) in rows}, set()

    def lose(self) -> None:
        """The disk is away: there is no directory any more where files could be."""
        self._directory.mkdir(exist_ok=True)
        self._directory.rename(self._kept)
        self._directory.touch()

    def find(self) -> None:
        """The disk is back."""
        self._directory.unlink()
        self._kept.rename(self._directory)

    @property
    def _kept(self) -> Path:
        return self._directory.with_suffix(".kept")
