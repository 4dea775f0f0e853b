"""A stand-in for the owner's own receiver of connector and webhook deliveries."""

import hashlib
import hmac
import json
from collections import defaultdict

from tests.standins.mischief import Mischief
from tests.standins.server import Changes, Request, Response, StandIn

MOST_USERS = 1_000


class Receiver(StandIn):
    """Keeps the segments it is told of, and every delivery that it took, by its id.

    With a secret it refuses what is not signed with it. A delivery that comes again is taken again; it must be the
    same to the byte.
    """

    def __init__(self, *, secret: str = "", mischief: Mischief | None = None) -> None:
        super().__init__(mischief=mischief)
        self.secret = secret
        self.segments: defaultdict[int, set[str]] = defaultdict(set)
        self.deliveries: dict[str, bytes] = {}
        # Ids of deliveries that came again.
        self.repeats: list[str] = []

    @property
    def repeated(self) -> int:
        """How many deliveries came again."""
        return len(self.repeats)

    def answer(self, request: Request) -> Response:
        if request.method != "POST" or request.headers.get("content-type") != "application/json":
            return Response(status=400)
        if self.secret and request.headers.get("x-segops-signature") != self._signature(request.body):
            return Response(status=401)
        self._note(request.headers["x-segops-delivery"], request.body)
        body = json.loads(request.body)
        if "event" in body:
            return Response(status=200)
        if body.keys() != {"segment_id", "segment_name", "entered", "exited"}:
            return Response(status=400)
        entered, exited = body["entered"], body["exited"]
        if len(entered) + len(exited) > MOST_USERS:
            return Response(status=413)
        changes = [(user, True) for user in entered] + [(user, False) for user in exited]
        return Response(status=200, changes=changes, where=str(body["segment_id"]))

    def change(self, where: str, changes: Changes) -> None:
        for user, entered in changes:
            members = self.segments[int(where)]
            (members.add if entered else members.discard)(user)

    def _signature(self, body: bytes) -> str:
        return "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()

    def _note(self, delivery: str, body: bytes) -> None:
        if delivery in self.deliveries:
            self.repeats.append(delivery)
            assert self.deliveries[delivery] == body, "a delivery came again with another body"
        self.deliveries[delivery] = body
