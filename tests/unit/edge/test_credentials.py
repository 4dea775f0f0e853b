"""What the edge remembers of credentials, and when it forgets."""

import asyncio
import base64
import contextvars
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import credentials as edge_credentials
from edge.counts import Counts
from edge.credentials import Credentials
from edge.limits import Limits
from services.gen.segops.identity.v1.credentials_pb2 import ResolvedApiKey
from services.kit.caller import API_AUDIENCE, ISSUER, Caller, IdentityVerifier, current_request
from services.kit.errors import NotFound, Unauthenticated

KEY = "ApiKey sk_live_1"
ADDRESS = "192.0.2.1"
STRANGER_CALLS = 5
SIGNING_KEY = Ed25519PrivateKey.generate()


class Identity:
    """The identity service's answers, counted."""

    def __init__(self) -> None:
        self.asked = 0
        self.revoked = False
        self.key_type = "secret"
        # Ids of requests.
        self.asked_under: list[str] = []
        self.was_asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def resolve_api_key(self, key_hash: bytes) -> ResolvedApiKey:
        self.asked += 1
        self.was_asked.set()
        answer = None if self.revoked else ResolvedApiKey(key_id=5, tenant_id=7, key_type=self.key_type)
        await self.answering.wait()
        self.asked_under.append(current_request().id)
        if answer is None:
            raise NotFound
        return answer

    async def resolve_key_id(self, key_id: int, signed_by: str) -> ResolvedApiKey:
        assert (key_id, signed_by) == (5, "1")
        return await self.resolve_api_key(b"")

    async def token_key(self, _: str) -> jwt.PyJWK:
        return jwt.PyJWK(jwt.algorithms.OKPAlgorithm.to_jwk(SIGNING_KEY.public_key(), as_dict=True))


def made(*, listening: bool = True) -> tuple[Identity, Credentials]:
    identity = Identity()
    limits = Limits(tenants=Counts(), addresses=Counts(), stranger_calls=STRANGER_CALLS)
    return identity, Credentials(identity=identity, listening=lambda: listening, limits=limits)  # type: ignore[arg-type]


async def test_a_credential_is_verified_once_while_changes_are_heard_of() -> None:
    identity, credentials = made()
    for _ in range(3):
        assert (await credentials.resolve(KEY, "", ADDRESS)).caller.tenant_id == 7
    assert identity.asked == 1


async def test_identity_is_asked_under_the_id_of_each_request_though_the_server_gives_all_one_context() -> None:
    identity, credentials = made()
    identity.answering.clear()
    shared = contextvars.copy_context()
    async with asyncio.TaskGroup() as group:
        for number in ("1", "2"):
            resolving = credentials.resolve(f"ApiKey sk_live_{number}", "", ADDRESS, f"order-{number}")
            group.create_task(resolving, context=shared)
        while identity.asked < 2:
            await asyncio.sleep(0)
        identity.answering.set()
    assert identity.asked_under == ["order-1", "order-2"]


async def test_nothing_is_remembered_while_no_one_listens() -> None:
    identity, credentials = made(listening=False)
    for _ in range(3):
        await credentials.resolve(KEY, "", ADDRESS)
    assert identity.asked == 3


@pytest.mark.parametrize("tag", ["key:5", "tenant:7"])
async def test_a_change_is_forgotten_at_once(tag: str) -> None:
    identity, credentials = made()
    await credentials.resolve(KEY, "", ADDRESS)
    identity.revoked = True
    credentials.forget("key:6")
    await credentials.resolve(KEY, "", ADDRESS)
    credentials.forget(tag)
    with pytest.raises(Unauthenticated):
        await credentials.resolve(KEY, "", ADDRESS)


async def test_an_answer_older_than_a_change_is_not_remembered() -> None:
    identity, credentials = made()
    identity.answering.clear()
    resolving = asyncio.create_task(credentials.resolve(KEY, "", ADDRESS))
    await identity.was_asked.wait()
    identity.revoked = True
    credentials.forget("key:5")
    identity.answering.set()
    await resolving
    with pytest.raises(Unauthenticated):
        await credentials.resolve(KEY, "", ADDRESS)


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
        await credentials.resolve(header, "", ADDRESS)


@pytest.mark.parametrize(("key_type", "kind"), [("secret", "secret_key"), ("public", "public_key")])
@pytest.mark.parametrize("header", ["ApiKey k", "apikey  k ", "Basic " + base64.b64encode(b"k:").decode()])
async def test_a_key_is_a_caller_of_its_type_however_it_is_shown(header: str, key_type: str, kind: str) -> None:
    identity, credentials = made()
    identity.key_type = key_type
    assert (await credentials.resolve(header, "", ADDRESS)).caller == Caller(kind=kind, tenant_id=7, key_id=5)  # type: ignore[arg-type]


def session(**claims: object) -> str:
    said = {"iss": ISSUER, "aud": API_AUDIENCE, "typ": "session", "sub": "anon_x", "tenant": 7, "key": 5}
    token = jwt.encode({**said, "exp": time.time() + 900, **claims}, SIGNING_KEY, "EdDSA", {"kid": "1"})
    return f"Bearer {token}"


@pytest.mark.parametrize("tag", ["key:5", "tenant:7"])
async def test_a_session_is_its_user_until_its_key_is_revoked(tag: str) -> None:
    identity, credentials = made()
    token = session()
    for _ in range(3):
        known = await credentials.resolve(token, "", ADDRESS)
        assert known.caller == Caller(kind="session", tenant_id=7, key_id=5, uid="anon_x")
    assert identity.asked == 1
    identity.revoked = True
    credentials.forget(tag)
    with pytest.raises(Unauthenticated):
        await credentials.resolve(token, "", ADDRESS)


async def test_a_session_is_not_remembered_beyond_its_end() -> None:
    _, credentials = made()
    token = session(exp=int(time.time()) + 5)
    known = await credentials.resolve(token, "", ADDRESS)
    assert known.expires_at <= time.time() + 5
    with pytest.raises(Unauthenticated):
        await credentials.resolve(session(exp=int(time.time()) - 1), "", ADDRESS)


async def test_the_one_known_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_credentials, "MAX_REMEMBERED", 2)
    identity, credentials = made()
    tokens = [session(sub=f"user-{number}") for number in range(3)]
    for token in [*tokens, *tokens[1:]]:
        await credentials.resolve(token, "", ADDRESS)
    assert identity.asked == 3
    await credentials.resolve(tokens[0], "", ADDRESS)
    assert identity.asked == 4


async def test_the_minted_identity_is_reused_and_names_the_caller() -> None:
    _, credentials = made()
    key = Ed25519PrivateKey.generate()
    known = await credentials.resolve(KEY, "", ADDRESS)
    token = known.signed_identity(key)
    assert known.signed_identity(key) == token
    assert IdentityVerifier(key=key.public_key()).verify(token) == known.caller
