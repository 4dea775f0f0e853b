"""Configurations of connectors: checked by type, divided into what may be read back and what may not."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from services.connectors.destinations.interface import Config, DestinationType
from services.connectors.outbound import Outbound
from services.definition.attributes import has_control
from services.definition.problems import shown
from services.kit.vault import Vault

# What a secret reads as; sent back, it keeps the stored one.
MASK = "***"
MAX_CONFIG_CHARS = 32_000
NAMED_ERRORS = 20
NOT_KEPT = "no stored secret to keep for this server: send the secret itself"
# No type of connector has more.
MOST_URLS = 3

C = TypeVar("C", bound=Config)


class WrongConfig(Exception):
    """The configuration is not valid; `texts` say everything wrong in it and hold no value of it."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__("; ".join(texts))
        self.texts = texts


@dataclass(frozen=True, kw_only=True, slots=True)
class Divided:
    """A configuration: as it is read back, and its secrets by their keys."""

    public: Mapping[str, object]
    secrets: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Divided({self.public!r})"


async def wrong_hosts(sent: object, outbound: Outbound) -> dict[str, str]:
    """What is wrong with where the hosts of a sent configuration's URLs are now, by the keys of the URLs."""
    values = sent if isinstance(sent, dict) else {}
    urls = {key: value for key, value in values.items() if isinstance(value, str) and value.startswith("http")}
    callable_urls = [(key, url) for key, url in urls.items() if not outbound.url_errors(url)][:MOST_URLS]
    return {key: errors[0] for key, url in callable_urls if (errors := await outbound.host_errors(url))}


def goes_elsewhere(sent: object, public: Mapping[str, object]) -> bool:
    """Whether a sent configuration leads to a server that the stored one, with its secrets, does not lead to."""
    return not _origins(sent if isinstance(sent, dict) else {}) <= _origins(public)


def _origins(config: Mapping[str, object]) -> set[tuple[str, str]]:
    parts = [urlsplit(value) for value in config.values() if isinstance(value, str) and value.startswith("http")]
    return {(part.scheme, part.netloc.lower()) for part in parts}


def divide(
    kind: DestinationType[Any],
    sent: Mapping[str, object],
    stored: Mapping[str, str],
    hosts: Mapping[str, str],
    outbound: Outbound,
) -> Divided:
    """The configuration an owner sent; null stands for a default. Raises WrongConfig.

    `stored` are the secrets that it may keep, `hosts` is what is wrong with hosts in it.
    """
    fields = kind.config.model_fields
    defaults = {key for key, field in fields.items() if field.default is not None}
    sent = {key: value for key, value in sent.items() if value is not None or key not in defaults}
    if len(json.dumps(sent)) > MAX_CONFIG_CHARS:
        raise WrongConfig([f"use {MAX_CONFIG_CHARS:,} characters or fewer in all"])
    secret_keys = {key for key, field in fields.items() if _is_secret(field.annotation)}
    kept = {key for key in secret_keys if sent.get(key) == MASK}
    values = {key: stored.get(key) if key in kept else value for key, value in sent.items()}
    texts = dict.fromkeys(sorted(kept - stored.keys()), NOT_KEPT)
    texts |= hosts
    texts |= {key: "control characters are not allowed" for key, value in values.items() if _has_control(value)}
    wrong = [f"{_shown_key(key)}: {text}" for key, text in texts.items()]
    wrong += [text for key, text in _problems(kind.config, values, outbound) if key not in texts]
    if wrong:
        raise WrongConfig(_cut(wrong))
    secrets = {key: value for key, value in values.items() if key in secret_keys and value and isinstance(value, str)}
    return Divided(public={key: MASK if key in secrets else value for key, value in sent.items()}, secrets=secrets)


def config_of(kind: DestinationType[C], public: Mapping[str, object], secrets: Mapping[str, str]) -> C:
    """A stored configuration. Raises WrongConfig when its type does not take it any more."""
    try:
        return kind.config.model_validate({**public, **secrets})
    except ValidationError as error:
        # Without its cause, which holds the values.
        raise WrongConfig(_cut([text for _, text in _texts(error)])) from None


def stored_config(kind: DestinationType[C], public: Mapping[str, object], sealed: bytes | None, vault: Vault) -> C:
    """The configuration of a connector, with its secrets. Raises Unreadable or WrongConfig."""
    return config_of(kind, public, vault.unseal_all(sealed))


def _problems(config: type[Config], values: Mapping[str, object], outbound: Outbound) -> Iterator[tuple[str, str]]:
    """Each thing wrong in the values: the key it is under, and the text with its path."""
    try:
        config.model_validate(values, context=outbound)
    except ValidationError as error:
        yield from _texts(error)


def _texts(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        path = [_shown_key(str(part)) for part in problem["loc"]]
        text = {"missing": "this key is required", "extra_forbidden": "unknown key"}.get(
            problem["type"], re.sub("^(Value error, |[A-Z][a-z]+ should )", _beginning, problem["msg"])
        )
        yield path[0] if path else "", ": ".join(part for part in (".".join(path), text) if part)


def _beginning(match: re.Match[str]) -> str:
    """How a message of pydantic begins in our own words."""
    return "must " if match[0].endswith("should ") else ""


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _has_control(value: object) -> bool:
    return isinstance(value, str) and has_control(value)


def _shown_key(key: str) -> str:
    return key if key.isidentifier() and len(key) < 100 else shown(key)


def _cut(texts: list[str]) -> list[str]:
    more = len(texts) - NAMED_ERRORS
    return [*texts[:NAMED_ERRORS], f"{more:,} more errors"] if more > 0 else texts
