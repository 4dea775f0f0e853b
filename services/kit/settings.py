"""Settings every process reads: where things are on this machine or in this cluster."""

import hashlib
import tempfile
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationInfo, field_validator
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
    # PEM files, both or neither: with them the edge speaks TLS, and nothing else.
    edge_tls_certificate: Path | None = None
    edge_tls_key: Path | None = Field(default=None, validate_default=True)

    database_url: str = ""
    warehouse_url: str = ""
    nats_url: str = ""
    ratelimit_url: str = "memory://"  # or redis://, rediss://: then several edges count together

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
    # Whether Owners put their tenants on other plans; when not set, only where new tenants have the greatest anyway.
    owners_choose_plan: bool | None = None
    # Of one address, in calls without a valid credential.
    stranger_requests_per_minute: int = Field(default=600, ge=1)
    # Comma-separated CIDRs of the proxies before the edge, whose X-Forwarded-For is believed.
    trusted_proxies: str = ""
    # smtp://, smtp+starttls:// or smtps://user:password@host:port of the server that mails invitations; else none is.
    smtp_url: SecretStr = SecretStr("")
    mail_from: str = "segops@localhost"
    public_url: str = ""  # of the edge, for links in mails
    drain_seconds: float = Field(default=5.0, gt=0)
    log_level: str = "INFO"

    @field_validator("edge_tls_key")
    @classmethod
    def _belongs_to_a_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if (key is None) != (info.data.get("edge_tls_certificate") is None):
            raise ValueError("A certificate and its key are set together.")
        return key

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: str) -> str:
        _networks(proxies)
        return proxies

    @cached_property
    def proxy_networks(self) -> list[IPv4Network | IPv6Network]:
        """The trusted proxies."""
        return _networks(self.trusted_proxies)

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

    @property
    def lets_owners_choose_plan(self) -> bool:
        """Whether Owners put their tenants on other plans."""
        return self.default_plan == "enterprise" if self.owners_choose_plan is None else self.owners_choose_plan

    def address(self, service: str) -> str:
        """The gRPC target of a service by its short name, such as `segments`."""
        configured: str = getattr(self, f"{service}_address")
        return configured or f"unix:{self.run_dir / f'{service}.sock'}"


def _networks(listed: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(entry.strip()) for entry in listed.split(",") if entry.strip()]
