"""While the warehouse is away events are taken as before; only what needs it is not told."""

import socket
import time
from contextlib import closing

import grpc
import pytest

from tests.integration.ingestion.accounting import Counts, Sender, event
from tests.integration.ingestion.conftest import Platform

EVENTS = [event("t", f"m{number}") for number in range(500)]


def test_there_are_no_statistics_for_now(platform: Platform) -> None:
    with grpc.insecure_channel(platform.settings.address("ingestion")) as channel:
        sender = Sender(platform.settings, channel)
        assert sender.batch([event("a"), {}]) == Counts(stored=1, skipped=1)
        with pytest.raises(grpc.RpcError) as raised:
            sender.stats()
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


def test_only_duplicates_of_what_the_replica_took_itself_are_told_and_nobody_waits(platform: Platform) -> None:
    with grpc.insecure_channel(platform.settings.address("ingestion")) as channel:
        sender = Sender(platform.settings, channel)
        assert sender.batch(EVENTS) == Counts(stored=500)
        assert sender.batch(EVENTS) == Counts(duplicate=500)
        with closing(socket.socket(socket.AF_UNIX)) as hanging:
            hanging.bind(platform.settings.address("warehouse").removeprefix("unix:"))
            hanging.listen()
            began = time.monotonic()
            assert not any(sender.track(event("t", f"other{number}")) for number in range(10))
            assert time.monotonic() - began < 2
