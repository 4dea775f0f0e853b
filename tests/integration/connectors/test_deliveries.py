"""Every active webhook is told of every compute, once as far as it answers, whatever breaks on the way."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from segops_admin.webhook import verify_webhook

from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.hooks import Hooks
from tests.integration.connectors.standin import Received, answer, standing_in
from tests.integration.process import ServiceProcess
from tests.integration.segments.calling import until
from tests.standins.mischief import QUICK, Fault, Mischief
from tests.standins.receiver import Receiver
from tests.standins.server import serving

SECRET = "päss-wörd"


@pytest.fixture
async def hooks(settings: Settings, database: Database, tenant: Tenant) -> Hooks:
    return await Hooks.create(settings, database, tenant)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as receiver:
        yield receiver


def is_tried(delivery: pb.Delivery) -> bool:
    return bool(delivery.attempts)


def is_pending(delivery: pb.Delivery) -> bool:
    return delivery.status == "pending"


class Inbox:
    """A receiver that keeps what came, and answers in turn what a test says; at last 200."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = list(replies)
        self.received: list[Received] = []

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.received.append(request)
        writer.write(self._replies.pop(0) if self._replies else answer(200))


async def test_a_webhook_is_told_of_a_compute_and_can_verify_it(hooks: Hooks) -> None:
    inbox = Inbox()
    async with standing_in(inbox) as port:
        made = await hooks.add(f"http://127.0.0.1:{port}/hook?for=segops", secret=SECRET)
        before = datetime.now(UTC).replace(microsecond=0)
        await hooks.compute(["ann", "bob"])
        (delivery,) = await hooks.settled(made.id, 1)
    (received,) = inbox.received
    assert (received.method, received.path) == ("POST", "/hook?for=segops")
    body = json.loads(received.body)
    computed_at = body.pop("computed_at")
    assert before <= datetime.fromisoformat(computed_at) <= datetime.now(UTC)
    assert computed_at.endswith("Z")
    assert "." not in computed_at
    assert body == {
        "event": "segment.recomputed",
        "tenant_slug": hooks.slug,
        "segment_id": hooks.segment.id,
        "segment_name": "Buyers",
        "member_count": 2,
    }
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"] == "SegOps"
    assert received.headers["x-segops-delivery"] == delivery.id
    assert verify_webhook(received.body, received.headers["x-segops-signature"], SECRET)
    assert not verify_webhook(received.body, received.headers["x-segops-signature"], "other")
    assert (delivery.event, delivery.segment_id) == ("segment.recomputed", hooks.segment.id)
    assert (delivery.status, delivery.attempts, delivery.response_status.number_value) == ("delivered", 1, 200)
    assert delivery.error.WhichOneof("kind") == delivery.next_attempt_at.WhichOneof("kind") == "null_value"
    assert delivery.delivered_at.string_value.endswith("Z")


async def test_without_a_secret_nothing_is_signed(hooks: Hooks) -> None:
    inbox = Inbox()
    async with standing_in(inbox) as port:
        made = await hooks.add(f"http://127.0.0.1:{port}/")
        await hooks.compute()
        await hooks.settled(made.id, 1)
    assert "x-segops-signature" not in inbox.received[0].headers


async def test_news_that_come_twice_are_told_once_to_active_webhooks_of_the_tenant(
    hooks: Hooks, receiver: Receiver, new_tenant: Callable[[], Tenant], settings: Settings, database: Database
) -> None:
    stranger = await Hooks.create(settings, database, new_tenant())
    first, second = [await hooks.add(receiver.url) for _ in range(2)]
    quiet, foreign = await hooks.add(receiver.url, is_active=False), await stranger.add(receiver.url)
    run_id = await hooks.compute()
    await hooks.settled(first.id, 1)
    await hooks.announce(run_id)
    await hooks.compute()
    for webhook in (first, second):
        assert {one.status for one in await hooks.settled(webhook.id, 2)} == {"delivered"}
    assert await hooks.deliveries(quiet.id) == await stranger.deliveries(foreign.id) == []
    assert (receiver.taken, receiver.repeated) == (4, 0)


async def test_there_is_nothing_to_tell_of_a_segment_that_was_deleted(hooks: Hooks, receiver: Receiver) -> None:
    made = await hooks.add(receiver.url)
    await hooks.announce(2**40)
    await hooks.compute()
    assert len(await hooks.settled(made.id, 1)) == 1


async def test_the_newest_deliveries_come_first(hooks: Hooks, receiver: Receiver) -> None:
    made = await hooks.add(receiver.url)
    for count in range(1, 4):
        await hooks.compute()
        await hooks.settled(made.id, count)
    all_of_them = await hooks.deliveries(made.id)
    page = await hooks.tenant.call("ListDeliveries", pb.ListDeliveriesRequest(id=made.id, limit=2, offset=1))
    assert (page.count, list(page.results)) == (3, list(all_of_them[1:]))
    newest_first = [one.created_at.seconds for one in all_of_them]
    assert newest_first == sorted(newest_first, reverse=True)


async def test_whatever_happens_every_receiver_takes_every_delivery(hooks: Hooks) -> None:
    computes, webhooks = 30, 6
    mischief = Mischief(seed=1, share=0.5, faults=(*QUICK, Fault.HANG), slow_seconds=0.01)
    with serving(Receiver(secret=SECRET, mischief=mischief)) as receiver:
        made = [await hooks.add(f"{receiver.url}/{number}", secret=SECRET) for number in range(webhooks)]
        for number in range(computes):
            await hooks.compute([f"user-{number}"])
        settled = [one for webhook in made for one in await hooks.settled(webhook.id, computes)]
    assert {one.status for one in settled} == {"delivered"}
    # The receiver asserts that what comes again is the same to the byte.
    assert receiver.deliveries.keys() == {one.id for one in settled}
    assert len(receiver.deliveries) == computes * webhooks
    assert receiver.repeated
    assert sum(one.attempts for one in settled) == receiver.arrived > len(settled)
    runs = [json.loads(body) for body in receiver.deliveries.values()]
    assert {run["member_count"] for run in runs} == {1}


async def test_what_is_no_2xx_is_tried_again_and_a_redirect_is_not_followed(hooks: Hooks) -> None:
    async with AsyncExitStack() as stack:
        elsewhere = Inbox()
        location = f"http://127.0.0.1:{await stack.enter_async_context(standing_in(elsewhere))}/"
        inboxes: dict[int, Inbox] = {}
        for status in (300, 301, 302, 307, 308, 400, 401, 404, 410, 500, 503):
            inbox = Inbox(answer(status, Location=location, Retry_After="1"))
            port = await stack.enter_async_context(standing_in(inbox))
            inboxes[(await hooks.add(f"http://127.0.0.1:{port}/")).id] = inbox
        await hooks.compute()
        for webhook_id, inbox in inboxes.items():
            (failed,) = await hooks.settled(webhook_id, 1, is_tried)
            assert failed.status == "pending"
            assert failed.error.string_value == f"The receiver answered {failed.response_status.number_value:.0f}."
            assert len(inbox.received) == 1
        for webhook_id, inbox in inboxes.items():
            (delivery,) = await hooks.settled(webhook_id, 1)
            assert (delivery.status, delivery.attempts, delivery.error.string_value) == ("delivered", 2, "")
            assert inbox.received[0] == inbox.received[1]
        assert elsewhere.received == []


async def test_any_2xx_is_a_success(hooks: Hooks) -> None:
    async with AsyncExitStack() as stack:
        statuses: dict[int, int] = {}
        for status in (200, 201, 202, 204, 299):
            port = await stack.enter_async_context(standing_in(Inbox(answer(status))))
            statuses[(await hooks.add(f"http://127.0.0.1:{port}/")).id] = status
        await hooks.compute()
        for webhook_id, status in statuses.items():
            (delivery,) = await hooks.settled(webhook_id, 1)
            assert (delivery.status, delivery.response_status.number_value) == ("delivered", status)


@pytest.mark.parametrize("spoken", ["seconds", "date"])
async def test_a_receiver_that_asks_for_time_gets_it(hooks: Hooks, spoken: str) -> None:
    begun = datetime.now(UTC)
    asked = "3" if spoken == "seconds" else (begun + timedelta(seconds=4)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    # By then at the earliest, a date being of whole seconds.
    earliest = begun.replace(microsecond=0) + timedelta(seconds=3)
    times: list[datetime] = []

    async def reply(request: Received, writer: asyncio.StreamWriter) -> None:
        times.append(datetime.now(UTC))
        writer.write(answer(429, Retry_After=asked) if len(times) == 1 else answer(200))

    async with standing_in(reply) as port:
        made = await hooks.add(f"http://127.0.0.1:{port}/")
        await hooks.compute()
        (waiting,) = await hooks.settled(made.id, 1, is_tried)
        assert datetime.fromisoformat(waiting.next_attempt_at.string_value) >= earliest
        await hooks.settled(made.id, 1)
    assert times[1] >= earliest


async def test_a_receiver_that_hangs_holds_nobody_else_up(hooks: Hooks, receiver: Receiver) -> None:
    with serving(Receiver(mischief=Mischief(share=1, faults=(Fault.HANG,)))) as slow:
        stuck = await hooks.add(slow.url)
        for _ in range(40):
            await hooks.compute()
        await hooks.settled(stuck.id, 40, is_pending)
        await until(partial(_arrived, slow, 1))
        swift = await hooks.add(receiver.url)
        started = time.monotonic()
        await hooks.compute()
        await hooks.settled(swift.id, 1)
        assert time.monotonic() - started < 2
        assert len(await hooks.settled(stuck.id, 41, is_pending)) == 41
        await hooks.change(stuck.id, is_active=False)


async def _arrived(receiver: Receiver, count: int) -> bool:
    return receiver.arrived >= count


async def test_what_fails_for_a_day_is_given_up(hooks: Hooks) -> None:
    with serving(Receiver(mischief=Mischief(share=1, faults=(Fault.FAIL_BEFORE,)))) as receiver:
        made = await hooks.add(receiver.url)
        await hooks.compute()
        (delivery,) = await hooks.settled(made.id, 1, is_tried)
        assert delivery.status == "pending"
        await hooks.set_row(delivery.id, asked_at=datetime.now(UTC) - timedelta(hours=24))
        (delivery,) = await hooks.settled(made.id, 1)
    assert (delivery.status, delivery.response_status.number_value) == ("failed", 503)
    assert delivery.error.string_value == "The receiver answered 503."
    assert delivery.next_attempt_at.WhichOneof("kind") == "null_value"


async def test_a_url_that_may_not_be_called_any_more_ends_its_deliveries_at_once(
    hooks: Hooks, receiver: Receiver
) -> None:
    receiver.mischief = Mischief(share=1, faults=(Fault.FAIL_BEFORE,))
    made = await hooks.add(receiver.url)
    await hooks.compute()
    (delivery,) = await hooks.settled(made.id, 1, is_tried)
    # As when its name comes to mean another address.
    await hooks.set_webhook(made.id, url="https://127.0.0.2/")
    (delivery,) = await hooks.settled(made.id, 1)
    assert (delivery.status, delivery.error.string_value) == ("failed", "The host of the URL has no public address.")


async def test_deactivating_a_webhook_ends_its_deliveries_at_once(hooks: Hooks, receiver: Receiver) -> None:
    other = await hooks.add(receiver.url)
    with serving(Receiver(mischief=Mischief(share=1, faults=(Fault.THROTTLE,), retry_after=3_600))) as busy:
        made = await hooks.add(busy.url)
        await hooks.compute()
        await hooks.settled(made.id, 1, is_tried)
        await hooks.change(made.id, is_active=False)
        (delivery,) = await hooks.deliveries(made.id)
        assert (delivery.status, delivery.error.string_value) == ("failed", "The webhook was deactivated.")
        await hooks.compute()
        await hooks.settled(other.id, 2)
        busy.mischief = Mischief()
        await hooks.change(made.id, is_active=True)
        await hooks.compute()
        (newest, _) = await hooks.settled(made.id, 2)
    assert newest.status == "delivered"
    assert list(busy.deliveries) == [newest.id]


async def test_a_changed_url_is_where_what_waits_goes(hooks: Hooks, receiver: Receiver) -> None:
    with serving(Receiver(mischief=Mischief(share=1, faults=(Fault.FAIL_BEFORE,)))) as broken:
        made = await hooks.add(broken.url)
        await hooks.compute()
        await hooks.settled(made.id, 1, is_tried)
        await hooks.change(made.id, url=receiver.url)
        (delivery,) = await hooks.settled(made.id, 1)
    assert list(receiver.deliveries) == [delivery.id]


async def test_a_delivery_is_sent_again_as_it_was(hooks: Hooks, receiver: Receiver) -> None:
    made = await hooks.add(receiver.url, secret=SECRET)
    await hooks.compute(["ann"])
    (delivery,) = await hooks.settled(made.id, 1)
    asked = await hooks.redeliver(delivery.id)
    assert (asked.id, asked.status, asked.attempts) == (delivery.id, "pending", 0)
    (again,) = await hooks.settled(made.id, 1)
    assert (again.id, again.status, again.attempts) == (delivery.id, "delivered", 1)
    # The receiver asserts that it came with the same body.
    assert (receiver.taken, receiver.repeated) == (2, 1)


async def test_what_was_given_up_is_tried_for_another_day_when_it_is_sent_again(
    hooks: Hooks, receiver: Receiver
) -> None:
    receiver.mischief = Mischief(share=1, faults=(Fault.FAIL_BEFORE,))
    made = await hooks.add(receiver.url)
    await hooks.compute()
    (delivery,) = await hooks.settled(made.id, 1, is_tried)
    await hooks.set_row(delivery.id, asked_at=datetime.now(UTC) - timedelta(days=3))
    assert [one.status for one in await hooks.settled(made.id, 1)] == ["failed"]
    await hooks.redeliver(delivery.id)
    (again,) = await hooks.settled(made.id, 1, lambda one: one.attempts >= 2)
    assert again.status == "pending"
    receiver.mischief = Mischief()
    assert [one.status for one in await hooks.settled(made.id, 1)] == ["delivered"]


Ending = Callable[[ServiceProcess], object]


@pytest.mark.parametrize("end", [ServiceProcess.kill, ServiceProcess.stop])
async def test_a_process_that_ends_loses_nothing_and_repeats_nothing_that_was_taken(
    hooks: Hooks, process: ServiceProcess, receiver: Receiver, end: Ending
) -> None:
    taken = await hooks.add(receiver.url)
    with serving(Receiver(mischief=Mischief(share=1, faults=(Fault.HANG,)))) as slow:
        stuck = await hooks.add(slow.url)
        for _ in range(10):
            await hooks.compute()
        await hooks.settled(taken.id, 10)
        await until(partial(_arrived, slow, 5))
        end(process)
        for _ in range(3):
            await hooks.compute()
        slow.mischief = Mischief()
        process.start()
        for webhook in (taken, stuck):
            assert {one.status for one in await hooks.settled(webhook.id, 13)} == {"delivered"}
    assert (receiver.taken, receiver.repeated) == (13, 0)
    assert (len(slow.deliveries), slow.repeated) == (13, 0)


async def test_two_processes_send_each_delivery_once(
    hooks: Hooks, process: ServiceProcess, receiver: Receiver, settings: Settings
) -> None:
    listen = f"unix:{settings.run_dir / 'connectors-2.sock'}"
    second = ServiceProcess(settings, "connectors", SEGOPS_LISTEN=listen, SEGOPS_OUTBOUND_ALLOW="127.0.0.1")
    second.start()
    made = [await hooks.add(receiver.url) for _ in range(10)]
    for _ in range(20):
        await hooks.compute()
    for webhook in made:
        await hooks.settled(webhook.id, 20)
    assert second.stop() == 0
    assert len(receiver.deliveries) == 200
    # Beside other tests an answer may take longer than its sender waits. Two senders of all would repeat them all.
    assert receiver.repeated < 20
