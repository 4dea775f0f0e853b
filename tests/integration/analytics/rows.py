"""Rows as other services leave them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, text

from services.kit.postgres import Database
from services.schema.profiles import user_links
from services.schema.segments import segment_runs, segments


async def add_segment(database: Database, tenant_id: int, name: str, **columns: Any) -> int:
    """A segment; its id."""
    async with database.tenant(tenant_id) as connection:
        statement = insert(segments).values(tenant_id=tenant_id, name=name, **columns).returning(segments.c.id)
        return int((await connection.execute(statement)).scalar_one())


async def add_run(database: Database, tenant_id: int, segment_id: int, computed_at: datetime, members: int) -> None:
    """A run of a segment's ledger."""
    async with database.tenant(tenant_id) as connection:
        run = {"version": 1, "cause": "requested", "entered": 0, "exited": 0}
        await connection.execute(
            insert(segment_runs).values(
                tenant_id=tenant_id, segment_id=segment_id, computed_at=computed_at, member_count=members, **run
            )
        )


async def add_links(database: Database, tenant_id: int, persons: Mapping[str, str]) -> None:
    """Links user ids to persons."""
    async with database.tenant(tenant_id) as connection:
        await connection.execute(
            insert(user_links),
            [
                {"tenant_id": tenant_id, "user_id": user_id, "linked_to": person_id, "person_id": person_id}
                for user_id, person_id in persons.items()
            ],
        )


async def change(database: Database, tenant_id: int, statement: str, **values: object) -> None:
    """Whatever else is to change; the statement may name the tenant."""
    async with database.tenant(tenant_id) as connection:
        await connection.execute(text(statement), {"tenant_id": tenant_id, **values})
