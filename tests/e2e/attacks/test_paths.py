"""Paths that are written so that one reader sees another route than the next."""

from dataclasses import dataclass

import pytest

from tests.e2e.account import Account
from tests.e2e.attacks import frames
from tests.e2e.attacks.plain import Answer, throw

# Every spelling of this path asks for what it asks for, or for nothing.
SPELLINGS = [
    "/api/segments/",
    "/api/segments",
    "/api/./segments/",
    "/api/x/../segments/",
    "/api/x/%2e%2e/segments/",
    "/api/x/%2E./segments/",
    "/../api/segments/",
    "/../../../../api/segments/",
    "/./api/segments/.",
    "/api/segments/x/..",
    "/api\\segments/",
    "\\api\\segments\\",
    "/api/x\\..\\segments/",
    "/%61pi/segments/",
    "/api/%73egments/",
    "/api/segments%2f",
    "/api/segments%2F",
    "/api%2fsegments/",
    "/api%2Fsegments/",
    "/api%5csegments/",
    "/api/x%2f..%2fsegments/",
    "/api/x/..%2fsegments/",
    "/api/x/%2e%2e%2fsegments/",
    "/api/x/..%5csegments/",
    "/api/%252e%252e/api/segments/",
    "/api/x/%c0%ae%c0%ae/segments/",
    "/api/x/%ef%bc%8e%ef%bc%8e/segments/",
    "/api%c0%afsegments/",
    "/api%ef%bc%8fsegments/",
    "/api/x/...//segments/",
    "/api/x/..;/segments/",
    "/api/x/..;x=1/segments/",
    "//api/segments/",
    "///api///segments///",
    "/api//segments/",
    "/api/segments//",
    "/API/segments/",
    "/api/SEGMENTS/",
    "/Api/Segments/",
    "/api/segments;/",
    "/api/segments;x=1",
    "/api/segments/;x=1",
    "/api;x=1/segments/",
    "/api/segments.",
    "/api/segments./",
    "/api./segments/",
    "/api/segments.json",
    "/api/segments%20/",
    "/api/segments%09",
    "/api/segments/%20",
    "/api/segments%00",
    "/api/segments/%00",
    "/api/segments/%00.css",
    "/api/segments%0d%0ax:%20y",
    "/api/segments%23",
    "/api/segments/%23/../../healthz",
    "/api/segments%3f",
    "/api/segments/%3flimit=1",
    "/api/segments/?/../../healthz",
    "/api/segments?x=/healthz",
    "/api/segments/&x=/healthz",
    "/api/segments:list",
    "/api/segments*",
    "/api/segments/~",
    "/api/segments/%",
    "/api/segments/%zz",
    "/api/segments/%u002e",
    "/healthz/../api/segments/",
    "/healthz/%2e%2e/api/segments/",
    "/readyz/../api/segments/",
    "/healthz/..%2fapi/segments/",
    "/healthz;/../api/segments/",
    "/healthz/api/segments/",
    "/.well-known/jwks.json/../../api/segments/",
    "/api/schema/../segments/",
    "/api/docs/../segments/",
    "/api/docs/%2e%2e/segments/",
    "/api/docs/..%2fsegments/",
    "/api/docs/..%2f..%2fapi%2fsegments/",
    "/api/docs/..;/segments/",
    "/api/docs/..\\segments/",
    "/api/docs/x/../../segments/",
    "/api/docs//../../segments/",
    "/api/docs//segments/",
    "/api/auth/token/../../segments/",
    "/api/auth/session/..;/../segments/",
    "/api/ingestion/../segments/",
    "/api/ingestion/..%2fsegments/",
    "/api/ingestion/%2e%2e%2fsegments/",
]


@dataclass(frozen=True)
class Asked:
    """The answers to whom the path is meant for, to a public key and to a stranger."""

    owner: Answer
    page: Answer
    stranger: Answer


@pytest.fixture(scope="module")
def page_key(theirs: Account) -> str:
    """What everybody can read in the source of a page."""
    made = theirs.person.post("/api/auth/api-keys/", json={"name": "page", "key_type": "public"}).json()
    key: str = made["key"]
    return key


def ask(port: int, method: str, path: str, *keys: str) -> list[Answer]:
    """The answer to each key, the last one to none."""
    head = f"{method} {path} HTTP/1.1\r\nhost: edge.example\r\nconnection: close\r\n".encode()
    shown = [*(f"authorization: ApiKey {key}\r\n".encode() for key in keys), b""]
    return [answer for line in shown for answer in throw(port, head + line + b"\r\n")]


@pytest.mark.parametrize("path", SPELLINGS)
def test_however_a_path_is_written_it_asks_for_the_same_credential(
    port: int, theirs: Account, page_key: str, path: str
) -> None:
    owner, page, stranger = ask(port, "GET", path, theirs.key, page_key)
    if owner.status == 200:
        assert b"theirs" in owner.body
        assert (page.status, stranger.status) == (403, 401)
    else:
        assert {owner.status, page.status} <= {400, 404}
        assert stranger.status in (400, 401, 404)
    assert b"theirs" not in page.body + stranger.body


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/segments/", 200), ("/api/docs/../segments/", 200), ("/API/segments/", 404), ("//api/segments/", 404)],
)
def test_only_resolved_dots_and_backslashes_are_the_same_path(
    port: int, theirs: Account, path: str, status: int
) -> None:
    assert ask(port, "GET", path, theirs.key)[0].status == status


INSIDE = [
    "/metrics",
    "/stats",
    "/stats/prometheus",
    "/clusters",
    "/config_dump",
    "/server_info",
    "/runtime",
    "/logging",
    "/quitquitquit",
    "/admin",
    "/debug/pprof",
    "/varz",
    "/jsz",
]


@pytest.mark.parametrize("path", INSIDE)
@pytest.mark.parametrize(
    "before",
    ["", "/readyz/..", "/readyz/%2e%2e", "/readyz/..%2f", "/healthz/..;", "/api/docs/../..", "/api/docs/..%2f..", "/"],
)
def test_what_operators_read_is_not_at_the_edge(port: int, ours: Account, before: str, path: str) -> None:
    for method in ("GET", "POST"):
        for answer in ask(port, method, before + path, ours.key):
            assert answer.status in (404, 405)
            assert b"segops" not in answer.body


@pytest.mark.parametrize("path", ["/readyz%2f", "/readyz%00", "/readyz;x", "/READYZ", "/readyz/x", "/healthz%20"])
def test_what_is_open_is_open_by_its_name_alone(port: int, path: str) -> None:
    assert [answer.status for answer in ask(port, "GET", path)] in ([400], [404])
    assert [answer.status for answer in ask(port, "GET", "/readyz")] == [200]


IDENTITY = "/segops.identity.v1.IdentityService"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{IDENTITY}/GetMe", 16),
        (f"{IDENTITY}/GetMe/", 16),
        (f"{IDENTITY}/GetMe?x=1", 16),
        (f"{IDENTITY}/%47etMe", 16),
        (f"/x/..{IDENTITY}/GetMe", 16),
        (f"{IDENTITY}/GetJwks/../GetMe", 16),
        (f"{IDENTITY}/GetJwks/%2e%2e/GetMe", 16),
        (f"{IDENTITY}/GetJwks/..%2fGetMe", 12),
        (f"{IDENTITY}/GetJwks;/../GetMe;", 12),
        (f"{IDENTITY}//GetMe", 12),
        (f"/{IDENTITY}/GetMe", 12),
        (f"{IDENTITY}/getme", 12),
        (f"{IDENTITY.lower()}/GetMe", 12),
        (f"{IDENTITY}/GetMe%20", 12),
        (f"{IDENTITY}%2fGetMe", 12),
        (f"{IDENTITY}.GetMe", 12),
        ("/api/auth/me", 12),
        ("/api/auth/me/", 12),
        ("/.well-known/jwks.json", 12),
    ],
)
def test_a_grpc_path_is_read_as_one_too(port: int, path: str, status: int) -> None:
    assert frames.ask(port, frames.rpc(port, path.encode()), frames.NOTHING).grpc_status == status
    public = frames.ask(port, frames.rpc(port, f"{IDENTITY}/GetJwks".encode()), frames.NOTHING)
    assert public.grpc_status == 0
