"""Envoy and authz read a URL each in its own way: whatever authz would admit, Envoy serves as just that."""

import http.client
import random
import re
from collections.abc import Iterator
from urllib.parse import unquote

import httpx
import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from edge.decision import check_body, existing, find
from edge.parameters import check_query
from edge.routes import Route
from services.kit.errors import Failure
from tests.integration.edge.recording import ROUTES, Seen, seen

REQUESTS = 3_000
TEMPLATES = [(method, path) for method, path, _ in ROUTES.all()]
RPCS = sorted(ROUTES.rpcs())

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND", "get"]
TYPES = ["", "application/json", "application/grpc", "application/grpc+json", "application/grpcx", "Application/GRPC"]
TYPES += ["application/grpc-web", "application/grpc;x", "application/json, application/grpc"]
IDS = [
    "1", "01", "2147483647", "9999999999", "-1", "x", "a%2Fb", "%2F", "%2f..%2f", "a%252Fb", "%2e", "%2E%2e", "..", ".",
    "a;b", "a%3Bb", "a:b", "1:verify", "a%3Ab", "a@b", "a+b", "a%20b", "a%5Cb", "a\\b", "%C3%A9", "%C0%AF", "%ff", "%",
    "%zz", "%u0041", "%00", "%0A", "*", "**", "{id}", "%7Bid%7D", "=", "a=b", "~", "membership", "preview", "batch",
]  # fmt: skip
ENDS = ["//", "/.", "/..", "/%2F", "%2F", ";x", ";/", ":x", "?", "/?", "%3F", "%00", ".", "%20", "%23"]
ENDS += [""] * 7 + ["/"] * 3
# Another object than the path's.
OTHERS = ["id=7", "user_id=other", "userId=other", "user%5Fid=other", "tenant_slug=other", "tenantSlug=other"]
QUERIES = [
    "limit=1", "limit=1&limit=2", "offset=%31", "us+er_id=x", "id.x=7", ".id=7", "id.=7", "ID=7", "a=1;id=7", "name=x",
    "x=%ff", "x?id=7", "body.data=eA==", "=", "&&", "%69d=7", "search=%C3%A9", "search=%ff", "id", "user_id", "id[]=7",
    "user_id%00=7",
]  # fmt: skip
BODIES = ["", "", "{}", '{"id": 7}', '{"user_id": "other", "userId": "other"}', '{"id": "7", "name": "x"}', "[]"]


@pytest.fixture
def edge(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    yield connection
    connection.close()


def trick(rng: random.Random, template: str) -> str:
    """A path that is like the template, more or less."""
    segments = [rng.choice(["1", rng.choice(IDS)]) if part == "{}" else part for part in template.split("/")[1:]]
    place = rng.randrange(len(segments))
    match rng.randrange(14):
        case 0:
            segments.insert(place, rng.choice(["", ".", "..", "x", "%2e", "%2E%2E", "%2F", "\\", "%5C.."]))
        case 1:
            segments[place] = rng.choice([segments[place].upper(), segments[place].title()])
        case 2:
            at = rng.randrange(len(segments[place]) or 1)
            segments[place] = re.sub(f"^(.{{{at}}})(.)", lambda m: f"{m[1]}%{ord(m[2]):02x}", segments[place])
        case 3:
            segments[place] += rng.choice(ENDS).strip("/")
        case 4:
            segments[place : place + 2] = ["%2F".join(segments[place : place + 2])]
        case 5:
            segments.append(rng.choice(IDS))
        case 6:
            segments = ["x", "..", *segments]
    return "/" + "/".join(segments) + rng.choice(ENDS)


def request(rng: random.Random) -> tuple[str, str, str, str]:
    """Method, target, content type and body."""
    kind = rng.choice(["", "application/json", rng.choice(TYPES)])
    method, template = rng.choice(TEMPLATES)
    target = rng.choice(RPCS) + rng.choice(ENDS) if "grpc" in kind else trick(rng, template)
    if rng.random() < 0.3:
        target += ("&" if "?" in target else "?") + rng.choice(OTHERS) + "&" + rng.choice(QUERIES)
    return rng.choice([method, method, method, rng.choice(METHODS)]), target, kind, rng.choice(BODIES)


def serve(edge: http.client.HTTPConnection, method: str, target: str, content_type: str, body: str) -> Seen | None:
    """What a service saw of a request; None when it came to none."""
    headers = {"content-type": content_type} if content_type else {}
    if "grpc" in content_type.lower():
        headers["te"] = "trailers"
    edge.request(method, target, body=body.encode() or None, headers=headers)
    answer = edge.getresponse()
    told = answer.read() or (answer.headers.get("x-http-body") or "").encode()
    return seen(told) if b'"rpc"' in told else None


def admitted(got: Seen) -> Route | None:
    """The route by which authz would admit the request, as far as its caller may use it."""
    path, _, query = got.target.partition("?")
    try:
        route = existing(find(ROUTES, got.method, path, got.content_type))
        check_body(route, httpx.Headers(got.asked))
        check_query(route, query)
    except Failure:
        return None
    return route


def path_fields(rpc: str, path: str) -> dict[str, str]:
    """The fields that a path sets, as text."""
    options = descriptor_pool.Default().FindMethodByName(rpc[1:].replace("/", ".")).GetOptions()
    rule = options.Extensions[annotations_pb2.http]
    segments = path.split("/")
    for binding in (rule, *rule.additional_bindings):
        parts = (binding.get or binding.post or binding.put or binding.patch or binding.delete).split("/")
        pairs = list(zip(parts, segments, strict=False))
        if len(parts) == len(segments) and all(part == sent for part, sent in pairs if not part.startswith("{")):
            return {part[1:-1]: unquote(sent) for part, sent in pairs if part.startswith("{")}
    raise AssertionError(f"{path} is no path of {rpc}")


def test_whatever_authz_admits_is_served_as_what_it_judged(edge: http.client.HTTPConnection) -> None:
    rng = random.Random(6)
    served = []
    for _ in range(REQUESTS):
        sent = request(rng)
        got = serve(edge, *sent)
        route = got and admitted(got)
        # A method with a query is none that a service knows.
        if got is None or route is None or "?" in got.rpc:
            continue
        assert got.method == sent[0], sent
        assert got.rpc == route.rpc, sent
        served.append(got.rpc)
        if got.target in RPCS:
            continue
        method = descriptor_pool.Default().FindMethodByName(got.rpc[1:].replace("/", "."))
        message = GetMessageClass(method.input_type).FromString(got.message)
        for name, value in path_fields(got.rpc, got.target.partition("?")[0]).items():
            said = getattr(message, name)
            assert said == (int(value) if isinstance(said, int) else value), sent
    assert len(served) > REQUESTS / 20
    assert len(set(served)) > 30
