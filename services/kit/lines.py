"""Lines of text that come in parts."""

from collections.abc import AsyncGenerator, AsyncIterable


async def whole_lines(parts: AsyncIterable[bytes], most: int) -> AsyncGenerator[bytes]:
    """The bytes of `parts`, cut after line ends into chunks of at most `most` bytes. No line is longer than that."""
    waiting = bytearray()
    async for part in parts:
        waiting += part
        while len(waiting) > most:
            end = waiting.rfind(b"\n", 0, most) + 1
            yield bytes(waiting[:end])
            del waiting[:end]
    if waiting:
        yield bytes(waiting)
