"""Settings every process reads: where things are on this machine or in this cluster."""

import hashlib
import tempfile
from collections.abc import Sequence
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from services.kit import addresses
from services.kit.secret_files import FileSettings

# sun_path holds 108 bytes with its NUL; the longest socket name below run_dir is "postgres/.s.PGSQL.5432".
LONGEST_SOCKET_NAME = 30
LONGEST_SOCKET_PATH = 107

SERVICES = ("authz", "identity", "ingestion", "warehouse", "segments", "connectors", "profiles")

# Who serves metrics, in the order of their ports on one machine.
METERED = (*SERVICES, "envoy")


def _address(service: str) -> Any:
    return Field(
        default="",
        description=f"Where {service} is, as `host:port`, several with commas, or one DNS name; a socket when empty.",
    )


class Settings(FileSettings):
    """Read once per process from `SEGOPS_*` variables; every default runs on a laptop.

    Services find each other at `<name>_address`, by default a unix socket below the run directory.
    """

    model_config = SettingsConfigDict(env_prefix="SEGOPS_")

    data_dir: Path = Field(
        default=Path(".data"),
        description="Directory of everything that a process keeps on its machine: sockets, keys, embedded stores, "
        "files.",
    )
    secrets_dir: Path = Field(
        default_factory=lambda settings: Path(settings["data_dir"]).absolute() / "secrets",
        description="Directory of the keys and secrets. Where it is set, each other setting may be a file in it too, "
        "named like its variable in lower case. When empty, `secrets` in the data directory, for keys only.",
    )
    edge_port: int = Field(
        default=8080,
        ge=1,
        le=65_534,
        description="Port of the edge; the embedded event log takes the one after it, on loopback.",
    )
    edge_host: str = Field(default="0.0.0.0", description="Address on which the edge listens; 0.0.0.0 is all of IPv4.")
    edge_admin_listen: str = Field(
        default="",
        description="Where Envoy's admin interface listens, as `host:port` or `unix:/path`: whoever reaches it can end "
        "Envoy. When empty, a socket in the run directory.",
    )
    edge_requests_per_second: int = Field(
        default=10_000, ge=1, description="Requests a second that one client address may send; then it gets 429."
    )
    edge_tls_certificate: Path | None = Field(
        default=None,
        description="PEM file of the edge's certificate and those above it: with it the edge speaks TLS, and nothing "
        "else.",
    )
    edge_tls_key: Path | None = Field(
        default=None, validate_default=True, description="PEM file of the key of SEGOPS_EDGE_TLS_CERTIFICATE."
    )

    database_url: str = Field(
        default="",
        description="URL of PostgreSQL 15 or newer, `postgresql://user@host/database`; the embedded one when empty.",
    )
    database_password: SecretStr = Field(
        default=SecretStr(""), description="The password that belongs into SEGOPS_DATABASE_URL, when that has none."
    )
    warehouse_url: str = Field(
        default="",
        description="DSN of a ClickHouse server, `clickhouse://user@host:8123/database`; the embedded one when empty.",
    )
    warehouse_password: SecretStr = Field(
        default=SecretStr(""), description="The password that belongs into SEGOPS_WAREHOUSE_URL, when that has none."
    )
    nats_url: str = Field(
        default="",
        description="URL of a NATS server with JetStream, `nats://host:4222`, or those of a cluster's servers with "
        "commas; the embedded one when empty.",
    )
    nats_replicas: int = Field(
        default=1,
        ge=1,
        le=5,
        description="On how many servers of a NATS cluster each stream and bucket is kept: 1, or 3 to lose none of "
        "them with a server. What exists is brought to it when a service starts.",
    )
    eventlog_retention_days: int = Field(
        default=7,
        ge=1,
        description="Days for which the event log keeps events, also those that are loaded: as long a warehouse may be "
        "away, and so much of it can be loaded again. What exists is brought to it when a service starts.",
    )
    ratelimit_url: str = Field(
        default="memory://",
        description="`redis://host:6379/0`, or `rediss://` for TLS: where several edges count calls together; with "
        "`memory://` each counts alone.",
    )
    ratelimit_password: SecretStr = Field(
        default=SecretStr(""), description="The password that belongs into SEGOPS_RATELIMIT_URL, when that has none."
    )

    listen: str = Field(
        default="",
        description="Where this process serves, as `host:port` or `unix:/path`; its own address below when empty.",
    )
    authz_address: str = Field(
        default="",
        description="Where authz is for Envoy, `host:port`, several with commas; a socket in the run directory when "
        "empty.",
    )
    identity_address: str = _address("identity")
    ingestion_address: str = _address("ingestion")
    warehouse_address: str = _address("warehouse")
    segments_address: str = _address("segments")
    connectors_address: str = _address("connectors")
    profiles_address: str = _address("profiles")

    default_plan: str = Field(
        default="enterprise", description="Plan of new tenants: `free`, `starter`, `business` or `enterprise`."
    )
    registration_open: bool = Field(
        default=True, description="Whether strangers may register; else people come by invitation or `segopsctl`."
    )
    owners_choose_plan: bool | None = Field(
        default=None,
        description="Whether Owners put their tenants on other plans; when not set, only where new tenants have the "
        "greatest anyway.",
    )
    stranger_requests_per_minute: int = Field(
        default=600, ge=1, description="Calls a minute that one address may make without a valid credential."
    )
    trusted_proxies: str = Field(
        default="",
        description="Networks of the proxies before the edge, with commas: their `X-Forwarded-For` is believed.",
    )
    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        description="Server that mails invitations: `smtps://user:password@host:port`, `smtp+starttls://` or "
        "`smtp://`; none are mailed when empty.",
    )
    mail_from: str = Field(default="segops@localhost", description="Sender of mails.")
    public_url: str = Field(default="", description="URL at which people reach the edge, for links in mails.")
    handover_seconds: float = Field(
        default=0.0,
        ge=0,
        description="Seconds for which a process that was told to stop goes on taking calls while its health says that "
        "it should get no more; 3 where it has replicas, 0 where nobody could take over.",
    )
    drain_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Seconds that calls and streams under way have to end in when a process stops; then they are cut.",
    )
    log_level: str = Field(
        default="INFO", description="The least that processes log: `DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )
    log_file_mib: int = Field(
        default=10,
        ge=1,
        description="MiB of a process's log file at which `make run` begins another one; containers log to their "
        "output.",
    )
    log_files: int = Field(
        default=3, ge=1, description="Full log files of each process that `make run` keeps beside the current one."
    )
    metrics_listen: str = Field(
        default="",
        description="Where the process serves its metrics for Prometheus, as `host:port` or `unix:/path`; each process "
        "needs its own. When empty, a socket in the run directory, or the process's port from SEGOPS_METRICS_PORT on.",
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_500,
        description="The first of eight ports on 127.0.0.1 at which the processes of one machine serve their metrics "
        "for a Prometheus on it; 0 for none.",
    )
    otlp_endpoint: str = Field(
        default="",
        pattern=r"^$|^https?://[^/@\s]+$",
        description="Where traces go: the URL of an OpenTelemetry collector that takes OTLP over gRPC, such as "
        "`http://collector:4317`; no traces are made when empty.",
    )
    trace_percent: float = Field(
        default=100.0,
        ge=0,
        le=100,
        description="How many of a hundred requests and jobs are traced, where SEGOPS_OTLP_ENDPOINT is set.",
    )

    @field_validator(*(f"{service}_address" for service in SERVICES))
    @classmethod
    def _are_addresses(cls, listed: str) -> str:
        addresses.parse(listed)
        return listed

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
    def libpq_dsn(self) -> str:
        """URL of PostgreSQL as libpq and psycopg take it."""
        own = f"postgresql://segops@/segops?host={quote(str(self.run_dir / 'postgres'))}"
        url = _with_password(self.database_url, self.database_password) or own
        return "postgresql://" + url.split("://", 1)[1]

    @cached_property
    def postgres_dsn(self) -> str:
        """URL of PostgreSQL as SQLAlchemy takes it."""
        return self.libpq_dsn.replace("postgresql://", "postgresql+psycopg://", 1)

    @cached_property
    def warehouse_dsn(self) -> str:
        """clickhouse-connect DSN of the warehouse."""
        return _with_password(self.warehouse_url, self.warehouse_password) or f"chdb://{self.home / 'warehouse'}"

    @cached_property
    def ratelimit_dsn(self) -> str:
        """URL of the server of the Redis protocol where calls are counted; empty when each edge counts its own."""
        if self.ratelimit_url == "memory://":
            return ""
        return _with_password(self.ratelimit_url, self.ratelimit_password)

    @cached_property
    def nats_port(self) -> int:
        """Port of the embedded NATS server on loopback: the one after the edge's."""
        return self.edge_port + 1

    @cached_property
    def nats_dsn(self) -> str:
        """URL of the NATS server; of several servers of a cluster with commas."""
        return self.nats_url or f"nats://127.0.0.1:{self.nats_port}"

    @cached_property
    def nats_servers(self) -> list[str]:
        """The URL of each server of the event log that is known beforehand."""
        return [url.strip() for url in self.nats_dsn.split(",") if url.strip()]

    @property
    def lets_owners_choose_plan(self) -> bool:
        """Whether Owners put their tenants on other plans."""
        return self.default_plan == "enterprise" if self.owners_choose_plan is None else self.owners_choose_plan

    def metrics_address(self, process: str) -> str:
        """Where a process, or Envoy, serves its metrics: `unix:/path` or `host:port`."""
        if self.metrics_listen:
            return self.metrics_listen
        if self.metrics_port:
            return f"127.0.0.1:{self.metrics_port + METERED.index(process)}"
        return f"unix:{self.run_dir / f'{process}-metrics.sock'}"

    def address(self, service: str) -> str:
        """Where a service is, by its short name, such as `segments`; several with commas."""
        configured: str = getattr(self, f"{service}_address")
        return configured or f"unix:{self.run_dir / f'{service}.sock'}"

    def addresses(self, service: str) -> Sequence[str]:
        """Where the replicas of a service are."""
        return addresses.parse(self.address(service))

    def listens_on(self, service: str) -> str:
        """Where the process of a service serves. Raises ValueError when it cannot tell which address is its own."""
        own = [self.listen] if self.listen else self.addresses(service)
        if len(own) > 1:
            raise ValueError(f"SEGOPS_LISTEN says which of the addresses of {service} is this process's own.")
        return own[0]


def _with_password(url: str, password: SecretStr) -> str:
    """The URL with the password behind its user, unless there is none, or the URL has one."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if not url or not password or ":" in user:
        return url
    return parts._replace(netloc=f"{user}:{quote(password.get_secret_value(), safe='')}@{host}").geturl()


def _networks(listed: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(entry.strip()) for entry in listed.split(",") if entry.strip()]
