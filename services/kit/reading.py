"""Bytes to messages: what cannot be read is the sender's mistake, and no error within."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from services.kit.errors import Invalid


class Unreadable(Invalid):
    """The request is not the message that is expected here, or a text in it is not UTF-8."""


class Reader:
    """Reads what is sent to one RPC, in the place of grpc.

    grpc would answer INTERNAL and log a stack trace, and to a call that ends without a whole message nothing at all: it
    would take one of the places there are until its sender gives up.
    """

    def __init__(self, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        self._deserialize = handler.request_deserializer
        self._is_streaming = handler.request_streaming

    async def read(self, sent: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        """The message, or the stream of them. Raises Unreadable, of a stream while it is read."""
        if self._is_streaming:
            return self._each(sent)
        one = await context.read()
        if one is grpc.aio.EOF:
            raise Unreadable
        return self._one(one)

    def _one(self, sent: bytes) -> Any:
        assert self._deserialize is not None
        try:
            return self._deserialize(sent)
        except DecodeError as error:
            raise Unreadable from error

    async def _each(self, sent: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for one in sent:
            yield self._one(one)
