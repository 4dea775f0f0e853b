"""What one tenant has is not there for another: each id, in each request, is answered as one that never was."""

import re
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from google.protobuf.descriptor import MethodDescriptor

from edge.public_services import public_services
from edge.routes import RouteTable
from services.gen.segops.options.v1 import access_pb2
from services.kit.access import OPEN
from tests.e2e.tenancy.asking import MOVING_HEADERS, ask, call, headers_for
from tests.e2e.tenancy.calls import (
    Binding,
    Fields,
    access_of,
    bindings,
    message_of,
    name_of,
    public_rpcs,
)
from tests.e2e.tenancy.contents import read, rows
from tests.e2e.tenancy.ids import absent, kind_of, named_by, named_in, put
from tests.e2e.tenancy.world import World
from tests.running import Running

BINDINGS = bindings()
RPCS = public_rpcs()
ROUNDS = 40


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request twice: with ids of a stranger's, and with ids that never were. `sent` are those ids."""

    foreign: Fields
    absent: Fields
    sent: Mapping[str, str]


@pytest.fixture(scope="module", autouse=True)
def _untouched(platform: Running, theirs: World) -> Iterator[None]:
    """Whatever happens here, they have and read what they had and read before."""
    had, saw = rows(platform, theirs.account.tenant_id), read(theirs)
    yield
    assert rows(platform, theirs.account.tenant_id) == had
    assert read(theirs) == saw


def attempts(rpc: MethodDescriptor, ours: World, theirs: World) -> Iterator[Attempt]:
    """An attempt with each id of the request, and one with all of them."""
    sample = ours.samples()[name_of(rpc)]
    kinds = {place: kind_of(rpc, name) for place, name in named_in(sample)}
    places = {place: kind for place, kind in kinds.items() if kind}
    for chosen in [[place] for place in places] + ([list(places)] if len(places) > 1 else []):
        sent: dict[str, str] = {}
        foreign, never = sample, sample
        for place in chosen:
            kind = places[place]
            theirs_is = theirs.mark if kind == "texts" else theirs.has[kind]
            never_was = absent(kind, theirs_is)
            foreign, never = put(foreign, place, theirs_is), put(never, place, never_was)
            sent |= {str(theirs_is): f"<{kind}>", str(never_was): f"<{kind}>"}
        yield Attempt(foreign=foreign, absent=never, sent=sent)


def without(text: str, sent: Mapping[str, str]) -> str:
    """A text with what its reader sent taken out: the answer may say it back."""
    words = sorted(map(re.escape, sent), key=len, reverse=True)
    return re.sub(rf"(?<![\w-])({'|'.join(words)})(?![\w-])", lambda found: sent[found[0]], text)


def heard(answer: httpx.Response, sent: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
    """All that an answer tells, without what was sent."""
    headers = {name: value for name, value in answer.headers.items() if name not in MOVING_HEADERS}
    return answer.status_code, headers, without(answer.text, sent)


def test_every_route_and_rpc_has_a_sample_and_every_id_in_it_a_kind(ours: World) -> None:
    samples = ours.samples()
    assert samples.keys() == {name_of(rpc) for rpc in RPCS}
    routes = {(method, path) for method, path, _ in RouteTable(public_services()).all()}
    assert routes == {(one.method, re.sub(r"\{.*?\}", "{}", one.template)) for one in BINDINGS}
    for rpc in RPCS:
        sampled = {name for _, name in named_in(samples[name_of(rpc)])}
        assert named_by(rpc.input_type) <= sampled, f"{name_of(rpc)}: an id that no sample has"
        for name in sampled:
            kind = kind_of(rpc, name)
            assert kind is None or kind == "texts" or kind in ours.has, f"{name_of(rpc)}.{name}: no {kind} to try"


@pytest.mark.parametrize("binding", BINDINGS, ids=str)
def test_a_strangers_id_is_answered_as_one_that_never_was(ours: World, theirs: World, binding: Binding) -> None:
    for attempt in attempts(binding.rpc, ours, theirs):
        foreign, never = binding.request(attempt.foreign), binding.request(attempt.absent)
        for client in ours.admitted(access_of(binding.rpc)).values():
            got = heard(ask(client, foreign, **headers_for(ours, binding, foreign.body)), attempt.sent)
            assert got == heard(ask(client, never, **headers_for(ours, binding, never.body)), attempt.sent)
            assert theirs.mark not in str(got)
            assert got[0] < 500


@pytest.mark.parametrize("rpc", RPCS, ids=name_of)
def test_so_it_is_over_grpc(platform: Running, ours: World, theirs: World, rpc: MethodDescriptor) -> None:
    for attempt in attempts(rpc, ours, theirs):
        for client in ours.admitted(access_of(rpc)).values():
            got, expected = (
                without(call(platform, client, rpc, message_of(rpc, fields).SerializeToString()), attempt.sent)
                for fields in (attempt.foreign, attempt.absent)
            )
            assert got == expected
            assert theirs.mark not in got


@pytest.mark.parametrize("binding", BINDINGS, ids=str)
def test_no_answer_to_a_stranger_holds_anything_of_theirs(ours: World, theirs: World, binding: Binding) -> None:
    request = binding.request(ours.samples()[name_of(binding.rpc)])
    for name, client in ours.clients.items():
        if binding.method == "GET" or name not in ours.admitted(access_of(binding.rpc)):
            answer = ask(client, request)
            assert theirs.mark not in answer.text + str(answer.headers)
            assert answer.status_code < 500


@pytest.mark.parametrize(
    "binding", [one for one in BINDINGS if access_of(one.rpc) not in (*OPEN, access_pb2.ACCESS_SESSION)], ids=str
)
def test_a_person_cannot_choose_a_tenant_of_others(ours: World, theirs: World, binding: Binding) -> None:
    request = binding.request(theirs.samples()[name_of(binding.rpc)])
    foreign, never = (
        heard(ask(ours.clients["person"], request, **{"x-tenant-slug": slug}), {slug: "<slug>"})
        for slug in (theirs.mark, "never-was")
    )
    assert foreign == never
    assert foreign[0] == 403


def test_the_same_user_id_is_another_user_in_each_tenant(ours: World, theirs: World) -> None:
    for path in ("", "events/", "segments/"):
        mine, other = (
            world.clients["server"].get(f"/api/explorer/users/shared@example.com/{path}").text
            for world in (ours, theirs)
        )
        assert theirs.mark not in mine
        assert ours.mark not in other


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/segments/{}/", "segments"),
        ("/api/segments/exports/{}/download/", "exports"),
        ("/api/activations/{}/logs/", "activations"),
        ("/api/webhooks/{}/", "webhooks"),
        ("/api/schemas/{}/", "schemas"),
        ("/api/explorer/users/{}/", "users"),
    ],
)
def test_the_time_of_an_answer_tells_nothing(ours: World, theirs: World, path: str, kind: str) -> None:
    def seconds(value: object) -> float:
        started = time.perf_counter()
        assert ours.clients["server"].get(path.format(value)).status_code == 404
        return time.perf_counter() - started

    values = theirs.has[kind], absent(kind, theirs.has[kind])
    # In turns, so that whatever else this machine does falls upon both.
    foreign, never = zip(*([seconds(value) for value in values] for _ in range(ROUNDS)), strict=True)
    apart = abs(statistics.median(foreign) - statistics.median(never))
    assert apart < max(0.001, 0.5 * statistics.median(never))
