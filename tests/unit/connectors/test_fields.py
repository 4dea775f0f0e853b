"""Every wrong field of a connector is reported, all at once."""

import pytest

from services.connectors.configs import Divided
from services.connectors.fields import changed_config, new_config
from services.kit.errors import Invalid
from tests.unit.connectors.kinds import OUTBOUND, TOOL

TYPES = {"tool": TOOL, "other": TOOL}
CONFIG = {"list_id": "L1", "api_key": "a-secret-key"}
SENT = {"segment": 1, "connector_type": "tool", "config": CONFIG}


def created(sent: dict[str, object], *, has_segment: bool = True) -> Divided:
    return new_config(sent, TYPES, OUTBOUND, hosts={}, has_segment=has_segment)


def changed(sent: dict[str, object], *, has_segment: bool = True) -> Divided | None:
    stored = {"api_key": "stored-key"}
    return changed_config(sent, TOOL, OUTBOUND, stored=stored, hosts={}, has_segment=has_segment)


def wrong(**fields: object) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as raised:
        created({**SENT, **fields}, has_segment=fields.get("segment", 1) == 1)
    return raised.value.fields


def test_a_whole_connector_is_taken() -> None:
    assert created(SENT).secrets == {"api_key": "a-secret-key"}


def test_everything_is_required() -> None:
    with pytest.raises(Invalid) as raised:
        created({}, has_segment=False)
    required = ["This field is required."]
    assert raised.value.fields == {"segment": required, "connector_type": required, "config": required}


def test_every_wrong_field_is_in_one_answer() -> None:
    assert wrong(segment=7, connector_type="pigeon", config=[]) == {
        "segment": ["There is no segment 7."],
        "connector_type": ["'pigeon' is not one of tool, other"],
        "config": ["must be an object, not a list"],
    }


def test_a_wrong_configuration_is_told_key_by_key() -> None:
    assert wrong(config={"list_id": "L1", "apikey": "x"}) == {
        "config": ["api_key: this key is required", "apikey: unknown key"]
    }


def test_null_is_no_configuration() -> None:
    assert wrong(config=None) == {"config": ["must be an object, not null"]}
    with pytest.raises(Invalid):
        changed({"config": None})


def test_a_change_holds_what_was_sent_only() -> None:
    assert changed({}) is None
    assert changed({"status": "active", "segment": 2}) is None
    kept = changed({"config": {"list_id": "L2", "api_key": "***"}})
    assert kept is not None
    assert kept.secrets == {"api_key": "stored-key"}


def test_every_wrong_field_of_a_change_is_in_one_answer() -> None:
    with pytest.raises(Invalid) as raised:
        changed({"segment": 9, "status": "error", "config": {}}, has_segment=False)
    assert raised.value.fields == {
        "segment": ["There is no segment 9."],
        "status": ["'error' is not one of active, inactive"],
        "config": ["list_id: this key is required", "api_key: this key is required"],
    }
