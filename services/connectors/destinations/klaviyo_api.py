"""The calls of Klaviyo's API that `klaviyo` describes, and their limits."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import msgspec

from services.connectors.destinations.calling import Problem, Vendor, Verdict, body_of, patiently
from services.connectors.destinations.interface import TryLater
from services.connectors.outbound import Answer

REVISION = "2026-07-15"
MEDIA_TYPE = "application/vnd.api+json"
JOBS = "/api/profile-bulk-import-jobs"

MOST_PROFILES = 10_000
# 5 MB, less what is around the profiles.
MOST_IMPORT_BYTES = 4_990_000
MOST_REMOVED = 1_000
PAGE = 100
MOST_FILTER_BYTES = 6_000

# Between two looks at a job, the second one twice as long, and so on; and how long it may take in all.
FIRST_POLL_SECONDS = 0.25
MOST_POLL_SECONDS = 8.0
JOB_SECONDS = 600.0
BUSY = frozenset({"queued", "processing"})

POINTER = re.compile(r"/?data/attributes/profiles/data/(\d{1,6})(/.*)?")

T = TypeVar("T")


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What identifies a profile, as far as there is something."""

    email: str | None = None
    external_id: str | None = None


class Member(msgspec.Struct, frozen=True):
    """A profile as it is read."""

    id: str
    attributes: Profile


class JobState(msgspec.Struct, frozen=True):
    status: str
    failed_count: int | None = None


class Job(msgspec.Struct, frozen=True):
    id: str
    attributes: JobState


class ImportProblem(Problem, frozen=True):
    original_payload: Profile | None = None


class ImportFailure(msgspec.Struct, frozen=True):
    attributes: ImportProblem


class Links(msgspec.Struct, frozen=True):
    next: str | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    data: Sequence[T]
    links: Links = Links()


class OneJob(msgspec.Struct, frozen=True):
    data: Job


class KlaviyoApi:
    """An account's profiles, and one list of them. Every call raises Refused or TryLater."""

    def __init__(self, vendor: Vendor, list_id: str) -> None:
        self._vendor = vendor
        self._list_id = list_id

    async def add(self, profiles: Sequence[Profile]) -> Verdict:
        """Puts profiles on the list, up to MOST_PROFILES in MOST_IMPORT_BYTES. Returns when they are there."""
        data = [{"type": "profile", "attributes": profile} for profile in profiles]
        lists = {"data": [{"type": "list", "id": self._list_id}]}
        attributes = {"profiles": {"data": data}}
        job = {"type": "profile-bulk-import-job", "attributes": attributes, "relationships": {"lists": lists}}
        answer = await self._vendor.call("POST", JOBS, content=msgspec.json.encode({"data": job}), also={400})
        if not answer.is_success:
            return self._vendor.verdict(answer, _malformed(answer, len(profiles)))
        job_id = self._vendor.read(answer, OneJob).data.id
        return Verdict(taken=True, wrong=await self._wait(job_id, profiles))

    async def find(self, profiles: Iterable[Profile]) -> Sequence[str]:
        """The ids of those of these profiles that there are."""
        by_key = {
            "email": [profile.email for profile in profiles if profile.email],
            "external_id": [profile.external_id for profile in profiles if profile.external_id],
        }
        found: dict[str, None] = {}
        for key, values in by_key.items():
            for texts in filters(values):
                query = {"filter": f"any({key},[{','.join(texts)}])", "fields[profile]": key}
                async for member in self._pages("/api/profiles", query, Page[Member]):
                    found[member.id] = None
        return list(found)

    async def remove(self, profile_ids: Sequence[str]) -> None:
        """Takes profiles off the list."""
        for start in range(0, len(profile_ids), MOST_REMOVED):
            some = profile_ids[start : start + MOST_REMOVED]
            body = msgspec.json.encode({"data": [{"type": "profile", "id": profile_id} for profile_id in some]})
            await self._vendor.call("DELETE", f"/api/lists/{self._list_id}/relationships/profiles", content=body)

    async def members(self) -> AsyncIterator[Member]:
        """The profiles on the list."""
        query = {"fields[profile]": "email,external_id"}
        async for member in self._pages(f"/api/lists/{self._list_id}/profiles", query, Page[Member]):
            yield member

    async def _wait(self, job_id: str, profiles: Sequence[Profile]) -> Mapping[int, str]:
        """Returns when a job is complete: which of its profiles were not imported, by their places, and why."""
        deadline = time.monotonic() + JOB_SECONDS
        pause = FIRST_POLL_SECONDS
        while True:
            await asyncio.sleep(pause)
            answer = await patiently(partial(self._vendor.call, "GET", f"{JOBS}/{job_id}"))
            job = self._vendor.read(answer, OneJob).data.attributes
            if job.status not in BUSY:
                break
            if time.monotonic() > deadline:
                raise TryLater("Klaviyo did not complete an import in time.")
            pause = min(2 * pause, MOST_POLL_SECONDS)
        if job.status != "complete":
            raise TryLater(f"An import into Klaviyo was {job.status[:20]}.")
        return await self._failed(job_id, profiles) if job.failed_count else {}

    async def _failed(self, job_id: str, profiles: Sequence[Profile]) -> Mapping[int, str]:
        places = {profile: place for place, profile in enumerate(profiles)}
        failed: dict[int, str] = {}
        async for failure in self._pages(f"{JOBS}/{job_id}/import-errors", {}, Page[ImportFailure]):
            problem = failure.attributes
            place = _place(problem)
            if place is None and problem.original_payload is not None:
                place = places.get(problem.original_payload)
            if place is not None and place < len(profiles):
                failed[place] = f"Klaviyo: {problem.text}"
        return failed

    async def _pages(self, path: str, query: Mapping[str, str], kind: type[Page[T]]) -> AsyncIterator[T]:
        """What a list of the API holds, page by page."""
        cursor: Mapping[str, str] = {}
        while True:
            target = f"{path}?{urlencode({**query, 'page[size]': str(PAGE), **cursor})}"
            page = self._vendor.read(await patiently(partial(self._vendor.call, "GET", target)), kind)
            for item in page.data:
                yield item
            # The cursor alone: where the calls go is not for an answer to say.
            following = parse_qs(urlsplit(page.links.next or "").query).get("page[cursor]")
            if not following:
                return
            cursor = {"page[cursor]": following[0]}


def batches(profiles: Mapping[str, Profile]) -> Iterator[Sequence[str]]:
    """Users in as many as one import takes."""
    batch: list[str] = []
    size = 0
    for user, profile in profiles.items():
        # What is around each is about as long as an empty one.
        more = len(msgspec.json.encode({"type": "profile", "attributes": profile})) + 1
        if batch and (size + more > MOST_IMPORT_BYTES or len(batch) == MOST_PROFILES):
            yield batch
            batch, size = [], 0
        batch.append(user)
        size += more
    if batch:
        yield batch


def filters(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """Values as a filter has them, as many as one may have."""
    texts: list[str] = []
    size = 0
    for value in values:
        text = msgspec.json.encode(value).decode()
        more = len(quote(f"{text},", safe=""))
        if texts and (size + more > MOST_FILTER_BYTES or len(texts) == PAGE):
            yield texts
            texts, size = [], 0
        texts.append(text)
        size += more
    if texts:
        yield texts


def _malformed(answer: Answer, count: int) -> Mapping[int, str]:
    """What is malformed of `count` profiles, by their places."""
    problems = [problem for problem in body_of(answer).errors if isinstance(problem, Problem)]
    places = {place: problem for problem in problems if (place := _place(problem)) is not None}
    return {place: f"Klaviyo: {problem.text}" for place, problem in places.items() if place < count}


def _place(problem: Problem) -> int | None:
    match = POINTER.fullmatch(problem.pointer)
    return int(match[1]) if match else None
