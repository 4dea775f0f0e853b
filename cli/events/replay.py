"""segopsctl events replay: loads a time range of the event log again."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cli.options import Json
from cli.output import print_json
from cli.platform import admin
from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.gen.segops.warehouse.v1 import warehouse_pb2_grpc
from services.kit.acting import Actor
from services.kit.channel import connect, stream
from services.kit.settings import Settings

# As long as the log keeps events: no limit.
SECONDS = 7 * 24 * 3600.0


def replay(
    since: Annotated[str, typer.Option("--from", help="RFC 3339; the oldest event of the log when left out.")] = "",
    until: Annotated[str, typer.Option("--to", help="RFC 3339; up to what the warehouse has when left out.")] = "",
    json: Json = False,
) -> None:
    """Load a time range of the event log into a warehouse that lost it, of all tenants.

    New events are loaded meanwhile. A replay that was interrupted goes on when the command is given again.
    """
    request = pb.ReplayRequest()
    for field, text in (("from", since), ("to", until)):
        if text:
            getattr(request, field).FromDatetime(_moment(text, f"--{field}"))
    with admin():
        progress = asyncio.run(_replay(request))
    if json:
        print_json({"messages": progress.messages_read, "events_stored": progress.events_stored})
    elif progress.messages:
        print(f"Loaded {progress.events_stored} events.")
    else:
        print("Nothing was missing.")


async def _replay(request: pb.ReplayRequest) -> pb.ReplayProgress:
    settings = Settings()
    progress = pb.ReplayProgress()
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[events]} events, {task.fields[rate]:.0f}/s"),
        TimeRemainingColumn(),
    )
    async with connect(settings, "warehouse") as channel, Actor(settings, "segopsctl").acting_for(0):
        with Progress(*columns, console=Console(stderr=True)) as shown:
            task = shown.add_task("replay", total=None, events=0, rate=0.0)
            stub = warehouse_pb2_grpc.WarehouseServiceStub(channel)
            async for progress in stream(stub.Replay, request, seconds=SECONDS):
                elapsed = shown.tasks[0].elapsed or 1.0
                shown.update(
                    task,
                    total=progress.messages,
                    completed=progress.messages_read,
                    events=progress.events_stored,
                    rate=progress.events_stored / max(elapsed, 0.001),
                )
    return progress


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("This is no RFC 3339 time, such as 2026-04-25T14:32:00Z.", param_hint=option) from None
    return moment.replace(tzinfo=moment.tzinfo or UTC)
