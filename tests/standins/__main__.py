"""One stand-in as a process: `python -m tests.standins braze` prints its URL and serves until it is killed.

They take the key `braze-key`; `pk_test` for the list `LIST01`; `talon-key` for the audience 1; and no secret.
"""

import signal
import sys
from collections.abc import Callable, Mapping

from tests.standins.braze import Braze
from tests.standins.klaviyo import Klaviyo
from tests.standins.receiver import Receiver
from tests.standins.server import StandIn, serving
from tests.standins.talonone import TalonOne

STAND_INS: Mapping[str, Callable[[], StandIn]] = {
    "braze": Braze,
    "klaviyo": lambda: Klaviyo("LIST01"),
    "talonone": lambda: TalonOne(1),
    "webhook": Receiver,
}

if __name__ == "__main__":
    with serving(STAND_INS[sys.argv[1]]()) as standin:
        print(standin.url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
