"""The settings of the identity process."""

import pytest
from cryptography.fernet import Fernet

from services.identity.settings import IdentitySettings

ONE, OTHER = (Fernet.generate_key().decode() for _ in range(2))


def test_keys_of_the_vault_come_from_a_variable_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGOPS_IDENTITY_KEYS", f"{ONE}, {OTHER}")
    own = IdentitySettings()
    assert own.key_list == [ONE, OTHER]
    assert ONE not in repr(own)
