"""Values that nobody should send, and what requests are made of them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote_from_bytes

from tests.e2e.tenancy.calls import Binding, Fields
from tests.e2e.tenancy.ids import Place, put
from tests.e2e.tenancy.wire import Sent

KIB = 1024
NUMBER = "<number>"
BYTES = "<bytes>"

TEXTS: list[Any] = [
    "",
    " ",
    "a" * 256,
    "a" * 257,
    "a" * KIB,
    "a" * 70 * KIB,
    "a" * KIB * KIB,
    "\x00",
    "a\x00b",
    "\r\nx: y",
    "\x7f\x1b[31m\u0085",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    "\u202e\u0301\U0001f469\u200d",
    "ﷺ" * 256,
    "'; DROP TABLE segments; --",
    "%s%n{0}${7*7}{{7*7}}",
    "../../../../etc/passwd",
    "%00%2e%2e%2f%ff",
    BYTES,
]
NUMBERS: list[Any] = [0, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**63, 2**64, 1.5, -0.0, 1e308, NUMBER]
DEEP_LISTS: Any = json.loads("[" * 90 + "]" * 90)
SHAPES: list[Any] = [
    DEEP_LISTS,
    None,
    True,
    [],
    {},
    [[]],
    [{}],
    {"": None},
    ["a"] * 10_000,
    {f"k{n}": n for n in range(10_000)},
]
VALUES = [*TEXTS, *NUMBERS, *SHAPES]
# What JSON has no name for, in place of what stands for it above.
RAW = {json.dumps(NUMBER): b"1e400", json.dumps(BYTES): b'"\xff\xfe\xc0\x80"'}
QUERIES = [b"limit=" + b"9" * KIB, b"&" * KIB, b"a=" + b"b" * 50 * KIB, b"%", b"=%ff%00&limit=%C0%80", b"id=7&id=8"]
MANY = 10_000
DEEP = 2_000


def leaves(value: object, place: Place = ()) -> Iterator[Place]:
    """Every place in a message, those of lists and objects too."""
    if place:
        yield place
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from leaves(inner, (*place, name))


def misuses(binding: Binding, sample: Fields, *, every: int) -> Iterator[Sent]:
    """The request with hostile values in each place, and with bodies that are hostile as a whole.

    A place gets one value of `every`, and the next place the values after those.
    """
    for number, place in enumerate(leaves(sample)):
        for value in VALUES[number % every :: every]:
            yield sent(binding, put(sample, place, value))
        if place[-1] == "definition":
            yield from (sent(binding, put(sample, place, definition)) for definition in _definitions())
    plain = sent(binding, sample)
    for body in _bodies(plain.body or b"{}"):
        yield replace(plain, body=body)
    for query in QUERIES:
        yield replace(plain, target=plain.target.partition(b"?")[0] + b"?" + query)


def sent(binding: Binding, fields: Fields) -> Sent:
    """A request, whatever it holds."""
    names = re.findall(r"\{(.*?)\}", binding.template)
    path = binding.template.format(**{name: _quoted(fields.get(name, "")) for name in names})
    rest = {name: value for name, value in fields.items() if name not in names}
    body = rest if binding.body == "*" else rest.pop(binding.body, None) if binding.body else None
    query = "" if binding.body == "*" else "&".join(f"{name}={_quoted(value)}" for name, value in rest.items())
    target = f"{path}/" + (f"?{query}" if query else "")
    if body is None:
        return Sent(method=binding.method.encode(), target=target.encode())
    return Sent(
        method=binding.method.encode(),
        target=target.encode(),
        headers=[(b"content-type", b"application/json")],
        body=encoded(body),
    )


def encoded(body: object) -> bytes:
    """JSON with what JSON has no name for."""
    text = json.dumps(body).encode()
    for mark, raw in RAW.items():
        text = text.replace(mark.encode(), raw)
    return text


def _quoted(value: object) -> str:
    """A value in a path or query."""
    if value == BYTES:
        return "%FF%FE%C0%80"
    text = value if isinstance(value, str) else "1e400" if value == NUMBER else json.dumps(value)
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


def _definitions() -> Iterator[object]:
    condition = {"type": "event_count", "event_type": "bought", "operator": "gte", "value": 1}
    yield {"logic": "AND", "conditions": [condition] * MANY}
    nested: dict[str, Any] = condition
    for _ in range(100):
        nested = {"logic": "AND", "conditions": [nested]}
    yield nested
    yield {"logic": "AND", "conditions": [condition | {"operator": "in", "value": list(range(MANY))}]}
    yield {"logic": "AND", "conditions": [condition | {"type": "event_sequence", "events": ["bought"] * MANY}]}


def _bodies(body: bytes) -> Iterator[bytes]:
    yield b""
    yield b"null"
    yield b"\xef\xbb\xbf" + body
    yield body.decode().encode("utf-16")
    yield body[:-1]
    yield body + body
    yield body[:-1] + b"," + body[1:]
    yield body[:-1] + b', "x": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}"
    yield body[:-1] + b', "x": ' + b"[" * DEEP + b"]" * DEEP + b"}"
    yield body[:-1] + b"," + b",".join(b'"k%d": %d' % (n, n) for n in range(MANY)) + b"}"
    yield body[:-1] + b', "x": ' + b"9" * 100 * KIB + b"}"
    yield b" " * KIB * KIB + body
    yield b"[" + b",".join([body] * 100) + b"]"
