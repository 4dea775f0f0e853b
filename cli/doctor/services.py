"""The processes: each service's health, how far the warehouse is, shared counts, and the edge itself."""

import re
import time
from collections.abc import Iterator

import httpx
import redis

from cli.backup.warehouse import warehouse
from cli.doctor.eventlog import last_message
from cli.doctor.finding import Finding, bad, doubtful, good
from services.kit.errors import Failure
from services.kit.health import health_of
from services.kit.settings import SERVICES, Settings

ANSWER_SECONDS = 3.0
# What came just now is loaded by then.
PATIENCE_SECONDS, POLL_SECONDS = 3.0, 0.1
GRPC_SERVICES = tuple(name for name in SERVICES if name != "authz")


def check_services(settings: Settings) -> Iterator[Finding]:
    """Does each answer, and is it ready?"""
    for name in GRPC_SERVICES:
        for address in settings.addresses(name):
            health = health_of(address, ANSWER_SECONDS)
            if health is None:
                advice = f"Start it, or correct SEGOPS_{name.upper()}_ADDRESS; its log says why it ended."
                yield bad(name, f"Nobody answers at {address}.", advice)
            elif not health:
                yield bad(name, "It runs, and a store that it needs does not answer.", "Its log says which one.")
            else:
                yield good(name, "It is ready.")


def check_loading(settings: Settings) -> Iterator[Finding]:
    """Does the warehouse load the log?"""
    last = last_message(settings)
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        with warehouse(settings) as process:
            while (loaded := process.loaded()) < last and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
    except (Failure, OSError, ValueError) as error:
        yield bad("loading", f"The warehouse does not say how far it is: {error}", "See `warehouse` and `secrets`.")
        return
    if loaded < last:
        seen = f"{last - loaded} messages of the log are not loaded." if loaded else "Nothing of the log is loaded."
        yield doubtful("loading", seen, "The warehouse's log says what it waits for, or it has too much to do.")
    else:
        yield good("loading", "The warehouse has everything that was in the log.")


def check_counts(settings: Settings) -> Iterator[Finding]:
    """Does the server answer where several edges count calls?"""
    if not settings.ratelimit_dsn:
        return
    options = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    try:
        with redis.Redis.from_url(settings.ratelimit_dsn, **options) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        advice = "Start it, or correct SEGOPS_RATELIMIT_URL and its password. Until then each edge counts alone."
        yield doubtful("shared counts", f"The server does not answer: {error}", advice)
    else:
        yield good("shared counts", "The server answers.")


def check_edge(settings: Settings) -> Iterator[Finding]:
    """Does Envoy let a request through to authz, and which Envoy is it?"""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.edge_host, settings.edge_host)
    url = f"{'https' if settings.edge_tls_certificate else 'http'}://{host}:{settings.edge_port}"
    try:
        # It is this machine's: its certificate is for the name by which others call it.
        answer = httpx.get(f"{url}/readyz", timeout=ANSWER_SECONDS, verify=False, trust_env=False)
    except httpx.HTTPError as error:
        yield bad("edge", f"Nobody answers at {url}: {error}", "Start Envoy, or correct SEGOPS_EDGE_PORT; see its log.")
        return
    detail = _detail(answer)
    if answer.status_code == httpx.codes.OK and detail is not None:
        yield good("edge", f"{_version(settings)} answers at {url}, and everything behind it is ready.")
    elif detail is None:
        seen = f"Another program answers at {url}."
        yield bad("edge", seen, "End it, or choose another port: SEGOPS_EDGE_PORT.")
    else:
        yield bad(
            "edge", f"{answer.status_code} at {url}/readyz. {detail}", "See those services above, and authz's log."
        )


def _detail(answer: httpx.Response) -> str | None:
    """What authz, or Envoy for it, says of the platform; None when it is neither."""
    try:
        body = answer.json()
        return str(body.get("detail", "") or body["status"])
    except (ValueError, KeyError, AttributeError):
        return None


def _version(settings: Settings) -> str:
    """Envoy with its version, where its admin interface can be reached from here."""
    socket, _, path = settings.edge_admin_listen.rpartition("unix:")
    uds = path if socket == "" and "unix:" in settings.edge_admin_listen else str(settings.run_dir / "envoy-admin.sock")
    remote = (
        settings.edge_admin_listen if settings.edge_admin_listen and "unix:" not in settings.edge_admin_listen else ""
    )
    transport = httpx.HTTPTransport() if remote else httpx.HTTPTransport(uds=uds)
    try:
        with httpx.Client(transport=transport, timeout=ANSWER_SECONDS) as client:
            version = client.get(f"http://{remote or 'envoy'}/server_info").json()["version"]
    except (httpx.HTTPError, ValueError, KeyError):
        return "Envoy"
    found = re.search(r"/(\d+\.\d+\.\d+)", version)
    return f"Envoy {found[1]}" if found else "Envoy"
