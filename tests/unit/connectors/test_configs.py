"""A configuration is checked whole, its secrets are taken out of it, and none is in an error."""

from collections.abc import Mapping

import pytest

from services.connectors.configs import MASK, MAX_CONFIG_CHARS, Divided, WrongConfig, config_of, divide, wrong_hosts
from tests.unit.connectors.kinds import OUTBOUND, TOOL, ToolConfig

SECRET = "a-very-secret-key"
SENT = {"list_id": "L1", "api_key": SECRET}


def divided(sent: Mapping[str, object], stored: Mapping[str, str] | None = None) -> Divided:
    return divide(TOOL, sent, stored or {}, {}, OUTBOUND)


def wrong(sent: Mapping[str, object], stored: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(WrongConfig) as raised:
        divided(sent, stored)
    return raised.value.texts


def test_a_secret_is_masked_and_the_rest_reads_back_as_sent() -> None:
    config = divided(SENT)
    assert config.public == {"list_id": "L1", "api_key": MASK}
    assert config.secrets == {"api_key": SECRET}


def test_a_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(divided(SENT))
    assert SECRET not in repr(config_of(TOOL, {"list_id": "L1"}, {"api_key": SECRET}))


def test_a_mask_keeps_the_stored_secret() -> None:
    assert divided({"list_id": "L2", "api_key": MASK}, {"api_key": SECRET}).secrets == {"api_key": SECRET}


def test_a_secret_is_replaced_by_another() -> None:
    assert divided({"list_id": "L2", "api_key": "another-one"}, {"api_key": SECRET}).secrets == {
        "api_key": "another-one"
    }


def test_a_secret_that_is_left_out_is_gone() -> None:
    stored = {"api_key": SECRET, "signature": "s"}
    assert divided({"list_id": "L1", "api_key": MASK}, stored).secrets == {"api_key": SECRET}


@pytest.mark.parametrize("none", [None, ""])
def test_a_secret_that_is_empty_is_none(none: str | None) -> None:
    config = divided({**SENT, "signature": none})
    assert config.secrets.keys() == {"api_key"}
    assert config.public["signature"] == none


def test_null_stands_for_a_default() -> None:
    assert divided({**SENT, "size": None}).public == divided(SENT).public


def test_a_mask_without_a_stored_secret_is_refused() -> None:
    lost = "no stored secret to keep for this server: send the secret itself"
    assert wrong({"list_id": "L1", "api_key": MASK, "signature": MASK}) == [f"api_key: {lost}", f"signature: {lost}"]


def test_a_mask_elsewhere_is_text() -> None:
    assert divided({"list_id": MASK, "api_key": SECRET}).public["list_id"] == MASK


def test_everything_wrong_is_told_at_once() -> None:
    assert wrong({"size": 3, "Lists": [], "a b": 1}) == [
        "list_id: this key is required",
        "api_key: this key is required",
        "size: must be even",
        "Lists: unknown key",
        "'a b': unknown key",
    ]


def test_a_wrong_type_is_told_in_words() -> None:
    assert wrong({"list_id": 7, "api_key": "short", "size": "many"}) == [
        "list_id: must be a valid string",
        "api_key: must have at least 8 items after validation, not 5",
        "size: must be a valid integer, unable to parse string as an integer",
    ]


def test_control_characters_are_refused_also_in_secrets() -> None:
    assert wrong({"list_id": "L\0", "api_key": "secret\r\nX-Header: 1"}) == [
        "list_id: control characters are not allowed",
        "api_key: control characters are not allowed",
    ]


def test_no_error_holds_a_value() -> None:
    texts = wrong({"list_id": "", "api_key": SECRET + "\n", "size": 3, "signature": [SECRET], "x": SECRET})
    assert SECRET not in str(texts)
    with pytest.raises(WrongConfig) as raised:
        config_of(TOOL, {"list_id": "L", "size": 3}, {"api_key": SECRET})
    assert SECRET not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_hostile_configuration_is_answered_shortly() -> None:
    assert len(wrong({f"key_{number}": number for number in range(1_000)})) == 21
    assert wrong({"list_id": "x" * MAX_CONFIG_CHARS}) == ["use 32,000 characters or fewer in all"]


def test_a_stored_configuration_opens_with_its_secrets() -> None:
    config = config_of(TOOL, {"list_id": "L1", "api_key": MASK}, {"api_key": SECRET})
    assert isinstance(config, ToolConfig)
    assert config.api_key.get_secret_value() == SECRET


async def test_a_name_that_leads_to_a_private_address_is_refused_when_it_is_typed() -> None:
    urls = {
        "url": "https://localhost/hook",
        "other": "https://10.0.0.1/",
        "list_id": "L1",
        "third": ["https://localhost/"],
    }
    hosts = await wrong_hosts(urls, OUTBOUND)
    assert hosts == {"url": "The host of the URL has no public address."}
    with pytest.raises(WrongConfig) as raised:
        divide(TOOL, SENT | {"list_id": "https://localhost/"}, {}, {"list_id": hosts["url"]}, OUTBOUND)
    assert raised.value.texts == ["list_id: The host of the URL has no public address."]
