"""How far an import has come, kept in a file beside its source."""

import os
from pathlib import Path

import msgspec

from cli.events.lines import Position
from services.kit.errors import Conflict

SUFFIX = ".segops-import"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is acknowledged and reported. `identity` is the source's when the import began, `seen` when it went on."""

    identity: str
    seen: str
    position: Position = Position()
    done: bool = False
    queued: int = 0
    duplicate: int = 0
    rejected: int = 0
    # Bytes in the report of rejected lines.
    reported: int = 0


def load(path: Path) -> State | None:
    """The state, None before the first import. Raises Conflict for a file that is no state."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except ValueError as error:  # msgspec's errors are too
        raise Conflict(f"{path} does not tell how far the import came. Remove it to begin anew.") from error


def save(path: Path, state: State) -> None:
    """Writes the state, whole or not at all, onto the disk."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
