"""The URL of a request in its parts. Its host is whatever the client called us: no library need take it for one."""

from typing import NamedTuple, Self


class Url(NamedTuple):
    """`http://host`, `/path/` and `a=b`; all empty for a request of no URL."""

    origin: str
    path: str
    query: str

    @classmethod
    def of(cls, url: str) -> Self:
        """The parts of an absolute URL."""
        address, _, query = url.partition("?")
        scheme, colon, rest = address.partition("://")
        host, slash, path = rest.partition("/")
        return cls(origin=scheme + colon + host, path=slash + path, query=query)
