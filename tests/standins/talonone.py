"""A stand-in for Talon.One's POST /v2/customer_audiences."""

from collections.abc import Mapping

from tests.standins.mischief import Mischief
from tests.standins.server import Changes, Request, Response, StandIn, json_response

MOST_ACTIONS = 1_000
MOST_ID_CHARACTERS = 1_000


class TalonOne(StandIn):
    """A deployment: its audiences, by id.

    `invalid_prefix`: an action with a profile whose id begins with it is an error, and nothing of its request is taken.
    """

    def __init__(
        self,
        *audience_ids: int,
        key: str = "talon-key",
        invalid_prefix: str = "invalid",
        mischief: Mischief | None = None,
    ) -> None:
        super().__init__(mischief=mischief)
        self.key = key
        self.invalid_prefix = invalid_prefix
        self.audiences: dict[int, set[str]] = {audience_id: set() for audience_id in audience_ids}

    def answer(self, request: Request) -> Response:
        if (request.method, request.path) != ("POST", "/v2/customer_audiences"):
            return json_response(404, {"message": "Not found"})
        if request.headers.get("authorization") != f"ApiKey-v1 {self.key}":
            return json_response(401, {"message": "Unauthorized", "StatusCode": 401})
        body = request.json()
        if not isinstance(body, dict) or not isinstance(body.get("data"), list) or body.keys() != {"data"}:
            return json_response(400, {"message": "Invalid JSON", "StatusCode": 400})
        actions = body["data"]
        if len(actions) > MOST_ACTIONS:
            return json_response(400, {"message": "Too many audience actions", "StatusCode": 400})
        return self._update(actions)

    def change(self, where: str, changes: Changes) -> None:
        for user, entered in changes:
            (self.audiences[int(where)].add if entered else self.audiences[int(where)].discard)(user)

    def _update(self, actions: list[Mapping[str, object]]) -> Response:
        errors, changes, audience_ids = [], [], set()
        for index, action in enumerate(actions):
            assert action.keys() == {"action", "profileIntegrationId", "audienceId"}
            assert action["action"] in ("add", "delete")
            user, audience_id = action["profileIntegrationId"], action["audienceId"]
            assert isinstance(user, str)
            assert isinstance(audience_id, int)
            audience_ids.add(audience_id)
            changes.append((user, action["action"] == "add"))
            if len(user) > MOST_ID_CHARACTERS or user.startswith(self.invalid_prefix):
                pointer = {"pointer": f"/data/{index}/profileIntegrationId"}
                errors.append({"title": "Invalid value", "details": "not a valid integration ID", "source": pointer})
        if audience_ids - self.audiences.keys():
            return json_response(404, {"message": "Audience not found", "StatusCode": 404})
        if errors:
            message = "The submitted data was invalid"
            return json_response(400, {"message": message, "errors": errors, "StatusCode": 400})
        if not changes:
            return Response(status=204)
        (audience,) = audience_ids
        return Response(status=204, changes=changes, where=str(audience))
