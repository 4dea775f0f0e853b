"""The job queue: procrastinate on PostgreSQL. A job is queued in the transaction that needs it."""

from procrastinate import App, PsycopgConnector
from procrastinate.blueprints import Blueprint

from services.kit.postgres import TENANT_ROLE
from services.kit.settings import Settings

POOL_SIZE = 4


def connect(settings: Settings, blueprint: Blueprint, *, namespace: str) -> App:
    """The queue with a service's tasks in it, named `<namespace>:<task>`. Enter `app.open_async()` to use it."""
    connector = PsycopgConnector(
        conninfo=settings.libpq_dsn,
        kwargs={"options": f"-c role={TENANT_ROLE}"},
        min_size=1,
        max_size=POOL_SIZE,
    )
    app = App(connector=connector)
    app.add_tasks_from(blueprint, namespace=namespace)
    return app
