"""Single events through the edge at a fixed rate: each is on disk when it is answered."""

import itertools
import json
from collections.abc import Callable, Sequence

from tests.bench.events import SINGLE_PATH
from tests.bench.load import Answer, Load, request, run_load
from tests.running import Running

# So many that a slow answer does not hold up those that are due behind it.
CONNECTIONS = 64


async def measure(
    running: Running,
    key: str,
    bodies: Sequence[bytes],
    *,
    seconds: float,
    rate: float | None = None,
    done: Callable[[int], object] = lambda _: None,
) -> Load:
    """Sends single events for so many seconds, `rate` a second or all it can. Raises LoadFailed."""
    requests = [request("POST", SINGLE_PATH, authorization=f"ApiKey {key}", body=body) for body in bodies]
    load = await run_load(
        running.settings.edge_port,
        itertools.cycle(requests),
        is_right=_took_it,
        seconds=seconds,
        rate=rate,
        connections=CONNECTIONS,
        done=done,
    )
    load.raise_errors()
    return load


def _took_it(answer: Answer) -> bool:
    return answer.status == 202 and json.loads(answer.body)["queued"] is True
