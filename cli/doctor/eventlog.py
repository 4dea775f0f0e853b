"""The event log: reachable, with JetStream, and its stream as it is set."""

import asyncio
from collections.abc import Iterator
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from cli.backup import streams
from cli.doctor.finding import Finding, bad, doubtful, good
from services.kit.eventlog import STREAM
from services.kit.settings import Settings

ANSWER_SECONDS = 5.0
DAY_SECONDS = 86_400
MIB = 1024 * 1024
# A log this full takes no more events soon.
SHARE = 0.9


def last_message(settings: Settings) -> int:
    """The sequence of the log's last message; 0 when there is none, or nobody tells."""
    try:
        return asyncio.run(_last_message(settings))
    except (NatsError, OSError, streams.LogFailed):
        return 0


async def _last_message(settings: Settings) -> int:
    client = await streams.connect(settings)
    try:
        state = (await streams.find(client, STREAM) or {}).get("state", {"messages": 0, "last_seq": 0})
        return int(state["last_seq"]) if state["messages"] else 0
    finally:
        await client.close()


def check_event_log(settings: Settings) -> Iterator[Finding]:
    """Everything about it; nothing more than that it is away when it is."""
    return iter(asyncio.run(_check(settings)))


async def _check(settings: Settings) -> list[Finding]:
    try:
        client = await streams.connect(settings)
    except FileNotFoundError:
        return [bad("event log", "There is no token for it.", "See `secrets`.")]
    except (NatsError, OSError) as error:
        return [bad("event log", f"It does not answer: {_words(error)}", _advice(settings, error))]
    try:
        version = client.connected_server_version
        return [
            good("event log", f"NATS {version.major}.{version.minor}.{version.patch} answers."),
            *await _streams(settings, client),
        ]
    finally:
        await client.close()


async def _streams(settings: Settings, client: Client) -> list[Finding]:
    jetstream = client.jetstream(timeout=ANSWER_SECONDS)
    try:
        account = await jetstream.account_info()
        stream = await jetstream.stream_info(STREAM)
    except ServiceUnavailableError:
        return [bad("stream", "JetStream is off.", "Give the server a jetstream block, with a directory.")]
    except NotFoundError:
        return [bad("stream", f"There is no {STREAM}.", "Start ingestion or the warehouse: they make it.")]
    except (APIError, NatsError) as error:
        return [bad("stream", f"JetStream does not answer: {_words(error)}", "A cluster needs most of its servers.")]
    found = list(_differences(settings, stream.config))
    limit = account.limits.max_storage
    if limit > 0 and account.storage > SHARE * limit:
        seen = f"{account.storage // MIB} of {limit // MIB} MiB are used."
        found.append(
            doubtful("stream", seen, "Raise the limit of JetStream, or set SEGOPS_EVENTLOG_RETENTION_DAYS lower.")
        )
    state = stream.state
    return found or [good("stream", f"{STREAM} holds {state.messages} messages, {state.bytes // MIB} MiB.")]


def _differences(settings: Settings, config: Any) -> Iterator[Finding]:
    if config.storage != "file":
        seen = f"{STREAM} is kept in memory: a restart of NATS loses events that were acknowledged."
        yield bad("stream", seen, "Make it anew on disk, when everything in it is loaded.")
    if config.discard != "new":
        seen = f"{STREAM} drops its oldest events when it is full."
        yield bad("stream", seen, f"nats stream edit {STREAM} --discard new")
    if config.num_replicas != settings.nats_replicas:
        seen = f"{STREAM} is on {config.num_replicas} servers, and {settings.nats_replicas} are set."
        yield doubtful("stream", seen, "Restart ingestion, and look into its log: the cluster may be too small.")
    if config.max_age != settings.eventlog_retention_days * DAY_SECONDS:
        seen = f"{STREAM} keeps events for {(config.max_age or 0) / DAY_SECONDS:g} days."
        advice = f"{settings.eventlog_retention_days} are set: restart ingestion with SEGOPS_EVENTLOG_RETENTION_DAYS."
        yield doubtful("stream", seen, advice)


def _advice(settings: Settings, error: Exception) -> str:
    if "uthorization" in str(error):
        return "Give the server the token in secrets/nats_token, or SEGOPS_NATS_URL the user it knows."
    return "Start it, or correct SEGOPS_NATS_URL." if settings.nats_url else "Start the platform: `make up`."


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
