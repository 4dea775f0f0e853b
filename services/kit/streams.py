"""Streams and buckets of the event log, made when they are not there and brought to the settings when they are."""

import logging
from dataclasses import replace

from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import APIError, BucketNotFoundError, NotFoundError
from nats.js.kv import KeyValue

log = logging.getLogger("eventlog")

# What JetStream answers to whoever makes a stream that another process made first.
NAME_IN_USE = 10058


async def ensure_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    """Makes a stream, or gives the one that is there as many replicas as are wanted, and messages that lifetime."""
    assert wanted.name is not None
    try:
        found = (await jetstream.stream_info(wanted.name)).config
    except NotFoundError:
        try:
            await jetstream.add_stream(wanted)
        except APIError as error:
            if error.err_code != NAME_IN_USE:
                raise
        return
    changed = replace(found, num_replicas=wanted.num_replicas, max_age=wanted.max_age)
    if changed != found:
        await jetstream.update_stream(changed)
        log.info("the stream %s has %d replicas", wanted.name, changed.num_replicas)


async def ensure_bucket(jetstream: JetStreamContext, name: str, replicas: int) -> KeyValue:
    """A bucket that keeps the last value of each key on disk, on so many servers."""
    try:
        bucket = await jetstream.key_value(name)
    except BucketNotFoundError:
        return await jetstream.create_key_value(bucket=name, history=1, storage=StorageType.FILE, replicas=replicas)
    config = (await jetstream.stream_info(f"KV_{name}")).config
    await ensure_stream(jetstream, replace(config, num_replicas=replicas))
    return bucket
