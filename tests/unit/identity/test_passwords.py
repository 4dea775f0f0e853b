"""How many passwords are checked at a time."""

import asyncio

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
