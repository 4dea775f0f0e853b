"""Settings every process reads: where things are on this machine or in this cluster."""

import hashlib
import tempfile
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

# sun_path holds 108 bytes with its NUL; the longest socket name below run_dir is "postgres/.s.PGSQL.5432".
LONGEST_SOCKET_NAME = 30
LONGEST_SOCKET_PATH = 107


class Settings(BaseSettings):
    """Read once per process from `SEGOPS_*` variables; every default runs on a laptop.

    Services find each other at `<name>_address`: a gRPC target, by default a unix socket below the run directory.
    """

    model_config = SettingsConfigDict(env_prefix="SEGOPS_", frozen=True, extra="ignore")

    data_dir: Path = Path(".data")
    edge_port: int = Field(default=8080, ge=1, le=65_534)
    edge_host: str = "0.0.0.0"
    edge_requests_per_second: int = Field(default=10_000, ge=1)  # of one client address

    database_url: str = ""
    warehouse_url: str = ""
    nats_url: str = ""

    listen: str = ""  # gRPC address to serve on; the process's own <name>_address when empty
    authz_address: str = ""
    identity_address: str = ""
    ingestion_address: str = ""
    warehouse_address: str = ""
    segments_address: str = ""
    connectors_address: str = ""
    profiles_address: str = ""

    default_plan: str = "enterprise"
    registration_open: bool = True
    drain_seconds: float = Field(default=5.0, gt=0)
    log_level: str = "INFO"

    @cached_property
    def home(self) -> Path:
        """The data directory, absolute."""
        return self.data_dir.absolute()

    @cached_property
    def run_dir(self) -> Path:
        """Directory of the sockets: inside the data directory, or a short one when its path is too long for sockets."""
        inside = self.home / "run"
        if len(str(inside)) + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"segops-{digest}"

    @cached_property
    def secrets_dir(self) -> Path:
        """Directory of the keys and secrets made at the first start, readable by their owner only."""
        return self.home / "secrets"

    @cached_property
    def libpq_dsn(self) -> str:
        """URL of PostgreSQL as libpq and psycopg take it."""
        url = self.database_url or f"postgresql://segops@/segops?host={quote(str(self.run_dir / 'postgres'))}"
        return "postgresql://" + url.split("://", 1)[1]

    @cached_property
    def postgres_dsn(self) -> str:
        """URL of PostgreSQL as SQLAlchemy takes it."""
        return self.libpq_dsn.replace("postgresql://", "postgresql+psycopg://", 1)

    @cached_property
    def warehouse_dsn(self) -> str:
        """clickhouse-connect DSN of the warehouse."""
        return self.warehouse_url or f"chdb://{self.home / 'warehouse'}"

    @cached_property
    def nats_port(self) -> int:
        """Port of the embedded NATS server on loopback: the one after the edge's."""
        return self.edge_port + 1

    @cached_property
    def nats_dsn(self) -> str:
        """URL of the NATS server."""
        return self.nats_url or f"nats://127.0.0.1:{self.nats_port}"

    def address(self, service: str) -> str:
        """The gRPC target of a service by its short name, such as `segments`."""
        configured: str = getattr(self, f"{service}_address")
        return configured or f"unix:{self.run_dir / f'{service}.sock'}"
