"""Secrets are encrypted under the first key, read under any, and brought under a new first one."""

import logging

import pytest
from cryptography.fernet import Fernet

from services.kit.vault import Unreadable, Vault

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def test_a_secret_reads_back_and_is_not_in_what_is_stored() -> None:
    sealed = Vault([NEW]).seal("the secret")
    assert b"the secret" not in sealed
    assert Vault([NEW]).unseal(sealed) == "the secret"


def test_the_same_secret_is_never_stored_the_same() -> None:
    vault = Vault([NEW])
    assert vault.seal("x") != vault.seal("x")


def test_secrets_by_their_keys_read_back() -> None:
    vault = Vault([NEW])
    assert vault.unseal_all(vault.seal_all({"api_key": "ключ"})) == {"api_key": "ключ"}


def test_no_secrets_are_nothing() -> None:
    vault = Vault([NEW])
    assert vault.seal_all({}) is None
    assert vault.unseal_all(None) == {}


def test_the_first_key_encrypts_and_the_others_decrypt() -> None:
    both = Vault([NEW, OLD])
    assert both.unseal(Vault([OLD]).seal("x")) == "x"
    assert Vault([NEW]).unseal(both.seal("x")) == "x"


def test_a_secret_under_no_known_key_is_unreadable() -> None:
    sealed = Vault([OLD]).seal("x")
    for read in (Vault([NEW]).unseal, Vault([NEW]).renewed):
        with pytest.raises(Unreadable):
            read(sealed)


def test_a_secret_under_an_old_key_is_renewed_once() -> None:
    both = Vault([NEW, OLD])
    renewed = both.renewed(Vault([OLD]).seal("x"))
    assert renewed is not None
    assert Vault([NEW]).unseal(renewed) == "x"
    assert both.renewed(renewed) is None


def test_keys_are_in_no_repr_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        vault = Vault([NEW])
        with pytest.raises(Unreadable) as raised:
            vault.unseal(b"not sealed")
    for shown in (repr(vault), repr(raised.value), caplog.text):
        assert NEW not in shown
