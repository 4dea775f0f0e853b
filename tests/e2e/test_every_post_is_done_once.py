"""Every POST below /api/ takes an Idempotency-Key, whoever calls it and whatever it answers."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.kit.access import OPEN
from tests.e2e.tenancy.asking import ask, headers_for
from tests.e2e.tenancy.calls import Binding, Request, access_of, bindings, name_of
from tests.e2e.tenancy.world import World, world
from tests.standins.receiver import Receiver
from tests.standins.server import serving

POSTS = [binding for binding in bindings() if binding.method == "POST" and binding.template.startswith("/api/")]
# Leaves its caller without the right to call it again.
TRANSFER = "TenantService/TransferOwnership"


@pytest.fixture(scope="module")
def tenant(url: str) -> Iterator[World]:
    """A tenant that has something of everything."""
    with serving(Receiver()) as outside, world(url, outside) as made:
        yield made


def changed(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case list():
            return [*value, *value]
        case _:
            return {**value, "another": 1}


def with_another_body(binding: Binding, fields: Any) -> Request | None:
    """The request with another body; None when it has none beside what its path says."""
    in_body = {name: value for name, value in fields.items() if f"{{{name}}}" not in binding.template}
    if not in_body:
        return None
    name = next(iter(in_body))
    return binding.request({**fields, name: changed(in_body[name])})


@pytest.mark.parametrize("binding", [one for one in POSTS if name_of(one.rpc) != TRANSFER], ids=str)
def test_a_repetition_is_answered_as_before_and_another_request_is_refused(tenant: World, binding: Binding) -> None:
    fields = tenant.samples()[name_of(binding.rpc)]
    request, other = binding.request(fields), with_another_body(binding, fields)
    access = access_of(binding.rpc)
    admitted = ["stranger"] if access in OPEN else list(tenant.admitted(access))
    for caller in admitted:
        client = tenant.clients[caller]
        headers = {"idempotency-key": f"{binding} {tenant.mark}", **headers_for(tenant, binding, request.body)}
        first, again = (ask(client, request, **headers) for _ in range(2))
        assert first.status_code < 500
        assert first.status_code not in (401, 403, 404), first.text
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        if other:
            headers |= headers_for(tenant, binding, other.body)
            refused = ask(client, other, **headers)
            assert (refused.status_code, list(refused.json())) == (422, ["detail"]), refused.text


def test_whoever_gave_the_tenant_away_is_not_its_owner_when_he_repeats_it_either(tenant: World) -> None:
    [binding] = [one for one in POSTS if name_of(one.rpc) == TRANSFER]
    owner = tenant.account.person
    nobody = binding.request({"user_id": 2**31 - 1})
    first, again = (ask(owner, nobody, **{"idempotency-key": "nobody"}) for _ in range(2))
    assert first.status_code == again.status_code == 400
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    request = binding.request(tenant.samples()[TRANSFER])
    assert ask(owner, request, **{"idempotency-key": "nobody"}).status_code == 422
    statuses = [ask(owner, request, **{"idempotency-key": "given"}).status_code for _ in range(2)]
    # What became of it stands in /api/auth/me/.
    assert statuses == [200, 403]
    assert owner.get("/api/auth/me/").json()["role"] == "admin"
