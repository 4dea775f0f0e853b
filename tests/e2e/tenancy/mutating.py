"""Random mutations of valid requests. The same seed makes the same ones, save for names and tokens, new each time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.e2e.tenancy.calls import Binding, Fields
from tests.e2e.tenancy.hostile import VALUES, leaves, sent
from tests.e2e.tenancy.ids import Place, put
from tests.e2e.tenancy.wire import Header, Sent

# Beyond this a text only costs time: what is over-long has tests of its own.
MOST_TEXT = 2_000
METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"get", b"X" * 300)
TOKENS = (
    b"\x00",
    b"\xff",
    b"\n",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-",
    b"1e999",
    b"\xc3",
    b"\\u",
)
PATH_PARTS = (
    b"//",
    b"/./",
    b"/../",
    b"%2f",
    b"%2e%2e",
    b"%00",
    b";a=b",
    b"#",
    b"?",
    b"%",
    b"\\",
    b"*",
    b"%ff",
    b"\xc3\xa9",
)
HEADERS: Sequence[Header] = (
    (b"content-type", b"text/plain"),
    (b"content-type", b"application/json; charset=utf-16"),
    (b"content-type", b"application/grpc"),
    (b"content-type", b"application/grpc-web+proto"),
    (b"content-encoding", b"gzip"),
    (b"content-encoding", b"br"),
    (b"accept", b"text/html"),
    (b"accept-encoding", b"gzip, br"),
    (b"authorization", b"Bearer x"),
    (b"authorization", b"Basic \xff"),
    (b"authorization", b""),
    (b"x-tenant-slug", b"\xff"),
    (b"x-tenant-slug", b"never-was"),
    (b"idempotency-key", b"the same"),
    (b"idempotency-key", b""),
    (b"x-request-id", b"a" * 300),
    (b"x-forwarded-for", b"10.0.0.1, not an address"),
    (b"x-forwarded-proto", b"javascript"),
    (b"x-segops-identity", b"x"),
    (b"x-segops-target", b"/api/auth/me"),
    (b"x-http-code", b"200"),
    (b"x-http-body", b"{}"),
    (b"x-http-method-override", b"DELETE"),
    (b"origin", b"null"),
    (b"grpc-timeout", b"1n"),
    (b"te", b"trailers"),
    (b"range", b"bytes=0-0"),
    (b"if-none-match", b"*"),
    (b"x-long", b"a" * 7_000),
)


@dataclass(frozen=True, kw_only=True)
class Mutator:
    """Mutates requests. `ids` are those of a stranger's objects: numbers that another might try."""

    random: Random
    ids: Sequence[int]

    def mutate(self, binding: Binding, sample: Fields) -> Sent:
        """A request that was valid, with one to three things done to it."""
        fields = sample
        if self.random.random() < 0.6:
            for _ in range(self.random.randint(1, 3)):
                fields = self._structure(fields)
        request = sent(binding, fields)
        changes: list[Callable[[Sent], Sent]] = [self._body, self._path, self._headers, self._method]
        weights = (4, 2, 3, 1)
        for change in self.random.choices(changes, weights, k=self.random.randint(fields is sample, 2)):
            request = change(request)
        return request

    def garble(self, raw: bytes) -> bytes:
        """Bytes with some of them changed, lost, repeated or added."""
        for _ in range(self.random.randint(1, 4)):
            place = self.random.randrange(len(raw) + 1)
            end = min(len(raw), place + self.random.randint(1, 20))
            raw = raw[:place] + self.random.choice(
                (
                    raw[end:],
                    raw[place:end] + raw[place:],
                    self.random.choice(TOKENS) + raw[place:],
                    self.random.randbytes(end - place) + raw[end:],
                    bytes(byte ^ 1 << self.random.randrange(8) for byte in raw[place:end]) + raw[end:],
                    b"",
                )
            )
        return raw

    def _structure(self, fields: Fields) -> Fields:
        """Something else in one place of a message."""
        places = list(leaves(fields))
        if not places:
            return {**fields, "x": self._value()}
        place = self.random.choice(places)
        changed: Fields = self.random.choice((self._replaced, self._removed, self._swapped, self._wrapped))(
            fields, place
        )
        return changed

    def _replaced(self, fields: Fields, place: Place) -> Any:
        return put(fields, place, self._value())

    def _removed(self, fields: Fields, place: Place) -> Any:
        return without(fields, place)

    def _swapped(self, fields: Fields, place: Place) -> Any:
        other = self.random.choice(list(leaves(fields)))
        return put(fields, place, at(fields, other))

    def _wrapped(self, fields: Fields, place: Place) -> Any:
        value = at(fields, place)
        return put(fields, place, self.random.choice(([value], {"a": value}, [value, value], str(value), {**fields})))

    def _value(self) -> Any:
        value = self.random.choice((*VALUES, *self.ids))
        return value[:MOST_TEXT] if isinstance(value, (str, list)) else value

    def _body(self, request: Sent) -> Sent:
        return replace(request, body=self.garble(request.body or b"{}"))

    def _path(self, request: Sent) -> Sent:
        target = bytearray(request.target)
        place = self.random.randrange(1, len(target) + 1)
        kind = self.random.random()
        if kind < 0.5:
            target[place:place] = self.random.choice(PATH_PARTS)
        elif kind < 0.75:
            del target[place : place + self.random.randint(1, 8)]
        else:
            target = bytearray(target.swapcase())
        return replace(request, target=bytes(byte for byte in target if byte not in b" \r\n\x00"))

    def _headers(self, request: Sent) -> Sent:
        headers = list(request.headers)
        if headers and self.random.random() < 0.3:
            name, value = headers.pop(self.random.randrange(len(headers)))
            garbled = bytes(byte for byte in self.garble(value) if byte not in b"\r\n\x00")
            headers.append((name, garbled))
        else:
            headers.append(self.random.choice(HEADERS))
        return replace(request, headers=headers)

    def _method(self, request: Sent) -> Sent:
        return replace(request, method=self.random.choice(METHODS))


def at(value: Any, place: Place) -> Any:
    """What is in a place of a message."""
    for step in place:
        value = value[step]
    return value


def without(fields: Fields, place: Place) -> Any:
    """A copy of a message without what is in a place."""
    holder = at(fields, place[:-1])
    if isinstance(holder, Mapping):
        return put(fields, place[:-1], {name: value for name, value in holder.items() if name != place[-1]})
    return put(fields, place[:-1], [value for index, value in enumerate(holder) if index != place[-1]])
