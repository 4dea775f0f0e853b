"""All that a tenant has: its rows in every table, and what its Owner reads."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from psycopg import sql

from tests.e2e.tenancy.calls import Binding, Fields, bindings, name_of
from tests.e2e.tenancy.world import World
from tests.running import Running

# What reading changes.
MOVING_COLUMNS = {"last_used_at"}
MOVING_MEMBERS = re.compile(rf'"({"|".join([*MOVING_COLUMNS, "api_calls_last_minute"])})":("[^"]*"|null|\d+)')


def rows(platform: Running, tenant_id: int) -> dict[str, list[dict[str, Any]]]:
    """The tenant's rows of every table, and its people."""
    connection = platform.database()
    assert connection is not None
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY table_name"
        )
        conditions = {str(name): "tenant_id = %s" for (name,) in cursor.fetchall()}
        conditions["tenants"] = "id = %s"
        conditions["users"] = "id IN (SELECT user_id FROM members WHERE tenant_id = %s)"
        found = {}
        for table, condition in conditions.items():
            query = sql.SQL("SELECT to_jsonb(t) FROM {} t WHERE " + condition).format(sql.Identifier(table))
            cursor.execute(query, (tenant_id,))
            read = [_lasting(row) for (row,) in cursor.fetchall()]
            found[table] = sorted(read, key=str)
        return found


def columns(platform: Running) -> dict[str, str]:
    """The type of every column, by name."""
    connection = platform.database()
    assert connection is not None
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'")
        return {str(name): str(of) for name, of in cursor.fetchall()}


def everything(platform: Running) -> dict[str, str]:
    """All rows of each table, as text."""
    connection = platform.database()
    assert connection is not None
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        texts = {}
        for (table,) in cursor.fetchall():
            query = "SELECT coalesce(string_agg(to_jsonb(t)::text, ''), '') FROM {} t"
            cursor.execute(sql.SQL(query).format(sql.Identifier(str(table))))
            texts[str(table)] = str(cursor.fetchall()[0][0])
        return texts


def _sample(world: World, binding: Binding) -> Fields:
    return world.samples()[name_of(binding.rpc)]


def _lasting(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in MOVING_COLUMNS}


def read(world: World, *, but: Collection[str] = ()) -> Mapping[str, str]:
    """What every route that only reads answers to the Owner, by route; without those of some RPCs."""
    answers = {}
    for binding in bindings():
        if binding.method == "GET" and name_of(binding.rpc) not in but:
            request = binding.request(_sample(world, binding))
            answer = world.clients["person"].get(request.target)
            assert answer.status_code == 200, (request.target, answer.text)
            answers[str(binding)] = MOVING_MEMBERS.sub("", answer.text)
    return answers


def walk(world: World) -> None:
    """Reads every page of every list; of those under an object, where it still is."""
    for binding in bindings():
        if binding.method == "GET" and "next" in binding.rpc.output_type.fields_by_name:
            in_path = {name: value for name, value in _sample(world, binding).items() if name in binding.template}
            target: str | None = f"{binding.request(in_path).path}?limit=200"
            while target:
                answer = world.clients["person"].get(target)
                assert answer.status_code in (200, 404), (target, answer.text)
                target = answer.json().get("next")
