"""The settings of the connectors process are checked when it starts, and show no key."""

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from services.connectors.settings import ConnectorsSettings, OutboundSettings

ONE, OTHER = (Fernet.generate_key().decode() for _ in range(2))


def test_keys_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_CONNECTORS_KEYS", f" {ONE}, {OTHER},")
    own = ConnectorsSettings()
    assert own.key_list == [ONE, OTHER]
    assert ONE not in repr(own)


def test_no_keys_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_CONNECTORS_KEYS", "")
    assert ConnectorsSettings().key_list == []


def test_a_wrong_key_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_CONNECTORS_KEYS", f"{ONE},not-a-key")
    with pytest.raises(ValidationError, match=r"Fernet\.generate_key") as raised:
        ConnectorsSettings()
    assert ONE not in str(raised.value)
    assert "not-a-key" not in str(raised.value)


def test_a_wrong_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_OUTBOUND_ALLOW", "tool.internal, 10.0.0.0/99")
    with pytest.raises(ValidationError, match="allow"):
        OutboundSettings()
