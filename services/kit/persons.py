"""Which user ids belong to one person, as links between them say. Reads the table of the profiles service."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PERSONS = text("""
    WITH asked AS (
      SELECT asked.user_id, coalesce(links.person_id, asked.user_id) AS person_id
      FROM unnest(CAST(:user_ids AS text[])) AS asked (user_id)
      LEFT JOIN user_links AS links ON links.tenant_id = :tenant_id AND links.user_id = asked.user_id)
    SELECT asked.user_id, asked.person_id, array_remove(array_agg(links.user_id ORDER BY links.user_id), NULL) AS others
    FROM asked LEFT JOIN user_links AS links
      ON links.tenant_id = :tenant_id AND links.person_id = asked.person_id AND links.user_id <> asked.person_id
    GROUP BY asked.user_id, asked.person_id""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A person by the user id that stands for all their ids; `user_ids` are all of them, that one first."""

    id: str
    user_ids: tuple[str, ...]


async def persons_of(connection: AsyncConnection, tenant_id: int, user_ids: Iterable[str]) -> Mapping[str, Person]:
    """The person behind each user id. One that was never linked is a person by itself."""
    asked = {"tenant_id": tenant_id, "user_ids": list(user_ids)}
    rows = await connection.execute(_PERSONS, asked)
    return {row.user_id: Person(id=row.person_id, user_ids=(row.person_id, *row.others)) for row in rows}


async def person_of(connection: AsyncConnection, tenant_id: int, user_id: str) -> Person:
    """The person behind one user id."""
    return (await persons_of(connection, tenant_id, [user_id]))[user_id]
