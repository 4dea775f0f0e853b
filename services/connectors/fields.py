"""What a connector's fields may hold. Every wrong field is reported at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.connectors.configs import Divided, WrongConfig, divide
from services.connectors.destinations.interface import DestinationType
from services.connectors.outbound import Outbound
from services.definition.attributes import REQUIRED
from services.definition.problems import kind as json_type
from services.definition.problems import shown
from services.kit.errors import Invalid

STATUSES = ("active", "inactive")

Fields = Mapping[str, Any]
Types = Mapping[str, DestinationType[Any]]
Wrong = dict[str, list[str]]


def new_config(
    sent: Fields, types: Types, outbound: Outbound, *, hosts: Mapping[str, str], has_segment: bool
) -> Divided:
    """The configuration of a new connector. Raises Invalid with every wrong field.

    `hosts`: what is wrong with hosts in it, by key. `has_segment`: whether the segment is there.
    """
    wrong: Wrong = {}
    if not has_segment:
        wrong["segment"] = [_no_segment(sent["segment"]) if "segment" in sent else REQUIRED]
    kind = types.get(sent.get("connector_type", ""))
    if kind is None:
        name = sent.get("connector_type")
        wrong["connector_type"] = [_not_one_of(name, types) if name else REQUIRED]
    config = _config(sent["config"], kind, {}, hosts, outbound, wrong) if "config" in sent else None
    if "config" not in sent:
        wrong["config"] = [REQUIRED]
    if wrong or config is None:
        raise Invalid(wrong)
    return config


def changed_config(
    sent: Fields,
    kind: DestinationType[Any],
    outbound: Outbound,
    *,
    stored: Mapping[str, str],
    hosts: Mapping[str, str],
    has_segment: bool,
) -> Divided | None:
    """The configuration of a connector that is changed, None when none was sent; the rest is as in `new_config`.

    `stored` are the connector's secrets.
    """
    wrong: Wrong = {}
    if not has_segment:
        wrong["segment"] = [_no_segment(sent["segment"])]
    if sent.get("status", STATUSES[0]) not in STATUSES:
        wrong["status"] = [_not_one_of(sent["status"], STATUSES)]
    config = _config(sent["config"], kind, stored, hosts, outbound, wrong) if "config" in sent else None
    if wrong:
        raise Invalid(wrong)
    return config


def _config(
    sent: object,
    kind: DestinationType[Any] | None,
    stored: Mapping[str, str],
    hosts: Mapping[str, str],
    outbound: Outbound,
    wrong: Wrong,
) -> Divided | None:
    if not isinstance(sent, dict):
        wrong["config"] = [f"must be an object, not {json_type(sent)}"]
    elif kind is not None:
        try:
            return divide(kind, sent, stored, hosts, outbound)
        except WrongConfig as error:
            wrong["config"] = error.texts
    return None


def _no_segment(segment_id: int) -> str:
    return f"There is no segment {segment_id}."


def _not_one_of(value: str, choices: Iterable[str]) -> str:
    return f"{shown(value)} is not one of {', '.join(choices)}"
