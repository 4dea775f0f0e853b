"""Answers are gzipped for who takes it: large JSON without secrets, and nothing that must keep its length or tag."""

import gzip
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.account import Account, new_key, register
from tests.e2e.test_exports import computed, exported, fill
from tests.running import Running

GZIP, PLAIN = {"accept-encoding": "gzip"}, {"accept-encoding": "identity"}
# With each of them the list is larger than a packet.
SEGMENTS = 10


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """A tenant with some segments."""
    with register(url) as account:
        for number in range(SEGMENTS):
            account.server.post("/api/segments/", json={"name": f"Segment {number}", "description": "All of them."})
        yield account


def varies(answer: httpx.Response) -> set[str]:
    """The headers of the request that an answer depends on."""
    return {name.strip().lower() for name in answer.headers.get("vary", "").split(",")} - {""}


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8", "*"])
def test_a_large_answer_is_gzipped_for_who_takes_it(owner: Account, accepted: str) -> None:
    plain = owner.server.get("/api/segments/", headers=PLAIN)
    with owner.server.stream("GET", "/api/segments/", headers={"accept-encoding": accepted}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "application/json"
    assert varies(answer) == {"accept-encoding"}
    assert gzip.decompress(packed) == plain.content
    assert len(packed) < len(plain.content) / 4


@pytest.mark.parametrize("accepted", ["", "identity", "br", "deflate", "gzip;q=0", "gzip;q=0, *;q=0"])
def test_others_get_it_as_it_is_and_a_cache_is_told(owner: Account, accepted: str) -> None:
    answer = owner.server.get("/api/segments/", headers={"accept-encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-length"] == str(len(answer.content))
    assert varies(answer) == {"accept-encoding"}


def test_a_small_answer_is_left_as_it_is(owner: Account) -> None:
    for path in ("/api/segments/membership/?user_id=a", "/api/segments/1/nope/", "/api/auth/me/"):
        answer = owner.person.get(path, headers=GZIP)
        assert "content-encoding" not in answer.headers
        assert varies(answer) == set()


def test_an_error_is_gzipped_like_any_other_answer(owner: Account) -> None:
    conditions = [{"type": f"none of them {number}"} for number in range(50)]
    body = {"definition": {"logic": "AND", "conditions": conditions}}
    plain, packed = (owner.server.post("/api/segments/preview/", json=body, headers=one) for one in (PLAIN, GZIP))
    assert plain.status_code == packed.status_code == 400
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()


def test_answers_with_keys_and_tokens_are_never_compressed(owner: Account) -> None:
    for _ in range(SEGMENTS):
        new_key(owner.person)
    for answer in (
        owner.person.get("/api/auth/api-keys/", headers=GZIP),
        owner.person.post("/api/auth/api-keys/", json={"name": "key " * 50, "key_type": "public"}, headers=GZIP),
    ):
        assert answer.status_code in (200, 201)
        assert "content-encoding" not in answer.headers
    assert len(owner.person.get("/api/auth/api-keys/").content) > 1400


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_download_keeps_its_length(platform: Running, owner: Account, file_format: str) -> None:
    segment_id = computed(owner)
    fill(platform, owner, segment_id, "number::text", 1_000)
    answer = owner.server.get(str(exported(owner, segment_id, file_format)["download_url"]), headers=GZIP)
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content) > 1400


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/swagger-ui.css"])
def test_files_keep_their_tags(http: httpx.Client, path: str) -> None:
    for accepted in ("gzip", "identity", "br", "*"):
        headers = {"accept-encoding": accepted}
        first = http.get(path, headers=headers)
        assert varies(first) == {"accept-encoding"}
        # Gzipped once, at the start: not again, and not for who said no.
        assert first.headers.get("content-encoding") == ("gzip" if accepted == "gzip" else None)
        again = http.get(path, headers=headers | {"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_answer_to_head_has_no_body(http: httpx.Client) -> None:
    answer = http.head("/healthz", headers=GZIP)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_gzipped_request_may_have_a_gzipped_answer(owner: Account) -> None:
    body = gzip.compress(json.dumps({"user_ids": [f"user-{number}" for number in range(500)]}).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip", **GZIP}
    answer = owner.server.post("/api/segments/membership/", content=body, headers=headers)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()["results"]) == 500
