"""The mirror of the links between user ids in PostgreSQL: where it ends, and what comes next."""

from clickhouse_connect.driver.client import Client

from services.warehouse import mirror
from services.warehouse.layout import ONE_ENGINE, Layout
from services.warehouse.mirror import append_lines
from services.warehouse.tables import MIRRORED

# Of the lines that are appended.
USER_COLUMNS = (0, 1)
VERSION_COLUMN = 2
# Among the positions of mirrors.
NO_SEGMENT = 0


def position(client: Client, tenant_id: int, layout: Layout = ONE_ENGINE) -> int:
    """The version of a tenant's newest link here; 0 when there is none."""
    if layout.cluster:
        return mirror.position(client, tenant_id, NO_SEGMENT, layout)[0]
    query = "SELECT max(version) FROM user_links WHERE tenant_id = {tenant:UInt32}"
    return int(client.query(query, parameters={"tenant": tenant_id}).result_rows[0][0])


def append(client: Client, tenant_id: int, copy_text: bytes, layout: Layout = ONE_ENGINE) -> None:
    """Adds links: lines of user, person and version. All of them or, raising UnreadableChanges, none."""
    append_lines(client, "user_links", b"%d\t" % tenant_id, copy_text)
    if layout.cluster:
        version = copy_text[:-1].rpartition(b"\n")[2].split(b"\t")[VERSION_COLUMN]
        append_lines(client, MIRRORED.name, b"%d\t%d\t" % (tenant_id, NO_SEGMENT), version + b"\t\n")
