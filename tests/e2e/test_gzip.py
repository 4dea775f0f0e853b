"""Requests may be gzipped on every route; what they inflate to is limited, and costs no memory."""

import gzip
import json
import secrets
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.account import Account
from tests.e2e.test_error_shapes import error_of
from tests.running import Running

GZIP = {"content-type": "application/json", "content-encoding": "gzip"}
MEBIBYTE = 2**20
EVENT = json.dumps({"user_id": "u1", "event_type": "t"}).encode()


def bomb(block: bytes, mebibytes: int) -> bytes:
    """A gzip stream of a block of 16 MiB, again and again."""
    packer = zlib.compressobj(level=9, wbits=-15)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + packed * (mebibytes // 16)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/ingestion/track/", EVENT, 202),
        ("/api/ingestion/track/batch/", b'{"events": [' + EVENT + b"]}", 202),
        ("/api/segments/", b'{"name": "packed"}', 201),
        ("/v1/track", b'{"userId": "u1", "event": "t"}', 200),
    ],
)
def test_every_route_takes_gzip(owner: Account, path: str, body: bytes, status: int) -> None:
    for more in ({}, {"cache-control": "no-transform"}):
        answer = owner.server.post(path, content=gzip.compress(body), headers=GZIP | more)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "body",
    [
        EVENT,
        b"",
        gzip.compress(EVENT)[:-12],
        gzip.compress(EVENT)[:12] + secrets.token_bytes(30),
        b"\x1f\x8b\x08" + secrets.token_bytes(200),
        gzip.compress(gzip.compress(EVENT)),
        zlib.compress(EVENT),
    ],
    ids=["plain", "empty", "cut off", "garbled", "noise", "twice", "zlib"],
)
def test_what_is_no_gzip_is_400(owner: Account, body: bytes) -> None:
    error_of(owner.server.post("/api/ingestion/track/", content=body, headers=GZIP), 400)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "x"])
def test_another_encoding_is_415(owner: Account, encoding: str) -> None:
    headers = {**GZIP, "content-encoding": encoding}
    error_of(owner.server.post("/api/ingestion/track/", content=EVENT, headers=headers), 415)


def test_the_limit_is_that_of_what_it_inflates_to(owner: Account) -> None:
    text = secrets.token_hex(8 * MEBIBYTE + 100).encode()
    error_of(owner.server.post("/api/ingestion/track/", content=gzip.compress(text, 1), headers=GZIP), 413)
    texts = [secrets.token_hex(15_000) for _ in range(400)]
    events = [{"user_id": "u1", "event_type": "t", "payload": {"text": text}} for text in texts]
    fits = json.dumps({"events": events}).encode()
    answer = owner.server.post("/api/ingestion/track/batch/", content=gzip.compress(fits, 1), headers=GZIP)
    assert answer.json() == {"queued": 400, "skipped": 0, "duplicate": 0}


@pytest.mark.parametrize(
    ("block", "mebibytes", "status"),
    [
        # A thousandfold: mostly cut off where it cannot be told from a body that is too large.
        (bytes(16 * MEBIBYTE), 8 * 1024, {400, 413}),
        # Fiftyfold.
        (b"".join(secrets.token_bytes(15) + bytes(985) for _ in range(16_777)), 512, {413}),
    ],
    ids=["zeros", "noise"],
)
def test_a_bomb_is_refused_and_takes_no_memory(
    platform: Running, owner: Account, block: bytes, mebibytes: int, status: set[int]
) -> None:
    envoy = platform.find("envoy")
    assert envoy is not None
    before = envoy.memory_info().rss
    content = bomb(block, mebibytes)
    assert len(content) < 16 * MEBIBYTE

    def throw(_: int) -> int:
        answer = httpx.post(
            f"{owner.server.base_url}/v1/batch",
            content=content,
            auth=(owner.key, ""),
            headers=GZIP,
            timeout=30,
            verify=False,
        )
        error_of(answer, answer.status_code)
        return answer.status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(throw, range(16))) <= status
    assert envoy.memory_info().rss - before < 300 * MEBIBYTE
