from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import pytest

from services.warehouse.loading.duplicates import Duplicates
from services.warehouse.loading.messages import Message

NOON = datetime(2026, 4, 25, 12, tzinfo=UTC)
NAMESPACE = UUID(int=1)


def row(event_id: UUID | str, tenant_id: int = 1) -> bytes:
    return f"{tenant_id}\tu\tt\t2026-04-25 12:00:00.000\t2026-04-25 12:00:00.000\t{event_id}\t{{}}\n".encode()


def message(sequence: int, *rows: bytes, at: datetime = NOON) -> Message:
    return Message(
        sequence=sequence, subject="events.1", published_at=at, read_at=0.0, rows=b"".join(rows), repeatable=True
    )


def derived(name: str) -> UUID:
    return uuid5(NAMESPACE, name)


@pytest.fixture
def duplicates(tmp_path: Path) -> Iterator[Duplicates]:
    memory = Duplicates(tmp_path / "ids")
    yield memory
    memory.close()


A, B = row(derived("a")), row(derived("b"))


def test_only_the_first_row_with_an_id_is_kept(duplicates: Duplicates) -> None:
    kept = duplicates.drop([message(1, A, B), message(2, B), message(3, row(derived("c")), A)])
    assert [m.rows for m in kept] == [A + B, b"", row(derived("c"))]


def test_a_row_that_comes_twice_in_one_message_is_kept_once(duplicates: Duplicates) -> None:
    assert duplicates.drop([message(1, A, B, A)])[0].rows == A + B


def test_ids_of_earlier_blocks_are_known_after_a_restart(tmp_path: Path) -> None:
    before = Duplicates(tmp_path / "ids")
    before.drop([message(1, A)])
    before.close()
    after = Duplicates(tmp_path / "ids")
    assert after.drop([message(2, A, B)])[0].rows == B
    after.close()


def test_messages_that_are_looked_at_again_give_the_same_answer_in_other_blocks(duplicates: Duplicates) -> None:
    messages = [message(1, A, B, A), message(2, A, row(derived("c"))), message(3, row(derived("c")), B)]
    first = duplicates.drop(messages)
    assert duplicates.drop(messages) == first
    assert [*duplicates.drop(messages[:2]), *duplicates.drop(messages[2:])] == first
    assert [kept for m in messages for kept in duplicates.drop([m])] == first


def test_random_ids_are_never_dropped(duplicates: Duplicates) -> None:
    random = row(uuid4())
    assert [m.rows for m in duplicates.drop([message(1, random, random), message(2, random)])] == [
        random + random,
        random,
    ]


def test_messages_without_the_mark_are_not_looked_at(duplicates: Duplicates) -> None:
    plain = replace(message(1, A, A), repeatable=False)
    assert duplicates.drop([plain, replace(plain, sequence=2)]) == [plain, replace(plain, sequence=2)]


def test_tenants_do_not_share_ids(duplicates: Duplicates) -> None:
    assert duplicates.drop([message(1, A, row(derived("a"), tenant_id=2))])[0].rows.count(b"\n") == 2


@pytest.mark.parametrize(
    "rows", [b"", b"\n", b"1\tu\n", b"\t" * 9 + b"\n", row("not an id"), row("x" * 14 + "5" * 22), A[:-1]]
)
def test_rows_that_cannot_be_read_pass_unchanged(duplicates: Duplicates, rows: bytes) -> None:
    assert duplicates.drop([message(1, rows)])[0].rows == rows


@pytest.mark.parametrize("start", [NOON, NOON.replace(hour=0), NOON.replace(hour=7, minute=59, second=59)])
def test_an_id_is_known_for_24_hours_and_forgotten_after_32(duplicates: Duplicates, start: datetime) -> None:
    duplicates.drop([message(1, A, at=start)])
    assert duplicates.drop([message(2, A, at=start + timedelta(hours=24))])[0].rows == b""
    assert duplicates.drop([message(3, A, at=start + timedelta(hours=32))])[0].rows == A


def test_forgotten_ids_leave_the_disk(tmp_path: Path) -> None:
    memory = Duplicates(tmp_path / "ids")
    for day in range(5):
        memory.drop([message(day + 1, A, at=NOON + timedelta(days=day))])
    assert len(list((tmp_path / "ids").iterdir())) <= 4
    memory.close()


def test_a_block_over_two_buckets_finds_its_own_ids(duplicates: Duplicates) -> None:
    late = NOON.replace(hour=15, minute=59)
    kept = duplicates.drop([message(1, A, at=late), message(2, A, B, at=late + timedelta(minutes=2))])
    assert [m.rows for m in kept] == [A, B]


def test_what_was_dropped_stays_with_its_message(duplicates: Duplicates) -> None:
    first, second = duplicates.drop([message(1, A, B, A), message(2, B, row(derived("c")))])
    assert (first.repeated, second.repeated) == ((A,), (B,))


def test_ids_are_found_by_their_tenant_after_a_restart_too_until_24_hours_have_passed(tmp_path: Path) -> None:
    ids = [derived(name).bytes for name in "abc"]
    memory = Duplicates(tmp_path / "ids")
    assert memory.find(1, ids, NOON) == set()
    memory.drop([message(1, A, B)])
    memory.close()
    memory = Duplicates(tmp_path / "ids")
    assert memory.find(1, ids, NOON) == set(ids[:2])
    assert memory.find(2, ids, NOON) == set()
    assert memory.find(1, ids, NOON + timedelta(hours=24)) == set(ids[:2])
    assert memory.find(1, ids, NOON + timedelta(hours=32)) == set()
    memory.close()


def test_ids_are_found_while_others_are_written_and_forgotten(tmp_path: Path) -> None:
    memory = Duplicates(tmp_path / "ids")
    hours = range(0, 160, 4)
    first, last = derived("0").bytes, derived("156").bytes

    def write() -> None:
        for hour in hours:
            memory.drop([message(hour + 1, row(derived(str(hour))), at=NOON + timedelta(hours=hour))])

    with ThreadPoolExecutor(4) as threads:
        writing = threads.submit(write)
        while not writing.done():
            moments = [NOON + timedelta(hours=hour) for hour in hours]
            for found in threads.map(lambda now: memory.find(1, [first], now), moments):
                assert found <= {first}
        writing.result()
    assert memory.find(1, [first, last], NOON + timedelta(hours=156)) == {last}
    memory.close()


def test_a_log_that_is_loaded_again_gives_the_same_answers_whatever_was_forgotten(duplicates: Duplicates) -> None:
    week = [message(1, A), message(2, A, B, at=NOON + timedelta(hours=20)), message(3, B, at=NOON + timedelta(days=5))]
    first = [duplicates.drop([each])[0].rows for each in week]
    duplicates.forgetting = False
    again = []
    for each in week[:2]:
        again.append(duplicates.drop([each])[0].rows)
        assert duplicates.drop([week[2]])[0].rows == first[2]
    assert again == first[:2] == [A, B]


def test_what_was_taken_later_while_ids_were_lost_is_not_kept_again(duplicates: Duplicates) -> None:
    assert duplicates.drop([message(9, A, at=NOON + timedelta(hours=20))])[0].rows == A
    assert duplicates.drop([message(1, A, B)])[0].rows == B
