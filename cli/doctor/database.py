"""PostgreSQL: reachable, new enough, migrated, guarded, and not stuck."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import psycopg
from alembic.script import ScriptDirectory

from cli.doctor.finding import Finding, bad, doubtful, good
from services.kit.keys import CONNECTORS_KEY, IDENTITY_KEY, INGESTION_KEY, secret
from services.kit.postgres import IDENTITY_ROLE, TENANT_ROLE
from services.kit.settings import Settings
from services.kit.vault import Unreadable, Vault
from services.schema.migrate import alembic_config

CONNECT_SECONDS = 5
OLDEST = 15
MAX_SKEW = timedelta(seconds=2)
STUCK = timedelta(minutes=10)
SHARE_OF_CONNECTIONS = 0.9

# A refresh token is found before its tenant is known.
UNGUARDED = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attname = 'tenant_id'
      AND NOT c.relrowsecurity AND c.relname <> 'refresh_tokens'
"""
ROLES = """
    SELECT rolname, rolsuper OR rolbypassrls, pg_has_role(current_user, oid, 'MEMBER')
    FROM pg_roles WHERE rolname = ANY(%s)
"""
WAITING = """
    SELECT queue_name, count(*), min(coalesce(jobs.scheduled_at, events.at)) FROM procrastinate_jobs AS jobs
    JOIN procrastinate_events AS events ON events.job_id = jobs.id AND events.type = 'deferred'
    WHERE jobs.status = 'todo' AND coalesce(jobs.scheduled_at, events.at) < now() - %s
    GROUP BY queue_name
"""
CONNECTIONS = "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity"
# What is encrypted under the key of each service, and the settings that may name other keys.
SEALED = (
    (IDENTITY_KEY, "services.identity.settings", "IdentitySettings", "SELECT private_key FROM signing_keys LIMIT 20"),
    (IDENTITY_KEY, "services.identity.settings", "IdentitySettings", "SELECT hmac_secret FROM api_keys LIMIT 20"),
    (CONNECTORS_KEY, "services.connectors.settings", "ConnectorsSettings", "SELECT secrets FROM activations LIMIT 20"),
    (CONNECTORS_KEY, "services.connectors.settings", "ConnectorsSettings", "SELECT secret FROM webhooks LIMIT 20"),
    (
        INGESTION_KEY,
        "services.ingestion.settings",
        "IngestionSettings",
        "SELECT webhook_secret FROM shopify_integrations LIMIT 20",
    ),
)

Connection = psycopg.Connection[tuple[Any, ...]]


def check_database(settings: Settings) -> Iterator[Finding]:
    """Everything about it; nothing more than that it is away when it is."""
    try:
        connection = psycopg.connect(settings.libpq_dsn, connect_timeout=CONNECT_SECONDS, autocommit=True)
    except psycopg.Error as error:
        yield bad("PostgreSQL", str(error).strip().splitlines()[-1], _advice(settings, str(error)))
        return
    with connection:
        yield from _version(connection)
        yield from _clock(connection)
        if not (wrong := list(_revision(connection))):
            wrong = [*_roles(connection), *_guards(connection)]
            yield from _keys(settings, connection)
            yield from _jobs(connection)
        yield from wrong or [good("schema", "It is current, and every tenant's rows are guarded.")]
        yield from _connections(connection)


def _advice(settings: Settings, error: str) -> str:
    if "password" in error or "authentication" in error:
        return "Correct the user in SEGOPS_DATABASE_URL, or SEGOPS_DATABASE_PASSWORD."
    if "does not exist" in error:
        return "Make the database and its user, or correct SEGOPS_DATABASE_URL."
    return "Start it, or correct SEGOPS_DATABASE_URL." if settings.database_url else "Start the platform: `make up`."


def _version(connection: Connection) -> Iterator[Finding]:
    major = connection.info.server_version // 10_000
    if major < OLDEST:
        yield bad("PostgreSQL", f"It is version {major}.", f"Upgrade it to {OLDEST} or newer.")
    else:
        yield good("PostgreSQL", f"Version {major} answers.")


def _clock(connection: Connection) -> Iterator[Finding]:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    skew = abs(row[0] - datetime.now(UTC))
    if skew > MAX_SKEW:
        seen = f"This machine and PostgreSQL differ by {skew.total_seconds():.0f} s."
        yield doubtful("clock", seen, "Run a time service (chrony) on both: tokens and schedules go by the clock.")
    else:
        yield good("clock", "This machine and PostgreSQL agree.")


def _revision(connection: Connection) -> Iterator[Finding]:
    scripts = ScriptDirectory.from_config(alembic_config())
    head = scripts.get_current_head()
    row = None
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() != (None,):
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        yield bad("schema", "There is none.", "`segopsctl migrate`")
    elif row[0] not in {script.revision for script in scripts.walk_revisions()}:
        yield bad(
            "schema", f"Its revision {row[0]} is of a newer version.", "Run that version, or a backup of before it."
        )
    elif row[0] != head:
        yield bad("schema", f"It is at revision {row[0]}, and {head} is current.", "`segopsctl migrate`")


def _roles(connection: Connection) -> Iterator[Finding]:
    found = {
        name: (passes, member) for name, passes, member in connection.execute(ROLES, [[TENANT_ROLE, IDENTITY_ROLE]])
    }
    for name in (TENANT_ROLE, IDENTITY_ROLE):
        passes, member = found.get(name, (False, False))
        if not member:
            seen = f"The role {name} is missing, or not granted to the user that connects."
            yield bad("schema", seen, f"As a superuser: CREATE ROLE {name} NOLOGIN; GRANT {name} TO <user>.")
        elif passes:
            yield bad("schema", f"{name} passes row-level security.", f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS")


def _guards(connection: Connection) -> Iterator[Finding]:
    for (table,) in connection.execute(UNGUARDED):
        advice = f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, and find out who took it off."
        yield bad("schema", f"Row-level security is off for {table}.", advice)


def _keys(settings: Settings, connection: Connection) -> Iterator[Finding]:
    wrong = set()
    for name, module, cls, query in SEALED:
        sealed = [row[0] for row in connection.execute(query) if row[0] is not None]
        if not all(_opens(_vault(settings, name, module, cls), secret) for secret in sealed):
            wrong.add(name)
    for name in sorted(wrong):
        yield bad(
            "keys",
            f"What is encrypted in the database was not encrypted under {name}.",
            "Put the key of this database back, from a copy or by `segopsctl backup secrets`; or, if it was changed, "
            "add "
            f"the old one behind the new one in SEGOPS_{name.removesuffix('_key').upper()}_KEYS.",
        )
    if not wrong:
        yield good("keys", "They open what is encrypted in the database.")


def _vault(settings: Settings, name: str, module: str, cls: str) -> Vault | None:
    try:
        own = getattr(import_module(module), cls)()
        return Vault([*own.key_list, secret(settings, name)])
    except (OSError, ValueError):
        return None  # told of by the checks of settings and secrets


def _opens(vault: Vault | None, sealed: bytes) -> bool:
    try:
        return vault is None or bool(vault.unseal(sealed))
    except Unreadable:
        return False


def _jobs(connection: Connection) -> Iterator[Finding]:
    stuck: Sequence[tuple[str, int, datetime]] = connection.execute(WAITING, [STUCK]).fetchall()
    for queue, count, since in stuck:
        minutes = (datetime.now(UTC) - since).total_seconds() / 60
        seen = f"{count} of {queue} wait, the oldest for {minutes:.0f} minutes."
        yield doubtful("jobs", seen, f"Does {queue} run? Its log says what it does; more replicas work on more.")
    if not stuck:
        yield good("jobs", "None waits for long.")


def _connections(connection: Connection) -> Iterator[Finding]:
    row = connection.execute(CONNECTIONS).fetchone()
    assert row is not None
    if row[0] > SHARE_OF_CONNECTIONS * row[1]:
        seen = f"{row[0]} of {row[1]} connections of PostgreSQL are taken."
        yield doubtful("connections", seen, "Raise max_connections, or put fewer replicas on this database.")
