"""What the edge remembers of credentials, and when it forgets."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.credentials import Credentials
from services.gen.segops.identity.v1.credentials_pb2 import ResolvedApiKey
from services.kit.caller import IdentityVerifier
from services.kit.errors import NotFound, Unauthenticated

KEY = "ApiKey sk_live_1"


class Identity:
    """The identity service's answers, counted."""

    def __init__(self) -> None:
        self.asked = 0
        self.revoked = False
        self.was_asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def resolve_api_key(self, key_hash: bytes) -> ResolvedApiKey:
        self.asked += 1
        self.was_asked.set()
        answer = None if self.revoked else ResolvedApiKey(key_id=5, tenant_id=7, key_type="secret")
        await self.answering.wait()
        if answer is None:
            raise NotFound
        return answer


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
    "header", ["", "x", "ApiKey", "ApiKey ", "Basic x", "Bearer x", "Bearer a.b.c", "ApiKey " + "x" * 5000]
)
async def test_what_is_no_credential_is_refused(header: str) -> None:
    identity, credentials = made()
    identity.revoked = True
    with pytest.raises(Unauthenticated):
        await credentials.resolve(header, "")


async def test_the_minted_identity_is_reused_and_names_the_caller() -> None:
    _, credentials = made()
    key = Ed25519PrivateKey.generate()
    known = await credentials.resolve(KEY, "")
    token = known.signed_identity(key)
    assert known.signed_identity(key) == token
    assert IdentityVerifier(key=key.public_key()).verify(token) == known.caller
