"""The demo as a client of the public API: everything goes through the edge."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from cli.demo.dataset import Purchase
from cli.demo.segments import DemoSegment

BATCH = 500
CONNECTIONS = 4
POLL_SECONDS = 0.1
WAIT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A fresh tenant with a secret key."""

    slug: str
    key: str
    http: httpx.Client


def open_workspace(url: str) -> Workspace:
    """Registers a tenant for the demo. Raises HTTPStatusError when registration is switched off."""
    slug = f"cdnow-{secrets.token_hex(4)}"
    http = httpx.Client(base_url=url, timeout=60)
    owner = {"email": f"{slug}@example.com", "password": secrets.token_urlsafe(24)}
    made = answer(http.post("/api/auth/register/", json={**owner, "tenant_name": "CDNOW", "tenant_slug": slug}))
    authorization = {"authorization": f"Bearer {made['access']}"}
    key = answer(http.post("/api/auth/api-keys/", json={"name": "demo"}, headers=authorization))["key"]
    http.headers["authorization"] = f"ApiKey {key}"
    return Workspace(slug=slug, key=key, http=http)


def send(workspace: Workspace, purchases: Sequence[Purchase], sent: Callable[[int], object]) -> int:
    """Sends the purchases in batches over a few connections; the number of events taken."""

    def send_batch(start: int) -> int:
        batch = purchases[start : start + BATCH]
        body = {"events": [purchase.event() for purchase in batch]}
        taken: int = answer(workspace.http.post("/api/ingestion/track/batch/", json=body))["queued"]
        sent(len(batch))
        return taken

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(send_batch, range(0, len(purchases), BATCH)))


def await_visible(workspace: Workspace, purchases: Sequence[Purchase]) -> None:
    """Returns when every purchase can be queried. Raises TimeoutError after a minute.

    Events become visible in the order of the event log, and the last of them is in one of the last batches.
    """
    orders = Counter(purchase.customer for purchase in purchases)
    for start in range(0, len(purchases), BATCH)[-CONNECTIONS:]:
        customer = purchases[start : start + BATCH][-1].customer
        wait_for(partial(has_events, workspace, f"/api/explorer/users/customer-{customer}/", orders[customer]))


def has_events(workspace: Workspace, path: str, count: int) -> bool:
    """Whether that many events of the user at `path` can be queried."""
    response = workspace.http.get(path)
    return response.status_code != httpx.codes.NOT_FOUND and answer(response)["event_count"] == count


def compute(workspace: Workspace, segments: Sequence[DemoSegment]) -> Iterator[dict[str, Any]]:
    """Creates and computes the segments, one after the other, and yields each when it is computed."""
    for segment in segments:
        body = {"name": segment.name, "description": segment.purpose, "definition": segment.definition}
        path = f"/api/segments/{answer(workspace.http.post('/api/segments/', json=body))['id']}/"
        answer(workspace.http.post(f"{path}compute/"))
        yield await_computed(workspace, path)


def await_computed(workspace: Workspace, path: str) -> dict[str, Any]:
    """The segment when it is computed. Raises TimeoutError after a minute."""
    wait_for(lambda: answer(workspace.http.get(path))["status"] != "computing")
    segment: dict[str, Any] = answer(workspace.http.get(path))
    return segment


def answer(response: httpx.Response) -> Any:
    """The body of a successful answer. Raises HTTPStatusError otherwise."""
    response.raise_for_status()
    return response.json()


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns when the condition is true. Raises TimeoutError after a minute."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(POLL_SECONDS)
