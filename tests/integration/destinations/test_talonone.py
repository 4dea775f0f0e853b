"""The Talon.One destination before a stand-in of the Integration API."""

from collections.abc import Iterator

import pytest

from services.connectors.destinations.interface import Means, Refused, TryLater
from tests.integration.destinations.conftest import chunk, opened, send_until_taken
from tests.standins.mischief import Mischief
from tests.standins.server import Request, Response, json_response, serving
from tests.standins.talonone import TalonOne

USERS = [f"user-{number}" for number in range(1_000)]


@pytest.fixture
def talonone() -> Iterator[TalonOne]:
    with serving(TalonOne(748)) as talonone:
        yield talonone


def config(talonone: TalonOne, **more: object) -> dict[str, object]:
    return {"base_url": talonone.url, "api_key": talonone.key, "audience_id": 748, **more}


async def test_users_enter_and_leave_the_audience(talonone: TalonOne, means: Means) -> None:
    destination = opened("talonone", config(talonone), means)
    assert destination.chunk_users == 1_000
    assert await destination.send(chunk(USERS)) == []
    assert await destination.send(chunk(["new"], USERS[:999])) == []
    assert talonone.audiences[748] == {USERS[999], "new"}
    assert talonone.arrived == 2


async def test_invalid_users_are_skipped_and_the_others_sent_again(talonone: TalonOne, means: Means) -> None:
    skipped = await opened("talonone", config(talonone), means).send(chunk(["ann", "invalid-1", "bob", "invalid-2"]))
    assert [one.user_id for one in skipped] == ["invalid-1", "invalid-2"]
    assert talonone.audiences[748] == {"ann", "bob"}
    assert talonone.arrived == 2


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [({"api_key": "wrong"}, "401: Unauthorized"), ({"audience_id": 1}, "404: Audience not found")],
)
async def test_what_cannot_work_is_refused(
    talonone: TalonOne, means: Means, wrong: dict[str, object], answer: str
) -> None:
    with pytest.raises(Refused, match=f"Talon.One answered {answer}"):
        await opened("talonone", config(talonone, **wrong), means).send(chunk(["ann"]))


async def test_a_concurrency_conflict_passes(means: Means) -> None:
    class Conflicting(TalonOne):
        def answer(self, request: Request) -> Response:
            return json_response(409, {"message": "Concurrent update"})

    with serving(Conflicting(748)) as talonone, pytest.raises(TryLater, match="409: Concurrent update"):
        await opened("talonone", config(talonone), means).send(chunk(["ann"]))


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_the_audience_is_right_in_the_end(talonone: TalonOne, means: Means, seed: int) -> None:
    talonone.mischief = Mischief(seed=seed, share=0.6, slow_seconds=0)
    destination = opened("talonone", config(talonone), means)
    failures = await send_until_taken(destination, chunk(USERS))
    for start in range(0, 900, 100):
        failures += await send_until_taken(destination, chunk((), USERS[start : start + 50]))
    assert failures
    assert talonone.audiences[748] == {user for at, user in enumerate(USERS) if at % 100 >= 50 or at >= 900}
