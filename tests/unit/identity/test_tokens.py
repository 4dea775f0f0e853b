"""Tokens are signed with one key, and verify with it and no other."""

import json
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.identity.tokens import TokenSigner, key_id_of, key_set, named_key, read_refresh
from services.kit.errors import Unauthenticated

ONE, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def test_a_token_names_the_key_that_signed_it_and_verifies_with_the_key_set() -> None:
    token = TokenSigner(ONE).access(user_id=1, tenant_id=2)
    keys = jwt.PyJWKSet.from_json(key_set([OTHER.public_key(), ONE.public_key()]).decode())
    assert named_key(token) == key_id_of(ONE.public_key())
    claims = jwt.decode(token, keys[named_key(token)], algorithms=["EdDSA"], audience="segops-api")
    assert (claims["sub"], claims["tenant"], claims["typ"]) == ("1", 2, "access")


def test_the_key_set_holds_no_private_part() -> None:
    (shown,) = json.loads(key_set([ONE.public_key()]))["keys"]
    assert shown.keys() == {"kty", "crv", "x", "kid", "use", "alg"}


def test_a_refresh_token_is_read_with_its_own_key_only() -> None:
    token_id = uuid.uuid4()
    token = TokenSigner(ONE).refresh(user_id=1, tenant_id=2, token_id=token_id)
    assert read_refresh(token, ONE.public_key()).id == token_id
    with pytest.raises(Unauthenticated):
        read_refresh(token, OTHER.public_key())
    with pytest.raises(Unauthenticated):
        read_refresh(TokenSigner(ONE).access(user_id=1, tenant_id=2), ONE.public_key())


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é.é.é", "." * 10_000])
def test_what_is_no_token_names_no_key(text: str) -> None:
    with pytest.raises(Unauthenticated):
        named_key(text)
