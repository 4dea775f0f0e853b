"""Klaviyo: the profiles on a list. Revision 2026-07-15 of the API (https://github.com/klaviyo/openapi).

Who entered is imported into the list: `POST /api/profile-bulk-import-jobs`, up to 10,000 profiles and 5 MB a call,
100 kB a profile, 10 calls a second and 150 a minute. It creates or updates profiles, in a job that is asked for
(`GET /api/profile-bulk-import-jobs/{id}`, 10/s, 150/m) until it is `complete`: then they are on the list, but for those
that `GET .../import-errors` tells of. A job that is `cancelled` is tried again.

Who left is found by `GET /api/profiles` (100 a page; 75/s, 750/m), and taken off the list with
`DELETE /api/lists/{id}/relationships/profiles` (1,000 a call; 10/s, 150/m), which leaves the profile and its consent.

- A user is known by email or by `external_id`, which may have 255 characters. Klaviyo keeps emails in lower case: users
  whose ids differ in nothing else are one profile.
- 429 comes with Retry-After (https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling). The limits are the
  account's, over all connectors.
- A 400 that points at profiles (`/data/attributes/profiles/data/<place>/...`) takes none; the others are sent again.

The documentation leaves open, and it is decided here: how texts are escaped in a filter (as in JSON), how many `any`
may have (a page's worth, in 6,000 bytes), how an import error names its profile (by such a pointer, else by its
`original_payload`), that an id which cannot be imported never can, and that taking off the list who is not on it does
nothing.

A job whose answer is lost is done nevertheless, seconds later, and nobody can call it back. Should its users leave the
segment within those seconds, the drift check finds them on the list.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from typing import Literal

from pydantic import Field

from services.connectors.destinations.calling import Vendor, send_valid
from services.connectors.destinations.fields import ApiKey
from services.connectors.destinations.interface import Audience, Chunk, Config, DestinationType, Entry, Means, Skipped
from services.connectors.destinations.klaviyo_api import (
    MEDIA_TYPE,
    MOST_PROFILES,
    REVISION,
    KlaviyoApi,
    Profile,
    batches,
)

# Of one account: a job takes some seconds, and asking for it counts too.
PARALLEL = 4
MOST_EMAIL = 254
MOST_EXTERNAL_ID = 255
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")

NO_EMAIL = "The user id is not an email address."
TOO_LONG = f"Klaviyo takes external ids of up to {MOST_EXTERNAL_ID} characters."

Identifier = Literal["auto", "email", "external_id"]


class KlaviyoConfig(Config):
    """`identifier`: what user ids are; with `auto` those that look like an email are one, the others external ids."""

    list_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    api_key: ApiKey
    identifier: Identifier = "auto"


class Klaviyo:
    """Puts profiles on a list, takes them off, and reads it."""

    chunk_users = MOST_PROFILES
    parallel = PARALLEL

    def __init__(self, api: KlaviyoApi, identifier: Identifier) -> None:
        self._api = api
        self._identifier = identifier

    async def send(self, chunk: Chunk) -> Sequence[Skipped]:
        profiles = {user: self._profile(user) for user in chunk.entered}
        problems = {user: unfit(profile) for user, profile in profiles.items()}
        skipped = [Skipped(user_id=user, reason=problem) for user, problem in problems.items() if problem]
        for users in batches({user: one for user, one in profiles.items() if not problems[user]}):
            skipped += await send_valid(users, lambda some: self._api.add([profiles[user] for user in some]))
        leavers = [profile for profile in map(self._profile, chunk.exited) if not unfit(profile)]
        await self.remove(await self._api.find(leavers))
        return skipped

    async def finish(self) -> None:
        """Nothing is left to do."""

    def name(self, user_id: str) -> str:
        return self._names(self._profile(user_id))[0]

    async def entries(self) -> AsyncGenerator[Entry]:
        async for member in self._api.members():
            yield Entry(handle=member.id, names=self._names(member.attributes))

    async def remove(self, handles: Sequence[str]) -> None:
        await self._api.remove(handles)

    def _profile(self, user_id: str) -> Profile:
        """A user as Klaviyo is to know them."""
        if self._identifier == "email" or (self._identifier == "auto" and is_email(user_id)):
            return Profile(email=user_id.lower())
        return Profile(external_id=user_id)

    def _names(self, profile: Profile) -> Sequence[str]:
        """By what a profile may be known, of all that identifies it."""
        names = {"email": (profile.email or "").lower(), "external_id": profile.external_id}
        return [name for key, name in names.items() if name and self._identifier in (key, "auto")]


def is_email(user_id: str) -> bool:
    """Whether a user id looks like an email address."""
    return len(user_id) <= MOST_EMAIL and EMAIL.fullmatch(user_id) is not None


def unfit(profile: Profile) -> str:
    """Why Klaviyo cannot know a user like that; empty when it can."""
    if profile.email is not None and not is_email(profile.email):
        return NO_EMAIL
    return TOO_LONG if len(profile.external_id or "") > MOST_EXTERNAL_ID else ""


def _place(config: KlaviyoConfig, audience: Audience) -> str:
    return f"{config.list_id} {config.identifier}"


def _open(config: KlaviyoConfig, audience: Audience, means: Means) -> Klaviyo:
    key = config.api_key.get_secret_value()
    headers = {
        "Authorization": f"Klaviyo-API-Key {key}",
        "Accept": MEDIA_TYPE,
        "Content-Type": MEDIA_TYPE,
        "revision": REVISION,
    }
    vendor = Vendor(name="Klaviyo", url=means.klaviyo_url, outbound=means.outbound, headers=headers)
    return Klaviyo(KlaviyoApi(vendor, config.list_id), config.identifier)


KLAVIYO = DestinationType(name="klaviyo", config=KlaviyoConfig, place=_place, open=_open)
