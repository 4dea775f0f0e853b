"""A stand-in for Klaviyo's API, revision 2026-07-15: bulk imports into lists, profiles, and the members of lists."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar
from urllib.parse import urlencode

from tests.standins.mischief import Mischief
from tests.standins.server import Changes, Request, Response, StandIn, json_response

REVISION = "2026-07-15"
MEDIA_TYPE = "application/vnd.api+json"
MOST_PROFILES = 10_000
MOST_REMOVED = 1_000
MOST_BODY_BYTES = 5_000_000
MOST_PAGE = 100
MOST_TARGET_BYTES = 8_000
MOST_EXTERNAL_ID = 255
IDENTIFIERS = ("email", "external_id")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
T = TypeVar("T")
FILTER = re.compile(r"any\((email|external_id),(\[.*\])\)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile of the account. An email is kept in lower case."""

    id: str
    email: str | None = None
    external_id: str | None = None


@dataclass(kw_only=True)
class Job:
    """A bulk import and what became of it: processing, complete or cancelled."""

    id: str
    status: str = "processing"
    total: int = 0
    errors: list[Mapping[str, object]] = field(default_factory=list)


class Klaviyo(StandIn):
    """An account: its profiles, and who is on each of its lists.

    A job is complete, and its profiles on the list, after `job_seconds`. Emails that end in `invalid` are errors of an
    import that are found by then; those that end in `malformed` make the request itself a 400, with nothing taken. The
    next `cancel` jobs are cancelled with nothing done.
    """

    def __init__(
        self,
        *list_ids: str,
        key: str = "pk_test",
        job_seconds: float = 0.0,
        invalid: str = "@invalid.example",
        malformed: str = "@malformed.example",
        mischief: Mischief | None = None,
    ) -> None:
        super().__init__(mischief=mischief)
        self.key = key
        self.job_seconds = job_seconds
        self.invalid = invalid
        self.malformed = malformed
        self.cancel = 0
        self.jobs: dict[str, Job] = {}
        self._profiles: dict[str, Profile] = {}
        # Ids of profiles by what identifies them.
        self._known: dict[tuple[str, str], str] = {}
        self._lists: dict[str, dict[str, None]] = {list_id: {} for list_id in list_ids}
        self._ids = count(1)

    def members(self, list_id: str) -> set[str]:
        """The profiles on a list, each by its email, else by its external id, else by its own id."""
        profiles = [self._profiles[profile_id] for profile_id in list(self._lists[list_id])]
        return {profile.email or profile.external_id or profile.id for profile in profiles}

    def add(self, list_id: str, **attributes: str) -> str:
        """Puts a profile on a list, as another tool would; its id."""
        profile = Profile(id=f"P{next(self._ids)}", **attributes)
        self._profiles[profile.id] = profile
        self._known |= {(key, value): profile.id for key in IDENTIFIERS if (value := getattr(profile, key))}
        self._lists[list_id][profile.id] = None
        return profile.id

    def remove(self, list_id: str, **attributes: str) -> None:
        """Takes a profile off a list, as another tool would."""
        for identifier in attributes.items():
            del self._lists[list_id][self._known[identifier]]

    def answer(self, request: Request) -> Response:
        return self._refusal(request) or self._route(request)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Klaviyo-API-Key {self.key}":
            return _error(401, "not_authenticated", "Incorrect authentication credentials.")
        if request.headers.get("revision") != REVISION:
            return _error(400, "invalid", "The revision header is missing or not supported.")
        if request.body and request.headers.get("content-type") != MEDIA_TYPE:
            return _error(415, "unsupported_media_type", "Unsupported media type.")
        return Response(status=414) if request.size > MOST_TARGET_BYTES else None

    def _route(self, request: Request) -> Response:
        match request.method, request.path.split("/")[2:]:
            case "POST", ["profile-bulk-import-jobs"]:
                return self._import(request)
            case "GET", ["profile-bulk-import-jobs", job_id] if job_id in self.jobs:
                return _job(200, self.jobs[job_id])
            case "GET", ["profile-bulk-import-jobs", job_id, "import-errors"] if job_id in self.jobs:
                return self._page(request, self.jobs[job_id].errors, dict)
            case "GET", ["profiles"]:
                return self._find(request)
            case "GET", ["lists", list_id, "profiles"] if list_id in self._lists:
                return self._page(request, list(self._lists[list_id]), self._resource)
            case "DELETE", ["lists", list_id, "relationships", "profiles"] if list_id in self._lists:
                return self._leave(request, list_id)
        return _error(404, "not_found", "The requested resource was not found.")

    def change(self, where: str, changes: Changes) -> None:
        match where.split(":"):
            case ["job", job_id, list_id]:
                self._start(Job(id=job_id, total=len(changes)), list_id, changes)
            case ["list", list_id]:
                for profile_id, _ in changes:
                    self._lists[list_id].pop(profile_id, None)

    def throttled(self, seconds: int) -> Response:
        detail = f"Request was throttled. Expected available in {seconds} seconds."
        return _error(429, "throttled", detail, headers={"Retry-After": str(seconds)})

    def _import(self, request: Request) -> Response:
        if len(request.body) > MOST_BODY_BYTES:
            return _error(413, "payload_too_large", "The payload is larger than 5MB.")
        body = request.json()
        assert isinstance(body, dict)
        data = body["data"]
        assert data["type"] == "profile-bulk-import-job"
        (target,) = data["relationships"]["lists"]["data"]
        if target["type"] != "list" or target["id"] not in self._lists:
            return _error(404, "not_found", "A list with this id does not exist.")
        profiles = data["attributes"]["profiles"]["data"]
        if not 1 <= len(profiles) <= MOST_PROFILES:
            return _error(400, "invalid", "Between 1 and 10,000 profiles are accepted.")
        users = [_identifier(profile) for profile in profiles]
        if wrong := [index for index, user in enumerate(users) if self._is_malformed(*user)]:
            return json_response(
                400, {"errors": [_malformed(index, *users[index]) for index in wrong]}, kind=MEDIA_TYPE
            )
        job = Job(id=f"JOB{next(self._ids)}", total=len(users))
        changes = [(f"{key}:{user}", True) for key, user in users]
        return _job(202, job, changes=changes, where=f"job:{job.id}:{target['id']}")

    def _is_malformed(self, key: str, user: str) -> bool:
        if key == "external_id":
            return len(user) > MOST_EXTERNAL_ID
        return user.endswith(self.malformed) or not EMAIL.fullmatch(user)

    def _start(self, job: Job, list_id: str, changes: Changes) -> None:
        self.jobs[job.id] = job
        if self.job_seconds:
            asyncio.get_running_loop().call_later(self.job_seconds, self._end, job, list_id, changes)
        else:
            self._end(job, list_id, changes)

    def _end(self, job: Job, list_id: str, changes: Changes) -> None:
        if self.cancel:
            self.cancel -= 1
            job.status = "cancelled"
            return
        for identifier, _ in changes:
            key, _, user = identifier.partition(":")
            if key == "email" and user.endswith(self.invalid):
                job.errors.append(_import_error(len(job.errors), key, user))
            else:
                self._put(list_id, key, user.lower() if key == "email" else user)
        job.status = "complete"

    def _put(self, list_id: str, key: str, user: str) -> None:
        if profile_id := self._known.get((key, user)):
            self._lists[list_id][profile_id] = None
        else:
            self.add(list_id, **{key: user})

    def _resource(self, profile_id: str) -> Mapping[str, object]:
        profile = self._profiles[profile_id]
        attributes = {"email": profile.email, "external_id": profile.external_id}
        return {"type": "profile", "id": profile_id, "attributes": attributes}

    def _find(self, request: Request) -> Response:
        match = FILTER.fullmatch(request.query["filter"][0])
        if not match:
            return _error(400, "invalid", "Invalid filter provided.")
        users = json.loads(match[2])
        if not 1 <= len(users) <= MOST_PAGE:
            return _error(400, "invalid", "Between 1 and 100 values are accepted.")
        keys = ((match[1], user.lower() if match[1] == "email" else user) for user in users)
        found = {self._known[key]: None for key in keys if key in self._known}
        return self._page(request, list(found), self._resource)

    def _leave(self, request: Request, list_id: str) -> Response:
        body = request.json()
        assert isinstance(body, dict)
        if not 1 <= len(body["data"]) <= MOST_REMOVED:
            return _error(400, "invalid", "Between 1 and 1,000 profiles are accepted.")
        assert all(one.keys() == {"type", "id"} and one["type"] == "profile" for one in body["data"])
        return Response(status=204, changes=[(one["id"], False) for one in body["data"]], where=f"list:{list_id}")

    def _page(self, request: Request, items: Sequence[T], shown: Callable[[T], Mapping[str, object]]) -> Response:
        size = int(request.query.get("page[size]", ["20"])[0])
        if not 1 <= size <= MOST_PAGE:
            return _error(400, "invalid", "page[size] must be between 1 and 100.")
        start = int(request.query.get("page[cursor]", ["0"])[0])
        query = {**{key: values[0] for key, values in request.query.items()}, "page[cursor]": str(start + size)}
        following = f"{self.url}{request.path}?{urlencode(query)}" if start + size < len(items) else None
        links = {"self": f"{self.url}{request.path}", "next": following, "prev": None}
        return json_response(
            200, {"data": [shown(item) for item in items[start : start + size]], "links": links}, kind=MEDIA_TYPE
        )


def _identifier(profile: Mapping[str, object]) -> tuple[str, str]:
    """What identifies a profile of an import, and its value."""
    assert profile.keys() == {"type", "attributes"}
    assert profile["type"] == "profile"
    attributes = profile["attributes"]
    assert isinstance(attributes, dict)
    ((key, value),) = attributes.items()
    assert key in IDENTIFIERS
    assert isinstance(value, str)
    return key, value


def _job(status: int, job: Job, *, changes: Changes = (), where: str = "") -> Response:
    attributes = {"status": job.status, "total_count": job.total, "failed_count": len(job.errors)}
    data = {"type": "profile-bulk-import-job", "id": job.id, "attributes": attributes}
    return json_response(status, {"data": data}, changes=changes, where=where, kind=MEDIA_TYPE)


def _import_error(number: int, key: str, user: str) -> dict[str, object]:
    attributes = {
        "code": "invalid",
        "title": "Invalid input",
        "detail": "The email address is not valid.",
        "source": {"pointer": f"/data/attributes/{key}"},
        "original_payload": {key: user},
    }
    return {"type": "import-error", "id": f"error-{number}", "attributes": attributes}


def _malformed(index: int, key: str, user: str) -> dict[str, object]:
    detail = f"Invalid {key} {user!r}."
    pointer = f"/data/attributes/profiles/data/{index}/attributes/{key}"
    return {
        "status": 400,
        "code": "invalid",
        "title": "Invalid input.",
        "detail": detail,
        "source": {"pointer": pointer},
    }


def _error(status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> Response:
    error = {
        "id": "error",
        "status": status,
        "code": code,
        "title": code,
        "detail": detail,
        "source": {"pointer": "/data"},
    }
    return json_response(status, {"errors": [error]}, headers=headers, kind=MEDIA_TYPE)
