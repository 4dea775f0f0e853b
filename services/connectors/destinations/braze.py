"""Braze: a boolean custom attribute, true for members and false for those who left.

`POST {rest_endpoint}/users/track`, 75 attribute objects a call, one for each user, found or created by `external_id`
(https://www.braze.com/docs/api/endpoints/user_data/post_user_track). The API has no revisions; read in November 2026.

- 3,000 calls in three seconds a workspace, then 429. Plans that count monthly active users (CY 24-25) take 50 objects
  a call: set `users_per_call`.
- The endpoint is the workspace's own: https://rest.iad-01.braze.com, https://rest.fra-01.braze.eu and others
  (https://www.braze.com/docs/api/basics/#endpoints).
- 201 with `errors`, each `{type, input_array, index}`: those objects are not valid, the others are taken. 400 with such
  errors: none is taken. 202 `queued`: taken, during maintenance (https://www.braze.com/docs/api/errors).
- Every attribute that is sent is a data point, changed or not: deltas only.

The attribute cannot be read back: Braze exports segments to the owner's own storage, later.
"""

from collections.abc import Mapping, Sequence

import msgspec
from pydantic import Field

from services.connectors.destinations.calling import Problem, Vendor, Verdict, body_of, send_valid
from services.connectors.destinations.fields import ApiKey, BaseUrl
from services.connectors.destinations.interface import Audience, Chunk, Config, DestinationType, Means, Skipped
from services.connectors.outbound import Answer

MOST_OBJECTS = 75
# At 100 ms a call 12,000 users a second, a sixth of the limit.
PARALLEL = 16


class BrazeConfig(Config):
    """`segment_id` names the attribute `segops_segment_<id>`; by default it is the connector's segment."""

    rest_endpoint: BaseUrl
    api_key: ApiKey
    segment_id: int | None = Field(default=None, ge=1)
    users_per_call: int = Field(default=MOST_OBJECTS, ge=1, le=MOST_OBJECTS)


class Braze:
    """Sets one attribute."""

    parallel = PARALLEL

    def __init__(self, vendor: Vendor, attribute: str, chunk_users: int) -> None:
        self._vendor = vendor
        self._attribute = attribute
        self.chunk_users = chunk_users

    async def send(self, chunk: Chunk) -> Sequence[Skipped]:
        values = dict.fromkeys(chunk.entered, True) | dict.fromkeys(chunk.exited, False)

        async def track(users: Sequence[str]) -> Verdict:
            objects = [{"external_id": user, self._attribute: values[user]} for user in users]
            body = msgspec.json.encode({"attributes": objects})
            answer = await self._vendor.call("POST", "/users/track", content=body, also={400})
            return self._vendor.verdict(answer, _wrong(answer, len(users)))

        return await send_valid(list(values), track)

    async def finish(self) -> None:
        """Nothing is left to do."""


def _wrong(answer: Answer, count: int) -> Mapping[int, str]:
    """What is not valid of `count` objects, by their places."""
    problems = [problem for problem in body_of(answer).errors if isinstance(problem, Problem)]
    return {
        problem.index: f"Braze: {problem.text}"
        for problem in problems
        if problem.input_array == "attributes" and 0 <= problem.index < count
    }


def _attribute(config: BrazeConfig, audience: Audience) -> str:
    return f"segops_segment_{config.segment_id or audience.segment_id}"


def _place(config: BrazeConfig, audience: Audience) -> str:
    return f"{config.rest_endpoint} {_attribute(config, audience)}"


def _open(config: BrazeConfig, audience: Audience, means: Means) -> Braze:
    key = config.api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    vendor = Vendor(name="Braze", url=config.rest_endpoint, outbound=means.outbound, headers=headers)
    return Braze(vendor, _attribute(config, audience), config.users_per_call)


BRAZE = DestinationType(name="braze", config=BrazeConfig, place=_place, open=_open)
