"""Linking user ids of one person, one change of a tenant after the other."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Conflict
from services.kit.persons import person_of
from services.kit.postgres import Database
from services.kit.visitor_links import Pair
from services.profiles import link_store
from services.profiles.link_rules import Link, LinkedTheOtherWay, Standing, alias

log = logging.getLogger("links")

Rule = Callable[[Standing], Link | None]

# Of one person. Whoever is looked at is looked up under all ids, and a page may link as many visitors to a user as it
# likes.
MOST_IDS = 1_000


class TooManyIds(Conflict):
    """A person has at most 1,000 user ids."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """What a user id is linked to, and whether it was linked just now."""

    user_id: str
    linked_to: str
    person_id: str
    linked: bool


async def link(database: Database, tenant_id: int, pair: Pair, rule: Rule) -> Linked:
    """Links the first to the second if the rule says so. Raises what the rule raises, and TooManyIds."""
    user_id, _ = pair
    async with database.tenant(tenant_id) as connection:
        await link_store.take_turn(connection, tenant_id)
        made = await _follow(rule, connection, tenant_id, pair)
        links = await link_store.links_of(connection, tenant_id, [user_id])
        person = await person_of(connection, tenant_id, user_id)
    return Linked(user_id=user_id, linked_to=links[user_id], person_id=person.id, linked=made)


async def link_visitors(database: Database, tenant_id: int, pairs: Sequence[Pair]) -> None:
    """Links each visitor who has no link yet, all or none.

    Who stands for their user already stays as they are, and so do visitors of a user who has too many ids.
    """
    async with database.tenant(tenant_id) as connection:
        known = await link_store.links_of(connection, tenant_id, [visitor_id for visitor_id, _ in pairs])
        # Most were linked before, and wait for nobody.
        unknown = [pair for pair in pairs if pair[0] not in known]
        if not unknown:
            return
        await link_store.take_turn(connection, tenant_id)
        for pair in unknown:
            try:
                await _follow(alias, connection, tenant_id, pair)
            except LinkedTheOtherWay:
                continue
            except TooManyIds:
                log.warning("a visitor was not linked: the user has %d ids", MOST_IDS)


async def _follow(rule: Rule, connection: AsyncConnection, tenant_id: int, pair: Pair) -> bool:
    """Links the first to the second if the rule says so, and whether it did."""
    made = rule(await link_store.standing(connection, tenant_id, *pair))
    if made is None:
        return False
    if await link_store.count_ids(connection, tenant_id, made) > MOST_IDS:
        raise TooManyIds
    await link_store.make(connection, tenant_id, made)
    return True
