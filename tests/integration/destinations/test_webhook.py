"""The webhook destination before a receiver that checks signatures."""

import json
from collections.abc import Iterator

import pytest
from segops_admin.webhook import verify_webhook

from services.connectors.destinations.interface import Means, Refused, TryLater
from tests.integration.destinations.conftest import chunk, opened, send_until_taken
from tests.standins.mischief import Mischief
from tests.standins.receiver import Receiver
from tests.standins.server import Request, Response, serving

SECRET = "päss"
USERS = [f"user-{number}" for number in range(1_000)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver(secret=SECRET)) as receiver:
        yield receiver


def config(receiver: Receiver, **more: object) -> dict[str, object]:
    return {"url": f"{receiver.url}/hooks?source=segops", "secret": SECRET, **more}


async def test_chunks_arrive_signed_with_their_ids(receiver: Receiver, means: Means) -> None:
    destination = opened("webhook", config(receiver), means)
    assert destination.chunk_users == 1_000
    sent = chunk(USERS[:999], ["left"])
    await destination.send(sent)
    assert receiver.segments[7] == set(USERS[:999])
    body = json.loads(receiver.deliveries[str(sent.id)])
    assert body == {"segment_id": 7, "segment_name": "Buyers", "entered": USERS[:999], "exited": ["left"]}


async def test_the_published_client_verifies_the_signature(means: Means) -> None:
    kept: list[Request] = []

    class Keeping(Receiver):
        def answer(self, request: Request) -> Response:
            kept.append(request)
            return Response(status=200)

    with serving(Keeping()) as receiver:
        await opened("webhook", config(receiver), means).send(chunk(["ann"]))
        await opened("webhook", {"url": receiver.url}, means).send(chunk(["ann"]))
    signed, unsigned = kept
    assert verify_webhook(signed.body, signed.headers["x-segops-signature"], SECRET)
    assert "x-segops-signature" not in unsigned.headers


async def test_a_wrong_secret_is_refused(receiver: Receiver, means: Means) -> None:
    with pytest.raises(Refused, match="The webhook answered 401"):
        await opened("webhook", config(receiver, secret="other"), means).send(chunk(["ann"]))


async def test_a_receiver_that_is_away_is_tried_later(means: Means) -> None:
    with serving(Receiver()) as receiver:
        destination = opened("webhook", {"url": receiver.url}, means)
    with pytest.raises(TryLater, match="could not be reached"):
        await destination.send(chunk(["ann"]))


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_the_receiver_knows_all_in_the_end(receiver: Receiver, means: Means, seed: int) -> None:
    receiver.mischief = Mischief(seed=seed, share=0.6, slow_seconds=0)
    destination = opened("webhook", config(receiver), means)
    failures = await send_until_taken(destination, chunk(USERS))
    for start in range(0, 900, 100):
        failures += await send_until_taken(destination, chunk((), USERS[start : start + 50]))
    assert failures
    assert receiver.repeated
    assert receiver.segments[7] == {user for at, user in enumerate(USERS) if at % 100 >= 50 or at >= 900}
