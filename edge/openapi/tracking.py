"""The bodies of Segment's tracking API: calls with camel-case fields, most of which all of them have."""

from typing import Any

from services.definition.attributes import CONTROL_CHARACTERS

Json = dict[str, Any]

LINE = f"^[^{CONTROL_CHARACTERS}]*$"
OBJECT: Json = {
    "type": ["object", "array", "null"],
    "maxItems": 0,
    "description": "An empty list counts as an empty object: some libraries send it.",
}
CONTENT: Json = {"description": "Any JSON."}


def _id(limit: int, description: str, **more: Any) -> Json:
    return {
        "type": ["string", "number", "null"],
        "maxLength": limit,
        "pattern": LINE,
        "description": f"{description} A number is taken as text.",
        **more,
    }


def _given(name: str, **more: Any) -> Json:
    given = {"type": ["string", "number"], "minLength": 1, **more}
    return {"required": [name], "properties": {name: given}}


COMMON: Json = {
    "userId": _id(256, "Without it the user is `anon_<anonymousId>`.", examples=["user-123"]),
    "anonymousId": _id(256, "Without a `userId` 251 characters at most."),
    "messageId": _id(128, "The same one within 24 hours is stored once.", examples=["ajs-7f3c"]),
    "timestamp": {
        "type": ["string", "null"],
        "format": "date-time",
        "description": "The time of receipt when left out.",
    },
    "context": CONTENT,
}
# With the prefix an anonymous id is a user id.
WHO: list[Json] = [_given("userId"), _given("anonymousId", maxLength=251)]


def _call(required: tuple[str, ...] = (), **fields: Json) -> Json:
    call: Json = {"type": "object", "properties": {**COMMON, **fields}, "anyOf": WHO}
    return call | ({"required": list(required)} if required else {})


def _needed(description: str, example: str) -> Json:
    return {"type": ["string", "number"], "minLength": 1, "description": description, "examples": [example]}


EVENT: Json = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": LINE, "examples": ["order_placed"]}
BATCH: Json = {
    "type": "array",
    "minItems": 1,
    "maxItems": 500,
    "description": "Each has a `type`, one of track, identify, page, screen, group and alias, and what such a call "
    "has. What has not is skipped.",
    "examples": [[{"type": "track", "userId": "user-123", "event": "order_placed", "properties": {"total": 79.9}}]],
}

CALLS: dict[str, Json] = {
    "CallBatch": {"type": "object", "properties": {"batch": BATCH}, "required": ["batch"]},
    "TrackCall": _call(("event",), event=EVENT, properties=OBJECT | {"examples": [{"total": 79.9}]}),
    "IdentifyCall": _call(traits=OBJECT | {"examples": [{"country": "DE"}]}),
    "PageCall": _call(name=CONTENT | {"examples": ["Pricing"]}, category=CONTENT, properties=OBJECT),
    "GroupCall": _call(("groupId",), groupId=_needed("The company, account or team.", "company-7"), traits=CONTENT),
    "AliasCall": _call(("previousId",), previousId=_needed("What the user was known by before.", "user-122")),
}
