"""The mirror of the segments' ledgers in PostgreSQL: where it ends, and what comes next."""

import uuid

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.kit.errors import Invalid
from services.warehouse.failures import is_unreadable
from services.warehouse.layout import ONE_ENGINE, Layout
from services.warehouse.tables import MIRRORED

# Of the lines that are appended.
USER_COLUMN = 1


class UnreadableChanges(Invalid):
    """The changes cannot be read; none of them was taken."""


def position(client: Client, tenant_id: int, segment_id: int, layout: Layout = ONE_ENGINE) -> tuple[int, str]:
    """Run and user of a segment's last change here; run 0 when there is none."""
    # Reads the end of the primary key: one row, however many there are.
    query = f"""
        SELECT run_id, user_id FROM {MIRRORED.name if layout.cluster else "membership_changes"}
        WHERE tenant_id = {{tenant:UInt32}} AND segment_id = {{segment:Int32}}
        ORDER BY run_id DESC, user_id DESC LIMIT 1
    """
    rows = client.query(query, parameters={"tenant": tenant_id, "segment": segment_id}).result_rows
    return (rows[0][0], rows[0][1]) if rows else (0, "")


def append(client: Client, tenant_id: int, segment_id: int, copy_text: bytes, layout: Layout = ONE_ENGINE) -> None:
    """Adds changes: lines of run, user, 1 or 0, and instant. All of them or, raising UnreadableChanges, none."""
    if segment_id < 1:
        raise UnreadableChanges
    begin = b"%d\t%d\t" % (tenant_id, segment_id)
    append_lines(client, "membership_changes", begin, copy_text)
    if layout.cluster:
        run, user = copy_text[:-1].rpartition(b"\n")[2].split(b"\t")[:2]
        append_lines(client, MIRRORED.name, begin, run + b"\t" + user + b"\n")


def append_lines(client: Client, table: str, begin: bytes, copy_text: bytes) -> None:
    """Adds lines of COPY's text format, each behind `begin`. All of them or, raising UnreadableChanges, none."""
    if not copy_text.endswith(b"\n"):
        raise UnreadableChanges
    lines = begin + copy_text[:-1].replace(b"\n", b"\n" + begin) + b"\n"
    # A new token each time: the engine would take the same lines for a repetition, also if it lost them in a crash.
    settings = {"insert_deduplication_token": uuid.uuid4().hex}
    try:
        # The engine would store any bytes.
        copy_text.decode()
        client.raw_insert(table, insert_block=lines, fmt="TabSeparated", settings=settings)
    except UnicodeDecodeError as error:
        raise UnreadableChanges from error
    except ClickHouseError as error:
        if is_unreadable(error):
            raise UnreadableChanges from error
        raise
