"""Whether the authz process takes requests: `python -m edge.health HOST:PORT`, the health check of its container."""

import http.client
import sys

ANSWER_SECONDS = 2.0


def is_live(address: str) -> bool:
    """What the process at an address says."""
    connection = http.client.HTTPConnection(address, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_live(sys.argv[1]) else f"{sys.argv[1]} is not live")
