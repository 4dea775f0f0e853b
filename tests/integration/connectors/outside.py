"""A tool outside, in memory: it takes chunks, and misbehaves as a test says."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from pydantic import SecretStr

from services.connectors.destinations.interface import Audience, Chunk, Config, DestinationType, Means, Skipped

SECRET = "a-secret-key"

# What happens beside taking a chunk.
Act = Callable[[Chunk], Awaitable[object]]


class ToolConfig(Config):
    """`list_id` is where users go; without one each segment has a list of its own."""

    api_key: SecretStr
    list_id: str | None = None


class Tool:
    """The lists of a tool, by their names, and every chunk that came to it."""

    def __init__(self, *, chunk_users: int = 2, parallel: int = 1) -> None:
        self.chunk_users = chunk_users
        self.parallel = parallel
        self.lists: defaultdict[str, set[str]] = defaultdict(set)
        self.chunks: list[Chunk] = []
        self.opened: list[Audience] = []
        # The list that was opened last.
        self.list = ""
        self.finished = 0
        # What happens before a chunk is taken, after that, and before a sync ends.
        self.before: Act | None = None
        self.after: Act | None = None
        self.finishing: Callable[[], Awaitable[object]] | None = None
        self.skipped: Sequence[Skipped] = ()

    @property
    def kind(self) -> DestinationType[ToolConfig]:
        """The type of connectors to the tool."""
        return DestinationType(name="tool", config=ToolConfig, place=_list_of, open=self._open)

    @property
    def sent(self) -> list[str]:
        """The chunks that came, each as `+entered -left`."""
        return [
            " ".join([*(f"+{user}" for user in chunk.entered), *(f"-{user}" for user in chunk.exited)])
            for chunk in self.chunks
        ]

    def _open(self, config: ToolConfig, audience: Audience, _: Means) -> "OpenTool":
        assert config.api_key.get_secret_value() == SECRET
        self.opened.append(audience)
        self.list = _list_of(config, audience)
        return OpenTool(self, self.list)


class OpenTool:
    """The tool as a destination: one of its lists."""

    def __init__(self, tool: Tool, name: str) -> None:
        self._tool = tool
        self._name = name
        self.chunk_users = tool.chunk_users
        self.parallel = tool.parallel

    async def send(self, chunk: Chunk) -> Sequence[Skipped]:
        tool = self._tool
        tool.chunks.append(chunk)
        if tool.before:
            await tool.before(chunk)
        tool.lists[self._name] |= set(chunk.entered)
        tool.lists[self._name] -= set(chunk.exited)
        if tool.after:
            await tool.after(chunk)
        return tool.skipped

    async def finish(self) -> None:
        if self._tool.finishing:
            await self._tool.finishing()
        self._tool.finished += 1


def _list_of(config: ToolConfig, audience: Audience) -> str:
    return config.list_id or f"segment {audience.segment_id}"
