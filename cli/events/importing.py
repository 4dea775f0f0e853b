"""The import of one source: what was acknowledged is noted, and where a run ended the next one goes on."""

import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from cli.events import rejections, state
from cli.events.batches import Batch, batches
from cli.events.lines import BYTE_ORDER_MARK, Changed, Lines
from cli.events.mapping import Rule
from cli.events.ndjson import read_ndjson
from cli.events.progress import Meter
from cli.events.records import Record
from cli.events.rejections import Report
from cli.events.sending import Feed, Open, Sender
from cli.events.sources import Source
from cli.events.state import State
from cli.events.tables import read_header
from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.kit.errors import Conflict, Invalid

SAVE_SECONDS = 1.0

FormatName = Literal["ndjson", "csv"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How to read sources, and whether to send those anew that are done."""

    tenant: str
    format: FormatName | None
    rules: Sequence[Rule]
    delimiter: str
    again: bool


class Import:
    """One source on its way into a tenant."""

    def __init__(self, source: Source, options: Options) -> None:
        """Reads the header of a table. Raises Invalid when it does not fit, and Conflict for a state it cannot read."""
        self.source = source
        self.left_out: Sequence[str] = ()
        beside = f"{source.stem.name}.{options.tenant}"
        self.report_path = source.stem.with_name(beside + rejections.SUFFIX)
        self._state_path = source.stem.with_name(beside + state.SUFFIX)
        kept = state.load(self._state_path) if source.lasting else None
        self.state = kept or State(identity=source.identity, seen=source.identity)
        if options.again:
            self.state = State(identity=self.state.identity, seen=source.identity)
        self._saved_at = 0.0
        self._lines = Lines(source.content)
        self._records = self._read(options)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to send."""
        return self.state.done and self.state.seen == self.source.identity

    async def run(self, open_stream: Open, meter: Meter, wait_seconds: float) -> None:
        """Sends what is not acknowledged yet.

        Raises Conflict when what was imported before has changed, Invalid for what cannot be read, and the failures of
        the platform: Unavailable when it was away for `wait_seconds`. Whatever it raises, what was acknowledged is
        noted.
        """

        def stored(batch: Batch, result: pb.TrackEventsResponse) -> None:
            self._note(batch, result, report)
            meter.advance(batch.read, len(batch.sent) + len(batch.rejected))
            if time.monotonic() - self._saved_at > SAVE_SECONDS:
                self._save(report)

        def waiting() -> None:
            meter.waiting()
            self._save(report)

        meter.begin(self.source.label)
        with Report(self.report_path, self.state.reported) as report:
            self._save(report)
            feed = Feed(self._batches())
            try:
                await Sender(feed, open_stream, stored=stored, waiting=waiting, wait_seconds=wait_seconds).run()
                self.state = msgspec.structs.replace(self.state, done=True, seen=self.source.identity)
            except Changed as changed:
                raise Conflict(
                    f"{self.source.label} has changed before line {self.state.position.line}, up to which it was "
                    f"imported. Put what is new into a file of its own, or remove {self._state_path} to import it all."
                ) from changed
            except (OSError, EOFError, zlib.error) as error:
                raise Invalid(detail=f"{self.source.label}: {error}") from error
            finally:
                self._save(report)

    def _read(self, options: Options) -> Iterator[Record]:
        if _format_of(self.source, options) == "ndjson":
            return read_ndjson(self._lines)
        table = read_header(self._lines, options.rules, options.delimiter)
        self.left_out = table.table.left_out
        return table(self._lines)

    def _batches(self) -> Iterator[Batch]:
        if self.state.position.line:
            self._lines.skip_to(self.state.position)
        yield from batches(self._records, self._lines, self.source, self.state.identity)

    def _note(self, batch: Batch, result: pb.TrackEventsResponse, report: Report) -> None:
        rejected = [(record, record.error) for record in batch.rejected]
        rejected += [(batch.sent[skipped.index], skipped.error) for skipped in result.skipped]
        report.add(sorted(rejected, key=lambda pair: pair[0].line))
        self.state = msgspec.structs.replace(
            self.state,
            position=batch.end,
            done=False,
            queued=self.state.queued + result.queued,
            duplicate=self.state.duplicate + result.duplicate,
            rejected=self.state.rejected + len(rejected),
        )

    def _save(self, report: Report) -> None:
        self._saved_at = time.monotonic()
        self.state = msgspec.structs.replace(self.state, reported=report.flush())
        if self.source.lasting:
            state.save(self._state_path, self.state)


def _format_of(source: Source, options: Options) -> FormatName:
    """By name, else by what it begins with; mappings are for tables only."""
    if options.format or options.rules:
        return options.format or "csv"
    suffixes = Path(source.label).suffixes
    if ".csv" in suffixes:
        return "csv"
    if {".ndjson", ".jsonl"} & set(suffixes):
        return "ndjson"
    beginning = source.content.peek(1).removeprefix(BYTE_ORDER_MARK).lstrip()
    return "ndjson" if beginning.startswith(b"{") else "csv"
