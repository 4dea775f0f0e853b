"""Services believe nobody: whoever gets to their sockets past the edge needs an identity that the edge has signed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.kit.caller import IDENTITY_HEADER, SERVICE_SECRET_HEADER, Caller, mint
from services.kit.keys import INTERNAL_KEY, INTERNAL_PUBLIC_KEY, SERVICE_SECRET, private_key, secret
from tests.e2e.account import Account
from tests.e2e.attacks.forging import base64url, encoded
from tests.e2e.attacks.inside import call
from tests.e2e.operating import signing_key
from tests.running import Running, wait_for

# A reading RPC of each process, and one that only other processes may call.
READING = {
    "identity": "/segops.identity.v1.IdentityService/ListApiKeys",
    "ingestion": "/segops.ingestion.v1.IngestionService/ListErrors",
    "segments": "/segops.segments.v1.SegmentsService/ListSegments",
    "connectors": "/segops.connectors.v1.ConnectorsService/ListWebhooks",
    "profiles": "/segops.profiles.v1.ProfilesService/SearchUsers",
    "warehouse": "/segops.warehouse.v1.WarehouseService/GetIntake",
}
OK, UNAUTHENTICATED = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED


@dataclass(frozen=True, kw_only=True)
class Made:
    """A good identity with its claims, and the keys that sign identities and tokens."""

    good: str
    claims: Mapping[str, Any]
    key: Ed25519PrivateKey
    token_key: Ed25519PrivateKey
    public_pem: bytes
    access: str
    secret: str

    def signed(self, key: Ed25519PrivateKey | None = None, **claims: Any) -> str:
        """An identity with other claims."""
        said = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        return jwt.encode(said, key or self.key, "EdDSA")


@pytest.fixture(scope="module")
def made(platform: Running, theirs: Account, stolen: str) -> Made:
    settings = platform.settings
    return Made(
        good=stolen,
        claims=jwt.decode(stolen, options={"verify_signature": False}),
        key=private_key(settings, INTERNAL_KEY),
        token_key=signing_key(platform, jwt.get_unverified_header(theirs.access)["kid"]),
        public_pem=(settings.secrets_dir / INTERNAL_PUBLIC_KEY).read_bytes(),
        access=theirs.access,
        secret=secret(settings, SERVICE_SECRET),
    )


def by_public_key(made: Made) -> str:
    """Signed with the key that verifies, as if it were a shared secret."""
    hs256 = jwt.get_algorithm_by_name("HS256")
    said = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(dict(made.claims))}"
    return f"{said}.{base64url(hs256.sign(said.encode(), made.public_pem))}"


Shown = list[tuple[str, str]]

FORGED: dict[str, Callable[[Made], Shown]] = {
    "nothing": lambda m: [],
    "an empty identity": lambda m: [(IDENTITY_HEADER, "")],
    "garbage": lambda m: [(IDENTITY_HEADER, "x")],
    "no signature": lambda m: [(IDENTITY_HEADER, m.good.rpartition(".")[0] + ".")],
    "no algorithm": lambda m: [(IDENTITY_HEADER, f"{encoded({'alg': 'none'})}.{m.good.split('.')[1]}.")],
    "the public key as secret": lambda m: [(IDENTITY_HEADER, by_public_key(m))],
    "the key of tokens": lambda m: [(IDENTITY_HEADER, m.signed(m.token_key))],
    "another key": lambda m: [(IDENTITY_HEADER, m.signed(Ed25519PrivateKey.generate()))],
    "an access token": lambda m: [(IDENTITY_HEADER, m.access)],
    "another audience": lambda m: [(IDENTITY_HEADER, m.signed(aud="segops-api"))],
    "another issuer": lambda m: [(IDENTITY_HEADER, m.signed(iss="evil"))],
    "another type": lambda m: [(IDENTITY_HEADER, m.signed(typ="access"))],
    "no type": lambda m: [(IDENTITY_HEADER, m.signed(typ=None))],
    "no end": lambda m: [(IDENTITY_HEADER, m.signed(exp=None))],
    "an end that is past": lambda m: [(IDENTITY_HEADER, m.signed(exp=int(time.time()) - 1))],
    "a beginning to come": lambda m: [(IDENTITY_HEADER, m.signed(nbf=int(time.time()) + 60))],
    "issued in the future": lambda m: [(IDENTITY_HEADER, m.signed(iat=int(time.time()) + 60))],
    "another header": lambda m: [("authorization", f"Bearer {m.good}")],
    "another spelling": lambda m: [("x_segops_identity", m.good), ("x-segops-identity-token", m.good)],
    "plain words": lambda m: [("x-segops-tenant", "1"), ("x-segops-role", "owner"), ("x-segops-user", "1")],
    "a credential of clients": lambda m: [("authorization", f"Bearer {m.access}")],
    "a wrong secret": lambda m: [(SERVICE_SECRET_HEADER, "x"), (SERVICE_SECRET_HEADER, m.secret[:-1])],
}


@pytest.mark.parametrize("service", READING)
@pytest.mark.parametrize("name", FORGED)
def test_a_service_refuses_whoever_shows_no_identity(platform: Running, made: Made, service: str, name: str) -> None:
    assert call(platform, service, READING[service], *FORGED[name](made)) == (UNAUTHENTICATED, b"")


def test_a_service_takes_one_that_is_signed_until_it_ends(platform: Running, theirs: Account, made: Made) -> None:
    owner = Caller(kind="person", tenant_id=theirs.tenant_id, user_id=made.claims["user_id"], role="owner")
    shown = (IDENTITY_HEADER, mint(owner, made.key, seconds=2))

    def statuses() -> set[grpc.StatusCode]:
        return {call(platform, service, rpc, shown)[0] for service, rpc in READING.items()}

    # The second time it is remembered.
    assert [statuses() for _ in range(2)] == [{OK}, {OK}]
    wait_for(lambda: statuses() == {UNAUTHENTICATED}, 5.0)


@pytest.mark.parametrize("service", [name for name in READING if name != "identity"])
def test_the_platforms_secret_is_for_the_identity_service_alone(platform: Running, made: Made, service: str) -> None:
    assert call(platform, service, READING[service], (SERVICE_SECRET_HEADER, made.secret))[0] == UNAUTHENTICATED


@pytest.mark.parametrize(
    ("service", "rpc", "caller"),
    [
        ("segments", "SegmentsService/CreateSegment", Caller(kind="person", tenant_id=1, user_id=1, role="viewer")),
        ("segments", "SegmentsService/ListSegments", Caller(kind="public_key", tenant_id=1, key_id=1)),
        ("segments", "SegmentsService/ListSegments", Caller(kind="session", tenant_id=1, key_id=1, uid="a")),
        ("ingestion", "IngestionService/TrackEvents", Caller(kind="session", tenant_id=1, key_id=1, uid="a")),
        ("connectors", "ConnectorsService/CreateWebhook", Caller(kind="person", tenant_id=1, user_id=1, role="viewer")),
        ("profiles", "ProfilesService/GetUser", Caller(kind="session", tenant_id=1, key_id=1, uid="a")),
        ("identity", "IdentityService/CreateApiKey", Caller(kind="secret_key", tenant_id=1, key_id=1)),
        ("identity", "IdentityService/CreateApiKey", Caller(kind="person", tenant_id=1, user_id=1, role="member")),
        ("identity", "TenantService/ChangePlan", Caller(kind="person", tenant_id=1, user_id=1, role="admin")),
        ("identity", "AdminService/ListTenants", Caller(kind="person", tenant_id=1, user_id=1, role="owner")),
        ("identity", "AdminService/RotateSigningKey", Caller(kind="secret_key", tenant_id=1, key_id=1)),
        ("identity", "CredentialService/IssueIdentity", Caller(kind="person", tenant_id=1, user_id=1, role="owner")),
        ("identity", "CredentialService/ResolveMember", Caller(kind="secret_key", tenant_id=1, key_id=1)),
    ],
    ids=str,
)
def test_a_service_asks_itself_what_the_edge_has_asked_before(
    platform: Running, made: Made, service: str, rpc: str, caller: Caller
) -> None:
    shown = (IDENTITY_HEADER, mint(caller, made.key))
    status, _ = call(platform, service, f"/segops.{service}.v1.{rpc}", shown)
    assert status == grpc.StatusCode.PERMISSION_DENIED
