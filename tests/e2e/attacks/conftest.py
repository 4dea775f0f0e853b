"""Two tenants, and what somebody inside would have."""

from collections.abc import Iterator

import pytest

from services.kit.caller import Caller, mint
from services.kit.keys import INTERNAL_KEY, private_key
from tests.e2e.account import Account, register
from tests.running import Running


@pytest.fixture(scope="module")
def ours(url: str) -> Iterator[Account]:
    """The tenant of whoever attacks."""
    with register(url) as account:
        yield account


@pytest.fixture(scope="module")
def theirs(url: str) -> Iterator[Account]:
    """The tenant that is attacked. It has one segment."""
    with register(url) as account:
        assert account.server.post("/api/segments/", json={"name": "theirs"}).status_code == 201
        yield account


@pytest.fixture(scope="module")
def port(platform: Running) -> int:
    """Of the edge."""
    return platform.settings.edge_port


@pytest.fixture(scope="module")
def stolen(platform: Running, theirs: Account) -> str:
    """An identity that the edge signed for the owner of the other tenant; services take it."""
    user_id = theirs.person.get("/api/auth/me/").json()["user"]["id"]
    owner = Caller(kind="person", tenant_id=theirs.tenant_id, user_id=user_id, role="owner")
    return mint(owner, private_key(platform.settings, INTERNAL_KEY))
