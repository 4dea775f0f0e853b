"""Where the edge of this machine's platform answers, and whether it is ready."""

import http.client
import urllib.error
import urllib.request

from services.kit.settings import Settings

PROBE_SECONDS = 2.0

# The platform is on this machine: a proxy from the environment has no part in reaching it.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def edge_url(settings: Settings) -> str:
    """The URL for a browser on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.edge_host, settings.edge_host)
    return f"http://{host}:{settings.edge_port}"


def is_ready(settings: Settings) -> bool:
    """Whether the edge and every backend answer."""
    try:
        with _opener.open(f"{edge_url(settings)}/readyz", timeout=PROBE_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False
