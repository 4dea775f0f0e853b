"""A server of the event log's cluster dies under load: what was accepted stays, and events are accepted soon again."""

from dataclasses import replace
from functools import partial

from nats.js.api import StreamConfig

from services.kit.eventlog import EventLog
from services.kit.streams import ensure_bucket, ensure_stream
from tests.e2e.account import Account
from tests.scale import log_cluster
from tests.scale.losing import STREAMS, lose_server, survives
from tests.scale.platform import Replicated


async def test_everything_in_the_log_is_on_three_servers(platform: Replicated, owner: Account) -> None:
    await log_cluster.current(platform.settings, STREAMS)
    for stream in STREAMS:
        info = await log_cluster.state(platform.settings, stream)
        assert info is not None
        assert info.config.num_replicas == 3


async def test_what_was_made_for_one_server_is_brought_to_three(platform: Replicated) -> None:
    log = await EventLog.connect(platform.settings)
    before = StreamConfig(name="BEFORE", subjects=["before.*"], num_replicas=1)
    await ensure_stream(log.jetstream, before)
    await log.jetstream.publish("before.1", b"kept")
    await ensure_bucket(log.jetstream, "before", 1)
    await ensure_stream(log.jetstream, replace(before, num_replicas=3))
    await ensure_bucket(log.jetstream, "before", 3)
    await log_cluster.current(platform.settings, ["BEFORE", "KV_before"])
    assert (await log.jetstream.get_msg("BEFORE", 1)).data == b"kept"
    for name in ("BEFORE", "KV_before"):
        await log.jetstream.delete_stream(name)
    await log.close()


async def test_no_accepted_event_is_lost_with_the_server_that_leads(platform: Replicated, owner: Account) -> None:
    print(await survives(platform, owner, partial(lose_server, leader=True)))
