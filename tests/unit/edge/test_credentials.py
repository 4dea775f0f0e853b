"""What the edge remembers of credentials, and when it forgets."""

import asyncio
import base64
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import credentials as edge_credentials
from edge.credentials import Credentials
from services.gen.segops.identity.v1.credentials_pb2 import ResolvedApiKey
from services.kit.caller import API_AUDIENCE, ISSUER, Caller, IdentityVerifier
from services.kit.errors import NotFound, Unauthenticated

KEY = "ApiKey sk_live_1"
SIGNING_KEY = Ed25519PrivateKey.generate()


class Identity:
    """The identity service's answers, counted."""

    def __init__(self) -> None:
        self.asked = 0
        self.revoked = False
        self.key_type = "secret"
        self.was_asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def resolve_api_key(self, key_hash: bytes) -> ResolvedApiKey:
        self.asked += 1
        self.was_asked.set()
        answer = None if self.revoked else ResolvedApiKey(key_id=5, tenant_id=7, key_type=self.key_type)
        await self.answering.wait()
        if answer is None:
            raise NotFound
        return answer

    async def resolve_key_id(self, key_id: int) -> ResolvedApiKey:
        assert key_id == 5
        return await self.resolve_api_key(b"")

    async def token_key(self, _: str) -> jwt.PyJWK:
        return jwt.PyJWK(jwt.algorithms.OKPAlgorithm.to_jwk(SIGNING_KEY.public_key(), as_dict=True))


def made(*, listening: bool = True) -> tuple[Identity, Credentials]:
    identity = Identity()
    return identity, Credentials(identity=identity, listening=lambda: listening)  # type: ignore[arg-type]


async def test_a_credential_is_verified_once_while_changes_are_heard_of() -> None:
    identity, credentials = made()
    for _ in range(3):
        assert (await credentials.resolve(KEY, "")).caller.tenant_id == 7
    assert identity.asked == 1


async def test_nothing_is_remembered_while_no_one_listens() -> None:
    identity, credentials = made(listening=False)
    for _ in range(3):
        await credentials.resolve(KEY, "")
    assert identity.asked == 3


@pytest.mark.parametrize("tag", ["key:5", "tenant:7"])
async def test_a_change_is_forgotten_at_once(tag: str) -> None:
    identity, credentials = made()
    await credentials.resolve(KEY, "")
    identity.revoked = True
    credentials.forget("key:6")
    await credentials.resolve(KEY, "")
    credentials.forget(tag)
    with pytest.raises(Unauthenticated):
        await credentials.resolve(KEY, "")


async def test_an_answer_older_than_a_change_is_not_remembered() -> None:
    identity, credentials = made()
    identity.answering.clear()
    resolving = asyncio.create_task(credentials.resolve(KEY, ""))
    await identity.was_asked.wait()
    identity.revoked = True
    credentials.forget("key:5")
    identity.answering.set()
    await resolving
    with pytest.raises(Unauthenticated):
        await credentials.resolve(KEY, "")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        "ApiKey",
        "ApiKey ",
        "Basic x",
        "Basic é",
        "Basic //8=",
        "Bearer x",
        "Bearer a.b.c",
        "ApiKey " + "x" * 5000,
    ],
)
async def test_what_is_no_credential_is_refused(header: str) -> None:
    identity, credentials = made()
    identity.revoked = True
    with pytest.raises(Unauthenticated):
        await credentials.resolve(header, "")


@pytest.mark.parametrize(("key_type", "kind"), [("secret", "secret_key"), ("public", "public_key")])
@pytest.mark.parametrize("header", ["ApiKey k", "apikey  k ", "Basic " + base64.b64encode(b"k:").decode()])
async def test_a_key_is_a_caller_of_its_type_however_it_is_shown(header: str, key_type: str, kind: str) -> None:
    identity, credentials = made()
    identity.key_type = key_type
    assert (await credentials.resolve(header, "")).caller == Caller(kind=kind, tenant_id=7, key_id=5)  # type: ignore[arg-type]


def session(**claims: object) -> str:
    said = {"iss": ISSUER, "aud": API_AUDIENCE, "typ": "session", "sub": "anon_x", "tenant": 7, "key": 5}
    token = jwt.encode({**said, "exp": time.time() + 900, **claims}, SIGNING_KEY, "EdDSA", {"kid": "1"})
    return f"Bearer {token}"


@pytest.mark.parametrize("tag", ["key:5", "tenant:7"])
async def test_a_session_is_its_user_until_its_key_is_revoked(tag: str) -> None:
    identity, credentials = made()
    token = session()
    for _ in range(3):
        known = await credentials.resolve(token, "")
        assert known.caller == Caller(kind="session", tenant_id=7, key_id=5, uid="anon_x")
    assert identity.asked == 1
    identity.revoked = True
    credentials.forget(tag)
    with pytest.raises(Unauthenticated):
        await credentials.resolve(token, "")


async def test_a_session_is_not_remembered_beyond_its_end() -> None:
    _, credentials = made()
    token = session(exp=int(time.time()) + 5)
    known = await credentials.resolve(token, "")
    assert known.expires_at <= time.time() + 5
    with pytest.raises(Unauthenticated):
        await credentials.resolve(session(exp=int(time.time()) - 1), "")


async def test_the_one_known_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_credentials, "MAX_REMEMBERED", 2)
    identity, credentials = made()
    tokens = [session(sub=f"user-{number}") for number in range(3)]
    for token in [*tokens, *tokens[1:]]:
        await credentials.resolve(token, "")
    assert identity.asked == 3
    await credentials.resolve(tokens[0], "")
    assert identity.asked == 4


async def test_the_minted_identity_is_reused_and_names_the_caller() -> None:
    _, credentials = made()
    key = Ed25519PrivateKey.generate()
    known = await credentials.resolve(KEY, "")
    token = known.signed_identity(key)
    assert known.signed_identity(key) == token
    assert IdentityVerifier(key=key.public_key()).verify(token) == known.caller
