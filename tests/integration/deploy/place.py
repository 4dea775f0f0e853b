"""Where a container's addresses and directories are when it is a plain process."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.composed import ROOT, SECRETS, Composed

LOOPBACK = r"127\.0\.0\.1|0\.0\.0\.0"
ALONE = re.compile(rf"(?<![\d.])({LOOPBACK})(?![\d.:/])")
# Wherever a port is told: after a host, in the shell's way, and by name.
ADDRESS = re.compile(rf"(?<![\w.-])(?P<host>[a-z]+|{LOOPBACK})(?P<colon>[:/])(?P<port>\d{{4,5}})(?!\d)")
NAMED_PORT = re.compile(r"^(?P<name>\w*port\w*)(?P<sign>[:=] ?)(?P<port>\d{4,5})$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One container's: `hosts` are the loopback addresses by name, ports are moved by `offset`."""

    service: Composed
    root: Path
    hosts: Mapping[str, str]
    offset: int

    @property
    def own(self) -> str:
        """Its address."""
        return self.hosts[self.service.name]

    def port(self, port: int) -> int:
        """Where that port of the container is."""
        return port + self.offset

    def directory(self, path: str) -> Path:
        """Where that directory of the container is; made when it does not exist."""
        if path == "/tmp":
            return Path(path)
        volume = self.service.mounts.get(path, ("", True))[0]
        found = self.root / "volumes" / volume if volume else self.root / self.service.name / path.lstrip("/")
        found.mkdir(parents=True, exist_ok=True)
        return found

    def furnish(self, secrets: Path) -> None:
        """Puts in it what a container has mounted: its own secrets and no other, and files of the repository."""
        for name in self.service.secrets:
            shutil.copy(secrets / name, self.directory(SECRETS))
        for path, (source, _) in self.service.mounts.items():
            if source.startswith("./"):
                target = self.root / self.service.name / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self.translate((ROOT / source).read_text()))

    def translate(self, text: str) -> str:
        """A text of the container's, with the addresses and directories of this machine."""
        text = ALONE.sub(self.own, ADDRESS.sub(self._address, text))
        text = NAMED_PORT.sub(lambda found: f"{found['name']}{found['sign']}{self.port(int(found['port']))}", text)
        for path in sorted(
            {SECRETS, "/data", *self.service.mounts, *self.service.body["tmpfs"]}, key=len, reverse=True
        ):
            if path != "/tmp":
                text = re.sub(rf"(?<![\w./-]){path}(?![\w.-])", str(self._mapped(path)), text)
        return text

    def _mapped(self, path: str) -> Path:
        source = self.service.mounts.get(path, ("", True))[0]
        if source.startswith("./"):
            return self.root / self.service.name / path.lstrip("/")
        return self.directory(path)

    def _address(self, found: re.Match[str]) -> str:
        host = found["host"]
        if host in {"127.0.0.1", "0.0.0.0"}:
            return f"{self.own}{found['colon']}{self.port(int(found['port']))}"
        if host in self.hosts and found["colon"] == ":":
            return f"{self.hosts[host]}:{self.port(int(found['port']))}"
        return found[0]
