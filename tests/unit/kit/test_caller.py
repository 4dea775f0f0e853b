"""Signed identities."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.kit.caller import AUDIENCE, ISSUER, Caller, IdentityVerifier, mint
from services.kit.errors import Forbidden, Unauthenticated

KEY = Ed25519PrivateKey.generate()
PERSON = Caller(kind="person", tenant_id=7, user_id=3, role="viewer")


def verifier() -> IdentityVerifier:
    return IdentityVerifier(key=KEY.public_key())


@pytest.mark.parametrize(
    "caller",
    [
        PERSON,
        Caller(kind="secret_key", tenant_id=7, key_id=9),
        Caller(kind="public_key", tenant_id=7, key_id=9),
        Caller(kind="session", tenant_id=7, key_id=9, uid="anon_Ä|1"),
        Caller(kind="service", tenant_id=7, service="segments"),
        Caller(kind="anonymous"),
    ],
)
def test_a_caller_is_the_same_behind_the_wire(caller: Caller) -> None:
    subject, token = verifier(), mint(caller, KEY)
    assert subject.verify(token) == caller
    assert subject.verify(token) == caller  # remembered


def test_an_expired_identity_is_refused_also_when_it_was_remembered() -> None:
    subject = verifier()
    with pytest.raises(Unauthenticated):
        subject.verify(mint(PERSON, KEY, seconds=-1))
    token = mint(PERSON, KEY, seconds=60)
    assert subject.verify(token) == PERSON
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "_decode", refuse)
        assert subject.verify(token) == PERSON
        later = time.time() + 61
        patch.setattr(time, "time", lambda: later)
        with pytest.raises(Unauthenticated):
            subject.verify(token)


def refuse(_: str) -> None:
    raise Unauthenticated


def test_a_forged_identity_is_refused() -> None:
    claims = {"exp": time.time() + 60, "aud": AUDIENCE, "iss": ISSUER, "typ": "internal", "sub": "person", "tenant": 7}
    forged = [
        "",
        "x",
        mint(PERSON, Ed25519PrivateKey.generate()),
        jwt.encode(claims | {"aud": "segops-api"}, KEY, "EdDSA"),
        jwt.encode(claims | {"typ": "access"}, KEY, "EdDSA"),
        jwt.encode(claims, "secret" * 8, "HS256"),
    ]
    for token in forged:
        with pytest.raises(Unauthenticated):
            verifier().verify(token)


def test_a_caller_without_a_tenant_cannot_work_in_one() -> None:
    with pytest.raises(Forbidden):
        _ = Caller(kind="service").tenant
