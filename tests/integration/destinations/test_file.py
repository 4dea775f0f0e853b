"""The file destination on a directory, on a bucket of the operator's and on one of the owner's."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import parquet
from pydantic import ValidationError

from services.connectors.addresses import AllowList
from services.connectors.destinations import TYPES
from services.connectors.destinations.file import File
from services.connectors.destinations.folders import Folder, folder_at
from services.connectors.destinations.interface import Means, Refused, TryLater
from services.connectors.destinations.s3 import PART_BYTES, Bucket, S3Folder
from services.connectors.outbound import Outbound
from tests.integration.destinations.conftest import AUDIENCE, chunk, opened
from tests.s3 import CREDENTIALS, running_bucket
from tests.s3 import Bucket as Server

KEYS = {
    "access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
    "secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
}
# Sorted by their bytes.
USERS = ['"quoted"', "comma,d", "user 1", "user 2", "zoë", "\u2028line", "😀"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_bucket() as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def endpoint(server: Server) -> str:
    return server.url.partition("endpoint_override=")[2]


def owners_bucket(server: Server, prefix: str, outbound: Outbound) -> S3Folder:
    bucket = Bucket(endpoint=endpoint(server), region="us-east-1", name="bucket", prefix=prefix, **KEYS)
    return S3Folder(bucket, outbound)


@pytest.fixture(params=["directory", "operators bucket", "owners bucket"])
def folder(request: pytest.FixtureRequest, server: Server, tmp_path: Path, outbound: Outbound) -> Folder:
    """An empty folder."""
    match request.param:
        case "directory":
            return folder_at(tmp_path.as_uri(), "a folder", "of its own")
        case "operators bucket":
            return folder_at(server.url, tmp_path.name)
        case _:
            return owners_bucket(server, f"own/{tmp_path.name}", outbound)


async def listed(found: File) -> list[str]:
    return [name for entry in [entry async for entry in found.entries()] for name in entry.names]


@pytest.mark.parametrize("list_format", ["csv", "parquet"])
async def test_the_file_holds_all_users_in_order(folder: Folder, list_format: str, tmp_path: Path) -> None:
    found = File(folder, "members", list_format)
    await found.send(chunk(USERS[3:]))
    await found.send(chunk(USERS[:3]))
    assert await listed(found) == []
    await found.finish()
    assert await folder.get(f"members.{list_format}", tmp_path / "copy")
    assert read(tmp_path / "copy", list_format) == USERS
    assert await listed(found) == USERS
    await found.send(chunk(["new"], USERS[:2]))
    await found.finish()
    assert await listed(found) == ["new", *USERS[2:]]
    assert await folder.names("") == [f"members.{list_format}"]


async def test_an_empty_segment_has_an_empty_file(folder: Folder) -> None:
    found = File(folder, "members", "csv")
    await found.finish()
    assert await folder.names("") == ["members.csv"]
    assert await listed(found) == []


async def test_the_last_change_of_a_user_counts(folder: Folder) -> None:
    for entered, exited in (["ann"], []), ([], ["ann"]), (["ann"], []), ([], ["bob"]), (["bob"], []), ([], ["ann"]):
        # Each time another process.
        await File(folder, "members", "csv").send(chunk(entered, exited))
    found = File(folder, "members", "csv")
    await found.finish()
    assert await listed(found) == ["bob"]


async def test_entries_can_be_removed(folder: Folder) -> None:
    found = File(folder, "members", "csv")
    await found.send(chunk(USERS))
    await found.finish()
    await found.remove(USERS[2:])
    await found.finish()
    assert await listed(found) == USERS[:2]


class Failing:
    """A folder that fails at one of its operations: before it was done, or after."""

    def __init__(self, folder: Folder, at: int, *, done: bool) -> None:
        self._folder, self._left, self._done = folder, at, done

    async def names(self, prefix: str) -> Sequence[str]:
        return await self._folder.names(prefix)

    async def get(self, name: str, path: Path) -> bool:
        return await self._folder.get(name, path)

    async def put(self, name: str, path: Path) -> None:
        if self._done:
            await self._folder.put(name, path)
        self._count()
        if not self._done:
            await self._folder.put(name, path)

    async def delete(self, name: str) -> None:
        if self._done:
            await self._folder.delete(name)
        self._count()
        if not self._done:
            await self._folder.delete(name)

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise TryLater("killed")


STEPS = [(["a", "b", "c"], ["d"]), (["d", "e"], []), (["f"], ["a"]), (["a"], ["b", "f"])]
OPERATIONS = 2 * len(STEPS) + 1


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, OPERATIONS + 1))
async def test_wherever_it_is_killed_the_list_is_right_in_the_end(tmp_path: Path, at: int, done: bool) -> None:
    folder = folder_at(tmp_path.as_uri())
    failing = Failing(folder, at, done=done)
    found = File(failing, "members", "csv")
    step = kills = 0
    while True:
        try:
            while step < len(STEPS):
                await found.send(chunk(*STEPS[step]))
                step += 1
            await found.finish()
            break
        except TryLater:
            kills += 1
            found = File(failing, "members", "csv")
    assert kills == 1
    assert await listed(found) == ["a", "c", "d", "e"]
    assert await folder.names("") == ["members.csv"]


async def test_a_sync_after_one_that_was_killed_while_it_deleted_changes_counts(tmp_path: Path) -> None:
    folder = folder_at(tmp_path.as_uri())
    found = File(Failing(folder, 4, done=True), "members", "csv")
    for step in STEPS[:2]:
        await found.send(chunk(*step))
    with pytest.raises(TryLater):
        await found.finish()
    again = File(folder, "members", "csv")
    await again.send(chunk([], ["e"]))
    await again.finish()
    assert await listed(again) == ["a", "b", "c", "d"]


async def test_drafts_of_killed_processes_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    for name in ("members.csv.ab12cd_9.part", "members.changes.000000000003.ab12cd_9.part", "members.csv.old", "other"):
        (tmp_path / name).touch()
    folder = folder_at(tmp_path.as_uri())
    await File(folder, "members", "csv").finish()
    assert set(await folder.names("")) == {"members.csv", "members.csv.old", "other"}


@pytest.mark.parametrize("list_format", ["csv", "parquet"])
async def test_a_file_that_is_no_list_is_refused_and_kept(tmp_path: Path, list_format: str) -> None:
    path = tmp_path / f"members.{list_format}"
    path.write_bytes(b"\xff\xfe something else\n")
    found = File(folder_at(tmp_path.as_uri()), "members", list_format)
    await found.send(chunk(["ann"]))
    for attempt in (found.finish(), listed(found)):
        with pytest.raises(Refused, match=f"members.{list_format} is no list of users"):
            await attempt
    assert path.read_bytes() == b"\xff\xfe something else\n"


async def test_every_connector_has_a_folder_of_its_own(means: Means, tmp_path: Path) -> None:
    for tenant, activation in (3, 5), (3, 6), (4, 7):
        audience = replace(AUDIENCE, tenant_id=tenant, activation_id=activation)
        await opened("file", {}, means, audience=audience).finish()
    files = {str(path.relative_to(tmp_path / "files")) for path in (tmp_path / "files").rglob("*.csv")}
    assert files == {
        "tenant-3/connector-5/members.csv",
        "tenant-3/connector-6/members.csv",
        "tenant-4/connector-7/members.csv",
    }


async def test_storage_that_is_away_is_tried_later(means: Means, tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the place of the directory")
    with pytest.raises(TryLater, match="file storage"):
        await opened("file", {}, means).send(chunk(["ann"]))


async def test_a_bucket_of_the_owners_is_used_with_its_credentials(
    server: Server, means: Means, tmp_path: Path
) -> None:
    config = {"format": "parquet", "bucket": "bucket", "prefix": "of/mine", "endpoint": endpoint(server), **KEYS}
    found = opened("file", config, means)
    await found.send(chunk(["ann"]))
    await found.finish()
    assert await owners_bucket(server, "of/mine", means.outbound).get("members.parquet", tmp_path / "copy")
    assert read(tmp_path / "copy", "parquet") == ["ann"]


async def test_a_bucket_that_is_not_there_is_refused_in_its_own_words(server: Server, means: Means) -> None:
    config = {"bucket": "none", "endpoint": endpoint(server), **KEYS}
    with pytest.raises(Refused, match="The bucket answered 404: NoSuchBucket") as raised:
        await opened("file", config, means).send(chunk(["ann"]))
    assert KEYS["secret_access_key"] not in str(raised.value)


async def test_large_files_go_to_a_bucket_in_parts(server: Server, outbound: Outbound, tmp_path: Path) -> None:
    folder = owners_bucket(server, "large", outbound)
    for size in (0, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES + 5):
        (tmp_path / "large").write_bytes(bytes(range(251)) * (size // 251 + 1))
        with (tmp_path / "large").open("r+b") as file:
            file.truncate(size)
        await folder.put("a file & more", tmp_path / "large")
        assert await folder.get("a file & more", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == (tmp_path / "large").read_bytes()
    assert await folder.names("a") == ["a file & more"]
    await folder.delete("a file & more")
    await folder.delete("a file & more")
    assert not await folder.get("a file & more", tmp_path / "copy")


@pytest.mark.parametrize(
    "config",
    [
        {"name": "../other"},
        {"name": "a/b"},
        {"name": ".."},
        {"name": "a\\b"},
        {"name": "members\n"},
        {"name": ""},
        {"format": "xlsx"},
        {"path": "/etc"},
        {"prefix": "x"},
        {"bucket": "bucket"},
        {"bucket": "bucket", "prefix": "../up", **KEYS},
        {"bucket": "bucket", "prefix": "a/../b", **KEYS},
        {"bucket": "bucket", "prefix": "/a", **KEYS},
        {"bucket": "bucket", "prefix": "a//b", **KEYS},
        {"bucket": "bucket/other", **KEYS},
        {"bucket": "bucket", "region": "evil.example/", **KEYS},
        {"bucket": "bucket", "endpoint": "https://10.0.0.1", **KEYS},
        {"bucket": "bucket", "endpoint": "http://s3.example.com", **KEYS},
        {"bucket": "bucket", "endpoint": "https://s3.example.com/?a=b", **KEYS},
    ],
)
async def test_a_configuration_with_tricks_is_refused(config: Mapping[str, object]) -> None:
    outbound = Outbound(AllowList())
    with pytest.raises(ValidationError):
        TYPES["file"].config.model_validate(config, context=outbound)
    await outbound.close()


def read(path: Path, list_format: str) -> list[str]:
    """The users of a list, read as anybody would."""
    if list_format == "parquet":
        column: list[str] = parquet.read_table(path).column("user_id").to_pylist()
        return column
    return [row["user_id"] for row in csv.DictReader(io.StringIO(path.read_text(), newline=""))]
