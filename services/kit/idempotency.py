"""Requests with an `Idempotency-Key` are done once: a repetition gets the answer the first one got, for a day.

Kept are successes and the refusals that the same request would meet again; after any other it may be repeated and is
done. Work that has begun goes on when its client hangs up, and its answer is kept. A process that dies over a request
leaves a claim behind, which ends seconds later; whether the work was done then is not known, and a repetition does it
again.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.kit import idempotency_store as store
from services.kit.caller import current_address, current_request, enter_request
from services.kit.context import Context
from services.kit.errors import Conflict, Invalid, NotFound, TooLarge, Unprocessable
from services.kit.failures import from_metadata, to_metadata
from services.kit.idempotency_claims import Claim
from services.kit.idempotency_names import KEY_HEADER, MAX_KEY_CHARS, Named, Namer
from services.kit.keys import SERVICE_SECRET, secret
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.kit.urls import Url

# Who meets one of these meets it again. What credentials, limits and backends refuse is not among them.
KEPT = (Invalid, NotFound, Conflict, TooLarge, Unprocessable)

Behaviour = Callable[[Any, Context], Awaitable[Any]]


class Answers:
    """The answers of one process, kept in PostgreSQL for all of them."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._namer = Namer(secret=secret(settings, SERVICE_SECRET).encode())
        # Those whose clients hung up have no other reference.
        self._works: set[asyncio.Task[Message]] = set()

    def once(self, method: str, inner: Behaviour) -> Behaviour:
        """`inner`, the unary RPC at a gRPC path, done once for each key; without a key it is called as it is."""
        descriptor = descriptor_pool.Default().FindMethodByName(method.strip("/").replace("/", "."))
        response_class = GetMessageClass(descriptor.output_type)

        async def behave(request: Message, context: Context) -> Message:
            keys = _sent(KEY_HEADER)
            if not keys:
                response: Message = await inner(request, context)
                return response
            named = self._namer.name(
                current_request().caller,
                address=current_address(),
                path=Url.of(current_request().url).path or method,
                key=_checked(keys),
                body=request.SerializeToString(deterministic=True),
            )
            claim = Claim(self._database, named)
            kept = await claim.take()
            if kept:
                enter_request(replace(current_request(), is_replay=True))
                return _opened(named, kept, response_class)
            enter_request(replace(current_request(), once=named.once))
            return await self._work(claim, partial(inner, request, context))

        return behave

    async def forget(self) -> None:
        """Deletes what has expired."""
        async with self._database.system() as connection:
            await store.forget(connection)

    async def _work(self, claim: Claim, do: Callable[[], Awaitable[Message]]) -> Message:
        """Does the work to its end: a client that hangs up comes again to hear what became of it."""
        work = asyncio.create_task(_do_and_keep(claim, do))
        self._works.add(work)
        work.add_done_callback(self._works.discard)
        return await asyncio.shield(work)


async def _do_and_keep(claim: Claim, do: Callable[[], Awaitable[Message]]) -> Message:
    try:
        async with claim.lasting():
            response = await do()
    except KEPT as failure:
        await claim.keep(json.dumps(dict(to_metadata(failure))).encode(), is_failure=True)
        raise
    except Exception:
        await claim.release()
        raise
    await claim.keep(response.SerializeToString(), is_failure=False)
    return response


def _opened(named: Named, kept: store.Kept, response_class: type[Message]) -> Message:
    """The answer that was kept, as it was first given: a message returned, a failure raised."""
    assert kept.answer is not None
    answer = named.seal.decrypt(kept.answer)
    if not kept.is_failure:
        return response_class.FromString(answer)
    failure = from_metadata(json.loads(answer))
    assert failure is not None
    raise failure


def _sent(header: str) -> list[str]:
    return [str(value) for name, value in current_request().metadata if name == header]


def _checked(keys: list[str]) -> str:
    """The key of a request. Raises Invalid."""
    key = keys[0]
    if len(keys) > 1 or not 1 <= len(key) <= MAX_KEY_CHARS or not key.isprintable():
        raise Invalid({"Idempotency-Key": [f"Send one key of 1 to {MAX_KEY_CHARS} printable characters."]})
    return key
