"""Whichever of two ends first, the other one ends with it."""

import asyncio

import pytest

from services.warehouse.loading.turns import first_ended


class Deaf:
    """Goes on after the first cancellation, as a loop does whose call has forgotten it."""

    def __init__(self) -> None:
        self.heard = 0

    async def run(self) -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.heard += 1
                if self.heard > 1:
                    raise


async def moment() -> None:
    await asyncio.sleep(0)


async def failing() -> None:
    await moment()
    raise ConnectionError("away")


async def test_the_other_one_ends_though_it_did_not_hear_at_first() -> None:
    deaf = Deaf()
    async with asyncio.timeout(10):
        await first_ended(moment(), deaf.run())
    assert deaf.heard == 2


async def test_the_failure_of_the_first_is_raised() -> None:
    deaf = Deaf()
    with pytest.raises(ConnectionError, match="away"):
        async with asyncio.timeout(10):
            await first_ended(deaf.run(), failing())
    assert deaf.heard == 2
