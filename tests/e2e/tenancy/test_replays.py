"""An answer that was kept under an Idempotency-Key is kept for whoever asked, and for nobody else."""

import pytest

from services.kit.access import OPEN
from tests.e2e.tenancy.asking import ask
from tests.e2e.tenancy.calls import Binding, access_of, bindings, name_of
from tests.e2e.tenancy.ids import kind_of, named_in
from tests.e2e.tenancy.samples import samples
from tests.e2e.tenancy.world import World


def repeatable() -> list[Binding]:
    """The POST routes that need credentials and name no object: one request does for two tenants."""
    posts = [one for one in bindings() if one.method == "POST" and one.template.startswith("/api/")]
    sampled = samples(_Anything(), _Anything())
    return [
        one
        for one in posts
        if access_of(one.rpc) not in OPEN
        and not any(kind_of(one.rpc, name) for _, name in named_in(sampled[name_of(one.rpc)]))
    ]


class _Anything(dict[str, int]):
    """Objects of every kind, for samples that are not sent."""

    def __missing__(self, kind: str) -> int:
        return 0


@pytest.mark.parametrize("binding", repeatable(), ids=str)
def test_the_same_key_and_body_replay_nothing_of_anothers(ours: World, theirs: World, binding: Binding) -> None:
    for name, client in theirs.admitted(access_of(binding.rpc)).items():
        request = binding.request(ours.samples()[name_of(binding.rpc)])
        key = {"idempotency-key": f"{binding} {name}"}
        first = ask(client, request, **key)
        assert first.status_code < 300, first.text
        for other in ours.admitted(access_of(binding.rpc)).values():
            answer = ask(other, request, **key)
            assert "idempotent-replayed" not in answer.headers
            assert theirs.mark not in answer.text
            assert "id" not in first.json() or first.json()["id"] != answer.json().get("id")
