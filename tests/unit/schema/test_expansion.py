"""Migrations since the previous release only add, and the checker refuses those that do not."""

import io

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory

from services.schema.expansion import complaints
from services.schema.migrate import alembic_config
from services.schema.releases import PREVIOUS_REVISION

SCRIPTS = ScriptDirectory.from_config(alembic_config())
SINCE = list(SCRIPTS.iterate_revisions("heads", PREVIOUS_REVISION))


def statements(script: Script) -> list[str]:
    """What a migration executes, without running it."""
    out = io.StringIO()
    config = Config(output_buffer=out)
    config.set_main_option("script_location", str(SCRIPTS.dir))
    config.attributes["connection"] = None
    command.upgrade(config, f"{script.down_revision}:{script.revision}", sql=True)
    return [statement for statement in out.getvalue().split(";\n") if "alembic_version" not in statement]


def test_the_previous_release_is_a_revision_of_ours() -> None:
    assert SCRIPTS.get_revision(PREVIOUS_REVISION) is not None


@pytest.mark.parametrize("script", SINCE, ids=lambda script: script.revision)
def test_migrations_since_the_previous_release_expand(script: Script) -> None:
    contracted = getattr(script.module, "contracts", None)
    released = {older.revision for older in SCRIPTS.iterate_revisions(PREVIOUS_REVISION, "base")}
    assert contracted is None or contracted in released, "it contracts what the previous release has not done without"
    found = statements(script)
    assert found
    assert list(complaints(found, contracts=contracted is not None)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE segments",
        "ALTER TABLE segments DROP COLUMN name",
        "DROP FUNCTION due_segments(int)",
        "ALTER TABLE segments RENAME COLUMN name TO title",
        "ALTER TABLE segments RENAME TO groups",
        "ALTER TABLE segments ALTER COLUMN name TYPE varchar(10)",
        "ALTER TABLE segments ALTER COLUMN description SET NOT NULL",
        "ALTER TABLE segments ADD COLUMN colour TEXT NOT NULL",
        "ALTER TABLE segments ADD CONSTRAINT short CHECK (length(name) < 10)",
        "CREATE INDEX i ON memberships (entered_at)",
        'CREATE UNIQUE INDEX i ON "membership_changes" (user_id)',
        "UPDATE memberships SET entered_at = now()",
        "REVOKE SELECT ON segments FROM segops_app",
        "LOCK TABLE segments IN ACCESS EXCLUSIVE MODE",
        "TRUNCATE segments",
    ],
)
def test_what_breaks_the_previous_release_or_holds_it_up_is_refused(statement: str) -> None:
    assert list(complaints([statement]))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE colours (id INT PRIMARY KEY)",
        "ALTER TABLE segments ADD COLUMN colour TEXT",
        "ALTER TABLE segments ADD COLUMN colour TEXT DEFAULT 'red' NOT NULL",
        "ALTER TABLE segments ADD CONSTRAINT short CHECK (length(name) < 10) NOT VALID",
        "CREATE INDEX CONCURRENTLY i ON memberships (entered_at)",
        "CREATE INDEX i ON tenants (name)",
    ],
)
def test_what_only_adds_is_taken(statement: str) -> None:
    assert list(complaints([statement])) == []


def test_a_migrations_own_tables_are_its_own() -> None:
    assert list(complaints(["CREATE TABLE a (id INT)", "ALTER TABLE a ADD CONSTRAINT b CHECK (id > 0)"])) == []


def test_a_contracting_migration_may_drop_and_still_not_rename() -> None:
    assert list(complaints(["ALTER TABLE segments DROP COLUMN name"], contracts=True)) == []
    assert list(complaints(["ALTER TABLE segments RENAME COLUMN a TO b"], contracts=True))
