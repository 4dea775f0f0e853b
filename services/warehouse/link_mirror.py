"""The mirror of the links between user ids in PostgreSQL: where it ends, and what comes next."""

from clickhouse_connect.driver.client import Client

from services.warehouse.mirror import append_lines

# Of the lines that are appended.
USER_COLUMNS = (0, 1)


def position(client: Client, tenant_id: int) -> int:
    """The version of a tenant's newest link here; 0 when there is none."""
    query = "SELECT max(version) FROM user_links WHERE tenant_id = {tenant:UInt32}"
    return int(client.query(query, parameters={"tenant": tenant_id}).result_rows[0][0])


def append(client: Client, tenant_id: int, copy_text: bytes) -> None:
    """Adds links: lines of user, person and version. All of them or, raising UnreadableChanges, none."""
    append_lines(client, "user_links", b"%d\t" % tenant_id, copy_text)
