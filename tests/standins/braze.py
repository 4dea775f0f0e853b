"""A stand-in for Braze's POST /users/track."""

from collections.abc import Mapping

from tests.standins.mischief import Mischief
from tests.standins.server import Changes, Request, Response, StandIn, json_response

MOST_OBJECTS = 75


class Braze(StandIn):
    """A workspace: the boolean custom attributes of its users.

    `invalid_prefix`: users whose ids begin with it are non-fatal errors of a request that is taken.
    """

    def __init__(self, *, key: str = "braze-key", invalid_prefix: str = "invalid", mischief: Mischief | None = None):
        super().__init__(mischief=mischief)
        self.key = key
        self.invalid_prefix = invalid_prefix
        self.attributes: dict[str, dict[str, bool]] = {}

    def members(self, attribute: str) -> set[str]:
        """The users whose attribute is true."""
        return {user for user, value in self.attributes.get(attribute, {}).items() if value}

    def answer(self, request: Request) -> Response:
        if (request.method, request.path) != ("POST", "/users/track"):
            return json_response(404, {"message": "The requested URL does not exist"})
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return json_response(401, {"message": "Invalid API key"})
        body = request.json()
        if request.headers.get("content-type") != "application/json" or not isinstance(body, dict):
            return json_response(400, {"message": "Bad syntax"})
        objects = body.get("attributes")
        if not isinstance(objects, list) or not objects or body.keys() - {"attributes", "events", "purchases"}:
            return json_response(
                400, {"message": "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."}
            )
        if len(objects) > MOST_OBJECTS:
            return json_response(400, {"message": "Max Input Length Exceeded"})
        return self._track(objects)

    def change(self, where: str, changes: Changes) -> None:
        values = self.attributes.setdefault(where, {}) if changes else {}
        values.update(changes)

    def _track(self, objects: list[Mapping[str, object]]) -> Response:
        errors, changes, names = [], [], set()
        for index, item in enumerate(objects):
            user, attributes = item.get("external_id"), item.keys() - {"external_id", "_update_existing_only"}
            if not isinstance(user, str) or not user or user.startswith(self.invalid_prefix):
                error = "The value provided for the 'external_id' field is not valid."
                errors.append({"type": error, "input_array": "attributes", "index": index})
                continue
            (name,) = attributes
            value = item[name]
            assert isinstance(value, bool)
            names.add(name)
            changes.append((user, value))
        if not changes:
            return json_response(400, {"message": "Valid data must be provided.", "errors": errors})
        (where,) = names
        body: dict[str, object] = {"message": "success", "attributes_processed": len(changes)}
        return json_response(201, body | ({"errors": errors} if errors else {}), changes=changes, where=where)
