"""Connections of a pool whose other side has ended meanwhile: they are replaced before anybody works with one."""

import select
from typing import Any

from sqlalchemy import event, exc
from sqlalchemy.pool import ConnectionPoolEntry, Pool

# Of a connection that was worked with: on one that is new there may be something to read that belongs to its greeting.
USED = "used"


def replace_ended(pool: Pool) -> None:
    """Has a pool look at each connection before it hands it out. The other side is not asked: it takes microseconds."""

    def note(_: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[USED] = True

    def look(connection: Any, entry: ConnectionPoolEntry, _: Any) -> None:
        if entry.info.pop(USED, False) and _has_something_to_say(connection.driver_connection.fileno()):
            # The pool takes another one instead.
            raise exc.DisconnectionError

    event.listen(pool, "checkin", note)
    event.listen(pool, "checkout", look)


def _has_something_to_say(socket: int) -> bool:
    """Whether there is something to read, which on an idle connection is its end, or what comes before it."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
