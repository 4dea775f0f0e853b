"""segopsctl configuration: every setting of every process, as the classes that read them declare it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

EVERYBODY = "all"
# Each class with the processes that read it.
CLASSES = {
    "services.kit.settings.Settings": EVERYBODY,
    "services.identity.settings.IdentitySettings": "identity",
    "services.ingestion.settings.IngestionSettings": "ingestion",
    "services.warehouse.settings.WarehouseSettings": "warehouse",
    "services.segments.settings.SegmentsSettings": "segments",
    "services.segments.settings.ExportSettings": "segments",
    "services.connectors.settings.ConnectorsSettings": "connectors",
    "services.connectors.settings.OutboundSettings": "connectors",
    "services.connectors.destinations.settings.DestinationSettings": "connectors",
    "services.profiles.erasure_settings.ErasureSettings": "profiles",
}
# Of the first class, which every process reads, those that only some have a use for: by the begin of the name.
READERS = {
    "edge_tls": "envoy",
    "edge_requests": "envoy",
    "edge_admin": "envoy",
    "edge_": "envoy, authz",
    "trusted_proxies": "envoy, authz",
    "ratelimit_": "authz",
    "stranger_": "authz",
    "registration_open": "identity",
    "default_plan": "identity",
    "owners_choose_plan": "identity",
    "smtp_url": "identity",
    "mail_from": "identity",
    "public_url": "identity",
    "warehouse_url": "warehouse",
    "warehouse_password": "warehouse",
    "nats_": "ingestion, warehouse",
    "eventlog_": "ingestion, warehouse",
    "log_file": "make run",
}
# What is read elsewhere.
OTHERS = {"SEGOPS_PASSWORD": "The password for `segopsctl users create`, which asks for it when there is none."}

KINDS = {int: "integer", float: "number", bool: "`true` or `false`"}
LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}

INTRODUCTION = """\
# Configuration

Every setting is a variable of a process's environment. Each has a default with which the platform runs on one machine.
An empty variable is one that is not set. A process that finds a wrong value says which one and does not start;
`segopsctl doctor` checks them all, and finds names that nothing reads.

What is secret need not be in the environment: where `SEGOPS_SECRETS_DIR` names a directory, each setting may be a file
in it, called like its variable in lower case (`segops_smtp_url`). A variable counts before a file.

This page is made of the settings classes: `make docs` writes it, and a test keeps it current.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A variable: what it may be, what it is when nobody sets it, what it does and for whom."""

    name: str
    kind: str
    default: str
    description: str
    readers: str
    is_secret: bool


def classes() -> Iterator[tuple[type[BaseSettings], str]]:
    """The settings classes and who reads each. They are loaded by name: settings are all that is used of a service."""
    for path, readers in CLASSES.items():
        module, _, name = path.rpartition(".")
        yield getattr(import_module(module), name), readers


def all_settings() -> list[Setting]:
    """Every setting there is."""
    return [
        _setting(cls.model_config.get("env_prefix", ""), name, field, readers)
        for cls, readers in classes()
        for name, field in cls.model_fields.items()
    ]


def known_names() -> set[str]:
    """The name of every variable that something reads."""
    return {setting.name for setting in all_settings()} | set(OTHERS)


def reference() -> str:
    """The configuration reference, in Markdown."""
    groups: dict[str, list[Setting]] = {}
    for setting in all_settings():
        groups.setdefault(_title(setting.readers), []).append(setting)
    parts = [INTRODUCTION, *(_section(title, settings) for title, settings in groups.items())]
    others = "\n".join(f"- `{name}`: {text}" for name, text in OTHERS.items())
    return "\n".join([*parts, "## Other variables", "", others, ""])


def _title(readers: str) -> str:
    return "All processes" if readers == EVERYBODY else readers


def _section(title: str, settings: Sequence[Setting]) -> str:
    rows = [
        f"| `{setting.name}` | {setting.kind}{', secret' if setting.is_secret else ''} | {setting.default} | "
        f"{setting.description} |"
        for setting in settings
    ]
    return "\n".join([f"## {title}", "", "| variable | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _setting(prefix: str, name: str, field: FieldInfo, readers: str) -> Setting:
    if readers == EVERYBODY:
        readers = next((some for begin, some in READERS.items() if name.startswith(begin)), readers)
    return Setting(
        name=f"{prefix}{name}".upper(),
        kind=_kind(field),
        default=_default(field),
        description=(field.description or "").replace("|", "\\|"),
        readers=readers,
        is_secret=_plain(field.annotation) is SecretStr,
    )


def _kind(field: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(item, name):g}"
        for item in field.metadata
        for name, sign in LIMITS.items()
        if hasattr(item, name)
    ]
    return " ".join([KINDS.get(_plain(field.annotation), "text"), ", ".join(limits)]).strip()


def _default(field: FieldInfo) -> str:
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if value in ("", None, PydanticUndefined):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _plain(annotation: Any) -> Any:
    """The type beside None."""
    if get_origin(annotation) is UnionType:
        return next(kind for kind in get_args(annotation) if kind is not NoneType)
    return annotation
