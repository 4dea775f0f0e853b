"""Names of requests: who shares one, and what it takes to make it."""

from dataclasses import replace

import pytest
from cryptography.fernet import InvalidToken

from services.kit.caller import ANONYMOUS, Caller
from services.kit.idempotency_names import Named, Namer

PERSON = Caller(kind="person", tenant_id=7, user_id=3, role="member")
BROWSER = Caller(kind="public_key", tenant_id=7, key_id=5)


def name(
    caller: Caller = PERSON,
    *,
    address: str = "192.0.2.1",
    path: str = "/p",
    key: str = "k",
    body: bytes = b"b",
    secret: bytes = b"s",
) -> Named:
    return Namer(secret=secret).name(caller, address=address, path=path, key=key, body=body)


def test_a_repetition_has_the_same_name() -> None:
    first, again = name(), name()
    assert (again.id, again.body_hash, again.once) == (first.id, first.body_hash, first.once)
    assert again.seal.decrypt(first.seal.encrypt(b"answer")) == b"answer"


@pytest.mark.parametrize(
    "other",
    [
        name(path="/q"),
        name(key="l"),
        name(secret=b"another"),
        name(replace(PERSON, user_id=4)),
        name(replace(PERSON, tenant_id=8)),
        name(Caller(kind="secret_key", tenant_id=7, key_id=3)),
        name(Caller(kind="session", tenant_id=7, key_id=3, uid="u")),
        # Where one part ends and the next begins is part of the name.
        name(path="/pk", key=""),
    ],
)
def test_another_caller_path_key_or_secret_is_another_request(other: Named) -> None:
    assert other.id != name().id
    assert other.once != name().once


def test_another_body_is_told_by_its_hash_and_can_not_open_the_answer() -> None:
    first, other = name(), name(body=b"c")
    assert other.id == first.id
    assert other.body_hash != first.body_hash
    assert other.once != first.once
    with pytest.raises(InvalidToken):
        other.seal.decrypt(first.seal.encrypt(b"answer"))


def test_a_person_keeps_their_requests_with_another_role_and_from_another_address() -> None:
    assert name(replace(PERSON, role="viewer"), address="192.0.2.2").id == name().id


@pytest.mark.parametrize("caller", [ANONYMOUS, BROWSER])
def test_callers_who_are_many_are_told_apart_by_their_address(caller: Caller) -> None:
    assert name(caller).id == name(caller).id
    assert name(caller, address="192.0.2.2").id != name(caller).id
