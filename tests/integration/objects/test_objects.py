"""Files in a directory and in a bucket behave the same."""

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.kit.errors import NotFound
from services.kit.objects import PART_BYTES, Objects, StorageAway, StorageFull
from tests.s3 import CREDENTIALS, Bucket, running_bucket

KEY = "7-1.csv"
CONTENT = bytes(range(256)) * 4 * 11_000  # more than one part of an upload


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with running_bucket() as bucket:
        yield bucket


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["directory", "bucket"])
async def objects(
    request: pytest.FixtureRequest, tmp_path: Path, bucket: Bucket, credentials: None
) -> AsyncIterator[Objects]:
    objects = Objects.at(bucket.url if request.param == "bucket" else (tmp_path / "a b%").as_uri())
    yield objects
    for key in await objects.keys():
        await objects.delete(key)
    objects.close()


async def write(objects: Objects, content: bytes) -> None:
    async with objects.writing(KEY) as sink:
        for start in range(0, len(content), PART_BYTES):
            await objects.in_thread(sink.write, content[start : start + PART_BYTES])


async def read(objects: Objects) -> bytes:
    async with objects.reading(KEY) as reading:
        content = b"".join([part async for part in reading.parts])
    assert reading.size == len(content)
    return content


async def test_a_file_is_read_as_it_was_written(objects: Objects) -> None:
    await write(objects, CONTENT)
    assert await read(objects) == CONTENT
    assert await objects.keys() == [KEY]


async def test_a_second_file_of_a_name_takes_the_place_of_the_first(objects: Objects) -> None:
    await write(objects, b"first")
    await write(objects, b"second, and longer")
    assert await read(objects) == b"second, and longer"
    assert await objects.keys() == [KEY]


async def test_a_file_is_not_there_before_it_is_whole(objects: Objects) -> None:
    with pytest.raises(NotFound):
        await read(objects)
    async with objects.writing(KEY) as sink:
        await objects.in_thread(sink.write, b"half")
        with pytest.raises(NotFound):
            await read(objects)
    assert await read(objects) == b"half"


async def test_writing_that_fails_leaves_nothing(objects: Objects) -> None:
    async def fail() -> None:
        async with objects.writing(KEY) as sink:
            await objects.in_thread(sink.write, CONTENT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await objects.keys() == []


async def test_writing_that_is_cancelled_leaves_nothing(objects: Objects) -> None:
    begun = asyncio.Event()

    async def write_for_ever() -> None:
        async with objects.writing(KEY) as sink:
            while True:
                await objects.in_thread(sink.write, CONTENT)
                begun.set()

    writing = asyncio.create_task(write_for_ever())
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await objects.keys() == []


async def test_a_file_is_deleted_once_or_twice(objects: Objects) -> None:
    await write(objects, b"x")
    await objects.delete(KEY)
    await objects.delete(KEY)
    assert await objects.keys() == []


async def test_only_its_owner_reads_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "exports"
    await write(Objects.at(directory.as_uri()), b"x")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / KEY).stat().st_mode) == 0o600


async def test_a_file_in_the_place_of_the_directory_is_storage_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("")
    objects = Objects.at((tmp_path / "exports").as_uri())
    with pytest.raises(StorageAway):
        await write(objects, b"x")


async def test_a_full_disk_is_told_apart(tmp_path: Path) -> None:
    objects = Objects.at(tmp_path.as_uri())
    with pytest.raises(StorageFull):
        await objects.in_thread(Path("/dev/full").write_bytes, b"x")


async def test_a_bucket_that_is_away_is_told_without_its_credentials(
    credentials: None, caplog: pytest.LogCaptureFixture
) -> None:
    objects = Objects.at("s3://bucket?region=eu-west-1&endpoint_override=http://127.0.0.1:1")
    for attempt in (write(objects, b"x"), read(objects)):
        with pytest.raises(StorageAway) as raised:
            await attempt
        assert "127.0.0.1" not in raised.value.detail
    assert "the file storage failed" in caplog.text
    assert not any(secret in caplog.text for secret in CREDENTIALS.values())


def test_an_option_that_a_bucket_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="secret_key: not one of endpoint_override, region, scheme"):
        Objects.at("s3://bucket/prefix?secret_key=hush")
