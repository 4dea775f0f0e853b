"""Talon.One: the members of an audience.

`POST {base_url}/v2/customer_audiences` of the Integration API, with up to 1,000 actions, each `add` or `delete` of a
profile by its integration id, which is the user id and may have 1,000 characters; a profile that is not there is made
(https://docs.talon.one/integration-api#operation/updateCustomerProfileAudiences; the API has no revisions; release
26.16 of August 2026). The key is one of the Integration API, `Authorization: ApiKey-v1 <key>`.

- 204: all is taken. 400: something in the request is wrong, `errors` point at it (`/data/<place>/...`); whether the
  rest is taken then is not documented, so that it is sent again. 404: there is no such audience.
- 409 is a concurrency conflict, which passes; the vendor asks for one request at a time. 429: too many, no number is
  published.

The audience cannot be read back: that takes a key of the Management API, which is for back offices (three calls a
second).
"""

import re
from collections.abc import Mapping, Sequence

import msgspec
from pydantic import Field

from services.connectors.destinations.calling import PASSING, Problem, Vendor, Verdict, body_of, send_valid
from services.connectors.destinations.fields import ApiKey, BaseUrl
from services.connectors.destinations.interface import Audience, Chunk, Config, DestinationType, Means, Skipped
from services.connectors.outbound import Answer

MOST_ACTIONS = 1_000
CONFLICT = 409
POINTER = re.compile(r"/?data/(\d{1,6})(/.*)?")


class TalonOneConfig(Config):
    """`base_url`: that of the deployment, such as https://example.europe-west1.talon.one."""

    base_url: BaseUrl
    api_key: ApiKey
    audience_id: int = Field(ge=1)


class TalonOne:
    """Adds to an audience and removes from it."""

    chunk_users = MOST_ACTIONS
    parallel = 1

    def __init__(self, vendor: Vendor, audience_id: int) -> None:
        self._vendor = vendor
        self._audience_id = audience_id

    async def send(self, chunk: Chunk) -> Sequence[Skipped]:
        actions = dict.fromkeys(chunk.entered, "add") | dict.fromkeys(chunk.exited, "delete")

        async def update(users: Sequence[str]) -> Verdict:
            data = [
                {"action": actions[user], "profileIntegrationId": user, "audienceId": self._audience_id}
                for user in users
            ]
            body = msgspec.json.encode({"data": data})
            answer = await self._vendor.call("POST", "/v2/customer_audiences", content=body, also={400})
            return self._vendor.verdict(answer, _wrong(answer, len(users)))

        return await send_valid(list(actions), update)

    async def finish(self) -> None:
        """Nothing is left to do."""


def _wrong(answer: Answer, count: int) -> Mapping[int, str]:
    """What is wrong with `count` actions, by their places."""
    problems = [problem for problem in body_of(answer).errors if isinstance(problem, Problem)]
    places = {int(match[1]): problem for problem in problems if (match := POINTER.fullmatch(problem.pointer))}
    return {place: f"Talon.One: {problem.text}" for place, problem in places.items() if place < count}


def _place(config: TalonOneConfig, audience: Audience) -> str:
    return f"{config.base_url} {config.audience_id}"


def _open(config: TalonOneConfig, audience: Audience, means: Means) -> TalonOne:
    key = config.api_key.get_secret_value()
    vendor = Vendor(
        name="Talon.One",
        url=config.base_url,
        outbound=means.outbound,
        headers={"Authorization": f"ApiKey-v1 {key}", "Content-Type": "application/json"},
        passing=PASSING | {CONFLICT},
    )
    return TalonOne(vendor, config.audience_id)


TALONONE = DestinationType(name="talonone", config=TalonOneConfig, place=_place, open=_open)
