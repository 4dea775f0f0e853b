"""Where the edge of this machine's platform answers, and whether it is ready."""

import http.client
import ssl
import urllib.error
import urllib.request

from services.kit.settings import Settings

PROBE_SECONDS = 2.0

# The platform is on this machine: a proxy from the environment has no part in reaching it, and its certificate is for
# the name by which others call it.
_anybody = ssl.create_default_context()
_anybody.check_hostname, _anybody.verify_mode = False, ssl.CERT_NONE
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_anybody))


def edge_url(settings: Settings) -> str:
    """The URL for a browser on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.edge_host, settings.edge_host)
    scheme = "https" if settings.edge_tls_certificate else "http"
    return f"{scheme}://{host}:{settings.edge_port}"


def is_ready(settings: Settings) -> bool:
    """Whether the edge and every backend answer."""
    try:
        with _opener.open(f"{edge_url(settings)}/readyz", timeout=PROBE_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False
