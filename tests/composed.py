"""docker-compose.yml as docker compose reads it."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docker-compose.yml"
OURS = "segops/platform"
SECRETS = "/run/secrets"

# Every setting has a default, and `$$` is a dollar.
_VARIABLE = re.compile(r"\$\$|\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Composed:
    """One service."""

    name: str
    body: Mapping[str, Any]

    @property
    def image(self) -> str:
        """The image's name and tag."""
        return str(self.body["image"])

    @property
    def is_ours(self) -> bool:
        """Whether it runs our image."""
        return self.image.startswith(OURS)

    @property
    def is_tool(self) -> bool:
        """Whether it is started by its name only."""
        return bool(self.body.get("profiles"))

    @property
    def ends(self) -> bool:
        """Whether it does something once and ends."""
        return bool(self.body["restart"] == "on-failure")

    @property
    def environment(self) -> Mapping[str, str]:
        """Its variables."""
        return {name: str(value) for name, value in self.body.get("environment", {}).items()}

    @property
    def secrets(self) -> Sequence[str]:
        """The secrets that it is given."""
        return tuple(self.body.get("secrets", ()))

    @property
    def mounts(self) -> Mapping[str, tuple[str, bool]]:
        """By directory of the container: the volume or file there, and whether it can be written."""
        parts = [volume.split(":") for volume in self.body.get("volumes", ())]
        return {part[1]: (part[0], part[2:] != ["ro"]) for part in parts}

    @property
    def writable(self) -> Sequence[str]:
        """Where it can write."""
        return [*self.body["tmpfs"], *(path for path, (_, is_writable) in self.mounts.items() if is_writable)]

    @property
    def dependencies(self) -> Mapping[str, str]:
        """The condition of each service that must come before."""
        return {name: wanted["condition"] for name, wanted in self.body.get("depends_on", {}).items()}


def document(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file with variables in their places, merged."""
    chosen = os.environ if variables is None else variables

    def value(match: re.Match[str]) -> str:
        return chosen.get(match[1]) or match[2] if match[1] else "$"

    def interpolated(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: interpolated(child) for name, child in node.items()}
        if isinstance(node, list):
            return [interpolated(child) for child in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    loaded: dict[str, Any] = interpolated(yaml.safe_load(FILE.read_text()))
    return loaded


def services() -> dict[str, Composed]:
    """All of them, by name."""
    return {name: Composed(name=name, body=body) for name, body in document({})["services"].items()}
