"""Messages that cannot be read do not stop the log."""

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event, row

GOOD = row(1, Event())
UNREADABLE = {
    "too few columns": b"1\tu\tt\n",
    "too many columns": GOOD.replace(b"\n", b"\tx\n"),
    "not a tenant": b"x" + GOOD,
    "not a time": GOOD.replace(b"2026-04-25", b"yesterday!"),
    "not an event id": GOOD[:60] + b"zzzz" + GOOD[64:],
    "an empty row": b"\n",
    "a good and a bad row": GOOD + b"\\\t\n",
    "no line end": GOOD[:-1],
    "long characters": "€".encode() * 100_000 + b"\n",
    "one more byte and long characters": b"x" + "€".encode() * 100_000 + b"\n",
    "and another": b"xx" + "€".encode() * 100_000 + b"\n",
    "bytes": bytes(range(256)) + b"\n",
}


async def test_unreadable_messages_are_put_aside_and_the_others_are_loaded(warehouse: Warehouse, tenant: int) -> None:
    sent = {}
    for number, rows in enumerate(UNREADABLE.values()):
        await warehouse.log.append(tenant, row(tenant, Event(user_id=f"u{number}")))
        sent[str(await warehouse.log.append(tenant, rows))] = rows
    await warehouse.loaded(await warehouse.log.append(tenant, row(tenant, Event(user_id="last"))))

    found = await warehouse.stub.SearchUsers(pb.SearchUsersRequest(limit=100), metadata=warehouse.metadata(tenant))
    assert [user.event_count for user in found.users] == [1] * (len(UNREADABLE) + 1)
    letters = await warehouse.log.jetstream.subscribe(f"dead.{tenant}", ordered_consumer=True)
    put_aside = {}
    for _ in sent:
        letter = await letters.next_msg(5)
        headers = letter.headers or {}
        assert headers["Segops-Reason"]
        put_aside[headers["Segops-Sequence"]] = letter.data
    assert put_aside == sent
