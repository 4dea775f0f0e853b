"""Searching and reading users of whom some have several ids, compared with plain Python over the same events."""

import random
from dataclasses import dataclass, field

import pytest

from services.gen.segops.warehouse.v1 import links_pb2, links_pb2_grpc
from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.channel import connect
from services.kit.wire import timestamp
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event, rows
from tests.integration.warehouse.test_lookups import HOSTILE_IDS, history

# Nobody ever sent an event under these.
SILENT_IDS = ("a silent one", "_silent", "aa\\silent")
TEXTS = ("", "a", "b", "'", "\\", "%", "_", "x", "[", "{", " ", "silent", "not there", *HOSTILE_IDS, *SILENT_IDS)


@dataclass
class Linked:
    """A tenant's events, and its links: the id that stands for the person, by user id."""

    warehouse: Warehouse
    tenant: int
    events: list[Event]
    persons: dict[str, str] = field(default_factory=dict)
    version: int = 0

    async def link(self, persons: dict[str, str]) -> None:
        """Mirrors links, which override older ones of the same ids."""
        lines = []
        for user_id, person_id in persons.items():
            self.version += 1
            lines.append("\t".join([_escaped(user_id), _escaped(person_id), str(self.version)]) + "\n")
        channel = connect(self.warehouse.settings, "warehouse")
        request = links_pb2.AppendLinksRequest(copy_text="".join(lines).encode())
        stub = links_pb2_grpc.LinkMirrorServiceStub(channel)
        await stub.AppendLinks(request, metadata=self.warehouse.metadata(self.tenant))
        await channel.close()
        self.persons |= persons

    def ids(self, person_id: str) -> set[str]:
        """All ids of a person."""
        return {person_id} | {user_id for user_id, known in self.persons.items() if known == person_id}

    def of(self, person_id: str) -> list[Event]:
        """A person's events, newest first."""
        mine = [event for event in self.events if event.user_id in self.ids(person_id)]
        return sorted(mine, key=lambda event: (event.occurred_at, event.received_at, event.event_id.int), reverse=True)

    def search(self, text: str) -> list[str]:
        """Whom a text finds, in the order of the answer."""
        active = {self.persons.get(event.user_id, event.user_id) for event in self.events}
        found = {person: [user_id for user_id in self.ids(person) if text in user_id] for person in active}

        def place(person_id: str) -> tuple[bool, bytes]:
            return not any(user_id.startswith(text) for user_id in found[person_id]), person_id.encode()

        return sorted((person_id for person_id, matching in found.items() if matching), key=place)


@pytest.fixture
async def linked(warehouse: Warehouse, tenant: int, other_tenant: int) -> Linked:
    """1,000 events of users a third of whom are linked to others, and the same ids linked otherwise elsewhere."""
    await Linked(warehouse, other_tenant, []).link(dict.fromkeys(HOSTILE_IDS, "elsewhere"))
    events = history(tenant, 1000)
    sequence = 0
    for part in range(3):
        await warehouse.log.append(other_tenant, rows(other_tenant, *history(other_tenant + part, 100)))
        sequence = await warehouse.log.append(tenant, rows(tenant, *events[part::3]))
    await warehouse.loaded(sequence)
    linked = Linked(warehouse, tenant, events)
    chance = random.Random(tenant)
    ids = [*HOSTILE_IDS, *SILENT_IDS]
    chance.shuffle(ids)
    people, others = ids[:6], ids[6:20]
    await linked.link({user_id: chance.choice(people) for user_id in others})
    # Some of them are linked anew, and one is its own again.
    await linked.link({user_id: chance.choice(people) for user_id in others[:5]} | {others[5]: others[5]})
    return linked


async def test_a_person_is_found_once_by_any_id_with_all_that_was_sent_under_them(linked: Linked) -> None:
    for text in TEXTS:
        request = pb.SearchUsersRequest(query=text, limit=200, links=linked.version)
        found = await linked.warehouse.stub.SearchUsers(request, metadata=linked.warehouse.metadata(linked.tenant))
        assert [user.user_id for user in found.users] == linked.search(text), text
        assert found.count == len(found.users)
        for user in found.users:
            times = [event.occurred_at for event in linked.of(user.user_id)]
            assert user.event_count == len(times)
            assert (user.first_seen, user.last_seen) == (timestamp(min(times)), timestamp(max(times)))


async def test_pages_of_persons_join_to_the_whole(linked: Linked) -> None:
    for text in ("", "a"):
        whole, found = linked.search(text), list[str]()
        for offset in range(0, len(whole) + 4, 4):
            request = pb.SearchUsersRequest(query=text, limit=4, offset=offset, links=linked.version)
            page = await linked.warehouse.stub.SearchUsers(request, metadata=linked.warehouse.metadata(linked.tenant))
            assert page.count == len(whole)
            found += [user.user_id for user in page.users]
        assert found == whole


async def test_a_profile_and_its_events_are_of_all_ids(linked: Linked) -> None:
    metadata = linked.warehouse.metadata(linked.tenant)
    for person_id in linked.search(""):
        events, user_ids = linked.of(person_id), sorted(linked.ids(person_id))
        user = await linked.warehouse.stub.GetUser(pb.GetUserRequest(user_ids=user_ids), metadata=metadata)
        assert (user.event_count, user.event_type_count) == (len(events), len({event.event_type for event in events}))
        assert (user.first_seen, user.last_seen) == (
            timestamp(events[-1].occurred_at),
            timestamp(events[0].occurred_at),
        )
        identified = [event for event in events if event.event_type == "context_identified"]
        times = [(event.occurred_at, event.received_at) for event in identified]
        # Equal in both times, any may be the current one.
        newest = {event.payload for event, time in zip(identified, times, strict=True) if time == times[0]}
        assert user.properties in (newest or {"{}"})
        request = pb.ListUserEventsRequest(user_ids=user_ids, limit=1000)
        page = await linked.warehouse.stub.ListUserEvents(request, metadata=metadata)
        assert [(event.user_id, event.event_id) for event in page.events] == [
            (event.user_id, str(event.event_id)) for event in events
        ]


async def test_somebody_with_ten_thousand_ids_is_read(linked: Linked) -> None:
    user_ids = ["a", *(f"anon_{number:032x}" for number in range(10_000))]
    metadata = linked.warehouse.metadata(linked.tenant)
    user = await linked.warehouse.stub.GetUser(pb.GetUserRequest(user_ids=user_ids), metadata=metadata)
    assert user.event_count == sum(event.user_id == "a" for event in linked.events)
    request = pb.ListUserEventsRequest(user_ids=user_ids, limit=1)
    assert (await linked.warehouse.stub.ListUserEvents(request, metadata=metadata)).count == user.event_count


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")
