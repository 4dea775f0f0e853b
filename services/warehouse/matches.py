"""Evaluating definitions: count and sample, beside a segment's members, or every matching user as a stream."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TypeVar

from clickhouse_connect.driver.client import Client

from services.warehouse import store
from services.warehouse.engine import Engine
from services.warehouse.evaluation import Evaluation
from services.warehouse.flowing import stop, stream_lines

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a definition matches; `sql` is the statement that yields the user ids."""

    matched_users: int
    sample_user_ids: list[str]
    sql: str


async def preview(engine: Engine, evaluation: Evaluation, sample: int) -> Preview:
    """Counts the users who match and takes the first `sample` in byte order."""
    users = evaluation.users()
    count, ids = await _in_turn(engine, lambda client, tag: store.count_and_sample(client, users, sample, tag))
    return Preview(matched_users=count, sample_user_ids=ids, sql=users)


async def diff(engine: Engine, evaluation: Evaluation, segment_id: int, sample: int) -> store.Difference:
    """Compares the users who match with the members of a segment, with the first `sample` ids in byte order."""
    users, members = evaluation.users(), evaluation.members(segment_id)
    return await _in_turn(engine, lambda client, tag: store.compare(client, users, members, sample, tag))


def stream(engine: Engine, evaluation: Evaluation) -> AsyncGenerator[bytes, None]:
    """The users who match in byte order, as chunks of whole lines of PostgreSQL COPY text.

    The query ends when the caller stops reading.
    """
    return stream_lines(engine, engine.definitions, lambda tag: store.sorted_users(evaluation.users(), tag))


async def _in_turn(engine: Engine, work: Callable[[Client, str], T]) -> T:
    """Calls `work` when no other definition is evaluated; stops its queries, which carry the tag, with the caller."""
    tag = uuid.uuid4().hex
    try:
        return await engine.definitions.ask(lambda client: work(client, tag))
    except asyncio.CancelledError:
        await stop(engine, tag)
        raise
