"""Tokens that we did not sign for this, now, and for whoever shows them."""

import socket
from collections.abc import Iterator

import httpx
import jwt
import pytest

from tests.e2e.account import Account, register
from tests.e2e.attacks import frames
from tests.e2e.attacks.forging import FORGED, Material
from tests.e2e.operating import signing_key
from tests.e2e.test_sessions import ask, new_public_key
from tests.running import Running

ME, REFRESH, TRACK = "/api/auth/me/", "/api/auth/token/refresh/", "/api/ingestion/track/"
EVENT = {"user_id": "a", "event_type": "b"}


@pytest.fixture(scope="module")
def lure() -> Iterator[socket.socket]:
    """Listens, and hopes to be asked for a key."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture(scope="module")
def materials(
    platform: Running, url: str, theirs: Account, stolen: str, lure: socket.socket
) -> Iterator[dict[str, Material]]:
    """By kind of token: what an attacker has and would like to have."""
    with register(url) as account:
        made = {}
        for kind, token, other in (
            ("access", account.access, account.refresh),
            ("refresh", account.refresh, account.access),
        ):
            header = jwt.get_unverified_header(token)
            made[kind] = Material(
                good=token,
                claims=jwt.decode(token, options={"verify_signature": False}),
                header=header,
                key=signing_key(platform, header["kid"]),
                lure=f"http://127.0.0.1:{lure.getsockname()[1]}/jwks.json",
                tenant_id=theirs.tenant_id,
                user_id=theirs.person.get(ME).json()["user"]["id"],
                other=other,
                internal=stolen,
            )
        yield made


def show(http: httpx.Client, token: str) -> httpx.Response:
    """The answer to whoever asks who they are."""
    return http.get(ME, headers={"authorization": f"Bearer {token}"})


def renew(http: httpx.Client, token: str) -> httpx.Response:
    """The answer to whoever wants new tokens."""
    return http.post(REFRESH, json={"refresh": token})


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused_as_garbage_is(
    http: httpx.Client, port: int, materials: dict[str, Material], lure: socket.socket, name: str
) -> None:
    token = FORGED[name](materials["access"])
    garbage, answer = show(http, "garbage"), show(http, token)
    assert (answer.status_code, answer.content) == (garbage.status_code, garbage.content)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"]
    me, shown = b"/segops.identity.v1.IdentityService/GetMe", (b"authorization", b"Bearer " + token.encode())
    assert frames.ask(port, frames.rpc(port, me, shown), frames.NOTHING).grpc_status == 16
    assert nobody_came(lure)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_refresh_token_renews_nothing(
    http: httpx.Client, materials: dict[str, Material], lure: socket.socket, name: str
) -> None:
    answer = renew(http, FORGED[name](materials["refresh"]))
    assert (answer.status_code, list(answer.json())) == (401, ["detail"])
    assert nobody_came(lure)


def nobody_came(lure: socket.socket) -> bool:
    """Whether nobody asked the attacker for a key."""
    try:
        lure.accept()
    except BlockingIOError:
        return True
    return False


def test_a_token_that_is_made_as_ours_are_is_taken(http: httpx.Client, materials: dict[str, Material]) -> None:
    # After all that was forged of them.
    assert show(http, materials["access"].good).status_code == 200
    assert show(http, materials["access"].signed()).status_code == 200
    assert renew(http, materials["refresh"].signed()).status_code == 200
    assert renew(http, materials["refresh"].good).status_code == 401


def test_a_token_of_one_kind_is_none_of_another(url: str, http: httpx.Client, ours: Account) -> None:
    key = new_public_key(ours)
    session = ask(url, key, {"user_id": "a"}).json()["token"]
    assert show(http, session).status_code == 403
    assert show(http, ours.refresh).status_code == 401
    for token in (session, ours.access, ours.key, key["key"]):
        assert http.post(REFRESH, json={"refresh": token}).status_code == 401
    for token, status in ((session, 202), (ours.refresh, 401), (ours.key, 401), (key["key"], 401)):
        answer = http.post(TRACK, json=EVENT, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status
    for token in (session, ours.access, ours.refresh):
        assert http.post(TRACK, json=EVENT, headers={"authorization": f"ApiKey {token}"}).status_code == 401
        assert http.post(TRACK, json=EVENT, auth=(token, "")).status_code == 401


@pytest.mark.parametrize(("characters", "status"), [(1_000, 200), (5_000, 401), (30_000, 401), (100_000, 431)])
def test_a_token_longer_than_any_of_ours_is_refused_unread(
    http: httpx.Client, materials: dict[str, Material], characters: int, status: int
) -> None:
    assert show(http, materials["access"].signed(more="a" * characters)).status_code == status


@pytest.mark.parametrize("token", [b"\xff\xfe.\xff.\xff", "é.é.é".encode(), b"\x80" * 100, b"a.\xed\xa0\x80.b"])
def test_a_token_that_is_no_text_is_refused(http: httpx.Client, token: bytes) -> None:
    answer = http.get(ME, headers=[(b"authorization", b"Bearer " + token)])
    assert answer.status_code == 401
