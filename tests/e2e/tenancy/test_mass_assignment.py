"""What a client may not set, it does not set by sending it: in the body, the query, or as unknown fields over gRPC."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from google.protobuf.descriptor import MethodDescriptor

from services.gen.segops.options.v1 import access_pb2
from tests.e2e.tenancy.asking import ask, call, headers_for
from tests.e2e.tenancy.calls import Binding, Request, access_of, message_of, name_of, one_of_each, public_rpcs
from tests.e2e.tenancy.contents import everything, read, rows
from tests.e2e.tenancy.ids import kind_of, put
from tests.e2e.tenancy.mutating import at
from tests.e2e.tenancy.surplus import MARKS, NUMBER, STATUSES, beside, places, surplus, unknown_fields
from tests.e2e.tenancy.world import World, world
from tests.running import Running
from tests.standins.receiver import Receiver

# The last of what only an Owner may do is to make another the Owner.
CHANGING = sorted(
    (binding for binding in one_of_each() if binding.method != "GET"),
    key=lambda binding: access_of(binding.rpc) == access_pb2.ACCESS_OWNER,
)
NAMING = [binding for binding in one_of_each() if "{id}" in binding.template]


@pytest.fixture(scope="module")
def ours(platform: Running, url: str, outside: Receiver, theirs: World) -> Iterator[World]:
    """A tenant of its own. Nothing of what was sent is anywhere afterwards, and another's is as it was."""
    had = rows(platform, theirs.account.tenant_id)
    with world(url, outside) as made:
        yield made
        _assert_nothing_stored(platform, made)
        _assert_nothing_read(made, theirs)
    assert rows(platform, theirs.account.tenant_id) == had


def _assert_nothing_stored(platform: Running, ours: World) -> None:
    found = {table: mark for table, text in everything(platform).items() for mark in MARKS if mark in text}
    assert found == {}
    members = rows(platform, ours.account.tenant_id)["members"]
    assert [member["role"] for member in members].count("owner") == 1


def _assert_nothing_read(ours: World, theirs: World) -> None:
    answers = [*read(ours).items(), *read(theirs).items()]
    assert [route for route, text in answers if any(mark in text for mark in MARKS)] == []


@pytest.mark.parametrize("binding", NAMING, ids=str)
def test_the_id_in_the_path_is_the_one_that_counts(platform: Running, ours: World, binding: Binding) -> None:
    sample = ours.samples()[name_of(binding.rpc)]
    kind = kind_of(binding.rpc, "id")
    assert kind
    # Where there is but one, the other need not be.
    other = next((of[kind] for of in (ours.has, ours.spare) if of.get(kind, sample["id"]) != sample["id"]), NUMBER)
    request = binding.request(sample)
    in_query = "&".join(filter(None, (request.query, f"id={other}")))
    both = [replace(request, query=in_query)]
    if request.body is not None:
        both.append(replace(request, body=json.dumps({**json.loads(request.body), "id": other}).encode()))
    for confused in both:
        had = _named(platform, ours, other)
        answer = ask(next(iter(ours.admitted(access_of(binding.rpc)).values())), confused)
        assert answer.status_code < 500, answer.text
        assert _named(platform, ours, other) == had
        if answer.headers.get("content-type") == "application/json" and answer.is_success:
            assert answer.json().get("id", sample["id"]) == sample["id"]


def _named(platform: Running, world: World, id_: object) -> dict[str, list[Any]]:
    """The rows of an object or of a member."""
    return {
        table: [row for row in found if id_ in (row.get("id"), row.get("user_id"))]
        for table, found in rows(platform, world.account.tenant_id).items()
    }


@pytest.mark.parametrize("binding", CHANGING, ids=str)
def test_what_a_client_may_not_set_is_not_set_by_a_request(platform: Running, ours: World, binding: Binding) -> None:
    for status in STATUSES:
        values, is_made = surplus(platform, status), False
        for place, names in places(binding.rpc, ours.samples()[name_of(binding.rpc)]):
            sample, given = ours.samples()[name_of(binding.rpc)], beside(names, values)
            fields = put(sample, place, {**at(sample, place), **given})
            is_made |= _makes_nothing_given(platform, ours, binding, binding.request(fields), given)
        request = binding.request(ours.samples()[name_of(binding.rpc)])
        query = "&".join(filter(None, (request.query, urlencode(values, doseq=True))))
        _makes_nothing_given(platform, ours, binding, replace(request, query=query), values)
        if not is_made:
            # It has no status of its own.
            break


def _makes_nothing_given(
    platform: Running, world: World, binding: Binding, request: Request, given: Mapping[str, Any]
) -> bool:
    """Sends a request, asserts that what it made has nothing that was given, and says whether it made something."""
    had = rows(platform, world.account.tenant_id)
    client = next(iter(world.admitted(access_of(binding.rpc)).values()))
    answer = ask(client, request, **headers_for(world, binding, request.body))
    assert answer.status_code < 500, answer.text
    assert answer.status_code == 400 or not any(mark in answer.text for mark in MARKS)
    if answer.status_code != 201:
        return False
    made = answer.json()
    assert _equal(made, given) == set()
    for table, now in rows(platform, world.account.tenant_id).items():
        for row in now:
            if row not in had[table] and row.get("id") == made.get("id"):
                assert _equal(row, given) == set(), table
    return True


def _equal(made: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    return {name for name, value in made.items() if name in given and given[name] == value}


@pytest.mark.parametrize("rpc", public_rpcs(), ids=name_of)
def test_unknown_fields_over_grpc_change_nothing(platform: Running, ours: World, rpc: MethodDescriptor) -> None:
    client = next(iter(ours.admitted(access_of(rpc)).values()))
    message = message_of(rpc, ours.samples()[name_of(rpc)]).SerializeToString()
    heard = call(platform, client, rpc, message + unknown_fields(rpc.input_type))
    assert not any(mark in heard for mark in MARKS)
    assert "StatusCode.INTERNAL" not in heard
    assert "StatusCode.UNKNOWN" not in heard
