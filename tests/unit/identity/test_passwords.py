"""How many passwords are checked at a time."""

import asyncio

from argon2 import PasswordHasher

from services.identity.passwords import MOST_WAITING, TooManyAtOnce, hash_password, matches


async def test_who_comes_when_many_wait_is_told_to_come_again() -> None:
    stored = await hash_password("a")
    found = await asyncio.gather(*[matches("a", stored) for _ in range(MOST_WAITING + 5)], return_exceptions=True)
    assert found.count(True) == MOST_WAITING
    refused = [one for one in found if isinstance(one, TooManyAtOnce)]
    assert [one.retry_after_seconds for one in refused] == [1] * 5
    # There is room again for the next.
    assert await matches("a", stored)
    assert not await matches("b", stored)
    assert not await matches("a", None)


async def test_a_hash_takes_what_rfc_9106_asks_for_unless_a_setting_says_otherwise() -> None:
    assert (await hash_password("correct horse")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_a_hash_made_with_other_costs_is_still_known() -> None:
    stored = PasswordHasher(memory_cost=19 * 1024).hash("correct horse")
    assert await matches("correct horse", stored)
    assert not await matches("wrong horse", stored)
