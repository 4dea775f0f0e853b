"""Who may call what (contract 2.1 and 2.3)."""

import pytest

from services.kit.access import Access, admits, require
from services.kit.caller import ANONYMOUS, Caller
from services.kit.errors import Forbidden, Unauthenticated

CALLERS = {
    "anonymous": ANONYMOUS,
    **{role: Caller(kind="person", tenant_id=1, role=role) for role in ("owner", "admin", "member", "viewer")},
    "secret": Caller(kind="secret_key", tenant_id=1, key_id=1),
    "public": Caller(kind="public_key", tenant_id=1, key_id=1),
    "session": Caller(kind="session", tenant_id=1, key_id=1, uid="owner"),
    "service": Caller(kind="service", tenant_id=1),
}
PEOPLE = {"owner", "admin", "member", "viewer"}
WRITERS = {"owner", "admin", "member", "secret", "service"}
TABLE = {
    Access.ACCESS_UNSPECIFIED: set(),
    Access.ACCESS_PUBLIC: set(CALLERS),
    Access.ACCESS_ACCOUNT: PEOPLE,
    Access.ACCESS_READ: PEOPLE | {"secret", "service"},
    Access.ACCESS_INGEST: WRITERS,
    Access.ACCESS_WRITE: WRITERS,
    Access.ACCESS_ADMIN: {"owner", "admin"},
    Access.ACCESS_INTERNAL: set(CALLERS),
    Access.ACCESS_TRACK: WRITERS | {"session"},
    Access.ACCESS_SESSION: {"public"},
    Access.ACCESS_OWNER: {"owner"},
    Access.ACCESS_SIGNED: set(CALLERS),
    Access.ACCESS_SERVICE: {"service"},
}


def test_the_table_has_every_level() -> None:
    assert set(TABLE) == set(Access.values())


@pytest.mark.parametrize(("level", "admitted"), TABLE.items(), ids=[Access.Name(level) for level in TABLE])
def test_a_level_admits_whom_the_contract_names(level: int, admitted: set[str]) -> None:
    assert {name for name, caller in CALLERS.items() if admits(level, caller)} == admitted


def test_the_unknown_are_asked_who_they_are_and_the_known_refused() -> None:
    with pytest.raises(Unauthenticated):
        require(Access.ACCESS_READ, ANONYMOUS)
    with pytest.raises(Forbidden):
        require(Access.ACCESS_READ, CALLERS["session"])
