"""Roles are stored and enforced: who may call what (contract 2.3), on every route and gRPC path there is."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import grpc
import httpx
import pytest

from edge.public_services import public_services
from edge.routes import RouteTable
from services.gen.segops.identity.v1 import admin_pb2
from services.gen.segops.options.v1.access_pb2 import Access
from tests.e2e.account import PASSWORD, Account, client, new_slug, register
from tests.e2e.operating import operator
from tests.e2e.permissions import ADMITTED, CALLERS, DECLARED
from tests.e2e.segopsctl import segopsctl
from tests.running import Running

ROUTES = RouteTable(public_services())
SIGNED = Access.ACCESS_SIGNED
# Of a call that passed the door: nothing is there, or nothing was sent.
PASSED = {200, 201, 202, 204, 400, 404}
PASSED_CODES = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
UNKNOWN, REFUSED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED


@dataclass(frozen=True, kw_only=True)
class Callers:
    """One of each, by name: as clients of the routes, and as metadata of gRPC calls."""

    clients: dict[str, httpx.Client]
    channel: grpc.Channel

    def statuses(self, method: str, path: str) -> dict[str, int]:
        """What each gets who asks for nothing in particular."""
        body: dict[str, object] | None = {} if method in ("POST", "PUT", "PATCH") else None
        return {name: self.clients[name].request(method, path, json=body).status_code for name in CALLERS}

    def codes(self, rpc: str) -> dict[str, grpc.StatusCode]:
        """The same by gRPC, with an empty message."""
        return {name: self._code(rpc, self.clients[name].headers) for name in CALLERS}

    def _code(self, rpc: str, headers: httpx.Headers) -> grpc.StatusCode:
        metadata = tuple((key, headers[key]) for key in ("authorization", "x-tenant-slug") if key in headers)
        method: grpc.UnaryStreamMultiCallable[bytes, bytes] = self.channel.unary_stream(rpc)
        try:
            list(method(b"", metadata=metadata, timeout=10))
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK


@pytest.fixture(scope="module")
def callers(platform: Running, url: str) -> Iterator[Callers]:
    with ExitStack() as stack:
        admin = stack.enter_context(operator(platform))
        slug = new_slug()
        admin.call(admin.stub.CreateTenant, admin_pb2.CreateTenantRequest(slug=slug))
        # Owners of other tenants. What they are here is another matter; the last is nothing here.
        guest, foreigner = (stack.enter_context(register(url)) for _ in range(2))
        emails = {role: f"{role}@{slug}.example.com" for role in ("owner", "admin", "member")}
        for role, email in {**emails, "viewer": guest.email}.items():
            request = admin_pb2.CreateUserRequest(email=email, password=PASSWORD, tenant_slug=slug, role=role)
            admin.call(admin.stub.CreateUser, request)
        clients = {"nobody": client(url), "viewer": guest.person, "foreigner": foreigner.person}
        for person in (guest.person, foreigner.person):
            person.headers["x-tenant-slug"] = slug
        for role, email in emails.items():
            tokens = clients["nobody"].post("/api/auth/token/", json={"email": email, "password": PASSWORD}).json()
            clients[role] = client(url, f"Bearer {tokens['access']}")
        for kind in ("secret", "public"):
            wanted = admin_pb2.CreateKeyRequest(tenant_slug=slug, name="k", key_type=kind)
            key = admin.call(admin.stub.CreateKey, wanted)
            clients[f"{kind} key"] = client(url, f"ApiKey {key.key}")
        session = clients["public key"].post("/api/auth/session/", json={"user_id": "a"}).json()
        clients["session"] = client(url, f"Bearer {session['token']}")
        for each in clients.values():
            stack.callback(each.close)
        yield Callers(
            clients=clients,
            channel=stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}")),
        )


def level(access: int) -> str:
    return Access.DESCRIPTOR.values_by_number[access].name


def test_the_protos_declare_what_is_listed() -> None:
    listed = {rpc: level for level, rpcs in DECLARED.items() for rpc in rpcs}
    declared = {rpc.rpartition(".")[2]: level(route.access) for rpc, route in ROUTES.rpcs().items()}
    assert declared == listed
    assert sum(len(rpcs) for rpcs in DECLARED.values()) == len(ROUTES.rpcs())


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in ROUTES.all()])
def test_a_route_admits_whom_it_should(callers: Callers, method: str, path: str) -> None:
    route = next(found for verb, template, found in ROUTES.all() if (verb, template) == (method, path))
    statuses = callers.statuses(method, f"{path.replace('{}', '0')}/")
    if route.access == SIGNED:
        assert set(statuses.values()) == {401}
        return
    admitted = ADMITTED[level(route.access)]
    assert {name for name, status in statuses.items() if status in PASSED} == admitted, statuses
    refused = {name: 401 if name == "nobody" else 403 for name in CALLERS if name not in admitted}
    assert {name: statuses[name] for name in refused} == refused


@pytest.mark.parametrize("rpc", ROUTES.rpcs())
def test_a_grpc_path_admits_whom_it_should(callers: Callers, rpc: str) -> None:
    access = ROUTES.rpcs()[rpc].access
    codes = callers.codes(rpc)
    if access == SIGNED:
        assert set(codes.values()) == {UNKNOWN}
        return
    admitted = ADMITTED[level(access)]
    assert {name for name, code in codes.items() if code in PASSED_CODES} == admitted, codes
    refused = {name: UNKNOWN if name == "nobody" else REFUSED for name in CALLERS if name not in admitted}
    assert {name: codes[name] for name in refused} == refused


def test_segopsctl_makes_a_tenant_and_a_person_with_a_role(platform: Running, http: httpx.Client) -> None:
    slug = new_slug()
    made = segopsctl(platform, "tenants", "create", slug, "--plan", "free", "--json")
    assert json.loads(made.stdout)["plan"] == "free"
    email = f"viewer@{slug}.example.com"
    arguments = ("users", "create", email, "--tenant", slug, "--role", "viewer", "--json")
    assert json.loads(segopsctl(platform, *arguments, password=PASSWORD).stdout)["role"] == "viewer"
    tokens = http.post("/api/auth/token/", json={"email": email, "password": PASSWORD}).json()
    me = http.get("/api/auth/me/", headers={"authorization": f"Bearer {tokens['access']}"}).json()
    assert (me["role"], me["tenant"]["slug"]) == ("viewer", slug)


def test_a_key_of_segopsctl_is_revoked_at_once(platform: Running, url: str, owner: Account) -> None:
    made = json.loads(segopsctl(platform, "keys", "create", owner.slug, "--json").stdout)
    with client(url, f"ApiKey {made['key']}") as server:
        assert server.get("/api/segments/").status_code == 200
        assert segopsctl(platform, "keys", "revoke", str(made["id"])).returncode == 0
        assert server.get("/api/segments/").status_code == 401
    assert segopsctl(platform, "keys", "revoke", str(made["id"])).returncode == 3


def test_segopsctl_makes_public_keys_with_their_limits(platform: Running, owner: Account) -> None:
    limits = ("--public", "--origin", "https://a.example.com", "--origin", "https://*.example.org", "--signed")
    made = json.loads(segopsctl(platform, "keys", "create", owner.slug, *limits, "--json").stdout)
    assert made["key"].startswith("pk_live_")
    assert len(made["hmac_secret"]) == 64
    (listed,) = [key for key in owner.person.get("/api/auth/api-keys/").json()["results"] if key["id"] == made["id"]]
    assert listed["allowed_origins"] == ["https://a.example.com", "https://*.example.org"]
    assert listed["require_signed_user_id"] is True
    refused = segopsctl(platform, "keys", "create", owner.slug, "--origin", "https://a.example.com")
    assert (refused.returncode, refused.stderr) == (1, "allowed_origins: Only a public key can have this.\n")


def test_segopsctl_says_what_is_wrong_in_words_and_exit_codes(platform: Running, owner: Account) -> None:
    refused = segopsctl(platform, "tenants", "create", owner.slug)
    assert (refused.returncode, refused.stderr) == (1, "slug: This slug is taken.\n")
    assert segopsctl(platform, "tenants", "set-plan", "no-such-tenant", "free").returncode == 3
    assert segopsctl(platform, "tenants", "explode").returncode == 2
    assert owner.slug in segopsctl(platform, "tenants", "list").stdout
