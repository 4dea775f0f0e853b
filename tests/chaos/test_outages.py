"""A warehouse that is away costs nothing that was accepted, and nobody notices."""

from pathlib import Path

from tests.chaos.outages import without_warehouse


async def test_events_are_accepted_while_the_warehouse_is_away(tmp_path: Path) -> None:
    await without_warehouse(tmp_path / "data", seconds=5)
