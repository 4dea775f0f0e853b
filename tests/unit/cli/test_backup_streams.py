"""Commands reach services on the wire only: what a backup copies is named by both, and has to agree."""

from cli.backup import streams
from services.kit import eventlog
from services.warehouse.loading import dead_letters, erased, rewritten


def test_every_stream_that_is_not_made_anew_is_copied() -> None:
    kept = {eventlog.STREAM, rewritten.REWRITTEN, dead_letters.STREAM, f"KV_{erased.BUCKET}"}
    assert set(streams.STREAMS) == kept
