"""The Braze destination before a stand-in of POST /users/track."""

from collections.abc import Iterator

import pytest

from services.connectors.destinations.interface import Means, Refused, TryLater
from tests.integration.destinations.conftest import chunk, opened, send_until_taken
from tests.standins.braze import Braze
from tests.standins.mischief import Fault, Mischief
from tests.standins.server import serving

ATTRIBUTE = "segops_segment_7"
USERS = [f"user-{number}" for number in range(75)]


@pytest.fixture
def braze() -> Iterator[Braze]:
    with serving(Braze()) as braze:
        yield braze


def config(braze: Braze, **more: object) -> dict[str, object]:
    return {"rest_endpoint": f"{braze.url}/", "api_key": braze.key, **more}


async def test_members_have_the_attribute_and_leavers_lose_it(braze: Braze, means: Means) -> None:
    destination = opened("braze", config(braze), means)
    assert await destination.send(chunk(USERS)) == []
    assert await destination.send(chunk(["new"], USERS[:10])) == []
    assert braze.members(ATTRIBUTE) == {*USERS[10:], "new"}
    assert braze.attributes[ATTRIBUTE]["user-0"] is False


async def test_a_chunk_is_one_call(braze: Braze, means: Means) -> None:
    destination = opened("braze", config(braze), means)
    assert destination.chunk_users == 75
    await destination.send(chunk(USERS[:50], USERS[50:]))
    assert braze.arrived == 1


async def test_a_plan_with_a_lower_limit_is_respected(braze: Braze, means: Means) -> None:
    assert opened("braze", config(braze, users_per_call=50), means).chunk_users == 50


async def test_the_attribute_can_bear_another_number(braze: Braze, means: Means) -> None:
    await opened("braze", config(braze, segment_id=99), means).send(chunk(["ann"]))
    assert braze.members("segops_segment_99") == {"ann"}


async def test_invalid_users_are_skipped_and_the_others_taken(braze: Braze, means: Means) -> None:
    skipped = await opened("braze", config(braze), means).send(chunk(["ann", "invalid-1", "bob", "invalid-2"]))
    assert [one.user_id for one in skipped] == ["invalid-1", "invalid-2"]
    assert "external_id" in skipped[0].reason
    assert braze.members(ATTRIBUTE) == {"ann", "bob"}


async def test_a_chunk_of_invalid_users_alone_is_skipped(braze: Braze, means: Means) -> None:
    skipped = await opened("braze", config(braze), means).send(chunk(["invalid-1"], ["invalid-2"]))
    assert [one.user_id for one in skipped] == ["invalid-1", "invalid-2"]


async def test_a_wrong_key_is_refused_with_the_vendors_words_and_without_the_key(braze: Braze, means: Means) -> None:
    with pytest.raises(Refused, match="Braze answered 401: Invalid API key") as raised:
        await opened("braze", config(braze, api_key="a-wrong-key"), means).send(chunk(["ann"]))
    assert "a-wrong-key" not in str(raised.value)


async def test_being_throttled_is_a_reason_to_wait_as_long_as_asked(braze: Braze, means: Means) -> None:
    braze.mischief = Mischief(retry_after=17)
    braze.mischief.then(Fault.THROTTLE)
    with pytest.raises(TryLater) as raised:
        await opened("braze", config(braze), means).send(chunk(["ann"]))
    assert raised.value.seconds == 17


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_the_attribute_is_right_in_the_end(braze: Braze, means: Means, seed: int) -> None:
    braze.mischief = Mischief(seed=seed, share=0.6, slow_seconds=0)
    destination = opened("braze", config(braze), means)
    failures = 0
    for start in range(0, 60, 10):
        failures += await send_until_taken(destination, chunk(USERS[start : start + 15], USERS[start - 5 : start]))
    assert failures
    expected: set[str] = set()
    for start in range(0, 60, 10):
        expected = (expected | set(USERS[start : start + 15])) - set(USERS[start - 5 : start])
    assert braze.members(ATTRIBUTE) == expected
