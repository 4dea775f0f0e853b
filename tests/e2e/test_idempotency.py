"""`Idempotency-Key` as a client of the edge sees it (contract, section 1)."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.account import PASSWORD, Account, new_slug
from tests.e2e.test_exports import computed
from tests.e2e.test_outages import find
from tests.running import Running, wait_for

BATCH = 20
EVENT = {"user_id": "ann", "event_type": "bought"}
SCHEMA = {"event_type": "bought", "properties": [{"name": "total", "type": "number", "required": True}]}
HOOK = {"url": "http://127.0.0.1:9/hook"}


def named(key: str = "") -> dict[str, str]:
    return {"idempotency-key": key or secrets.token_hex(8)}


def tracked(owner: Account, user_id: str) -> int:
    answer = owner.server.get(f"/api/explorer/users/{user_id}/")
    return int(answer.json()["event_count"]) if answer.status_code == 200 else 0


@pytest.mark.parametrize(
    ("path", "body", "listed"),
    [
        ("/api/segments/", {"name": "Buyers"}, "/api/segments/"),
        ("/api/webhooks/", HOOK, "/api/webhooks/"),
        ("/api/auth/api-keys/", {"name": "A key"}, "/api/auth/api-keys/"),
        ("/api/schemas/", SCHEMA, "/api/schemas/"),
    ],
)
def test_what_is_created_again_is_the_same_object(owner: Account, path: str, body: object, listed: str) -> None:
    def count() -> int:
        found = owner.person.get(listed).json()
        return len(found if isinstance(found, list) else found["results"])

    before, headers = count(), named()
    first = owner.person.post(path, json=body, headers=headers)
    again = owner.person.post(path, json=body, headers=headers)
    assert first.status_code == again.status_code == 201, first.text
    # A key is shown once more to whoever has lost the answer that showed it.
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert count() == before + 1


def test_who_registers_again_gets_the_account_that_was_made(http: httpx.Client) -> None:
    slug, headers = new_slug(), named()
    body = {"email": f"{slug}@example.com", "password": PASSWORD, "tenant_name": slug, "tenant_slug": slug}
    first, again = (http.post("/api/auth/register/", json=body, headers=headers) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    other = http.post("/api/auth/register/", json=body | {"password": "another horse battery"}, headers=headers)
    assert other.status_code == 422


def test_a_refresh_token_whose_answer_was_lost_still_gives_the_new_one(http: httpx.Client, owner: Account) -> None:
    headers = named()
    first, again = (
        http.post("/api/auth/token/refresh/", json={"refresh": owner.refresh}, headers=headers) for _ in range(2)
    )
    assert again.json() == first.json()
    assert http.post("/api/auth/token/refresh/", json={"refresh": first.json()["refresh"]}).status_code == 200


def test_an_export_is_made_once(owner: Account) -> None:
    path, headers = f"/api/segments/{computed(owner)}/export/", named()
    asked = [owner.server.post(path, json={"format": "csv"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [202, 202]
    assert asked[0].json() == asked[1].json()
    other = owner.server.post(path, json={"format": "parquet"}, headers=headers)
    assert (other.status_code, list(other.json())) == (422, ["detail"])


def test_events_are_stored_once(owner: Account) -> None:
    for path, body in (
        ("/api/ingestion/track/", EVENT),
        ("/api/ingestion/track/batch/", {"events": [EVENT] * BATCH}),
    ):
        headers = named()
        answers = [owner.server.post(path, json=body, headers=headers) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
    owner.server.post("/api/ingestion/track/", json=EVENT | {"user_id": "last"})
    wait_for(lambda: tracked(owner, "last"))
    assert tracked(owner, "ann") == 1 + BATCH


def test_an_error_is_repeated_as_it_was(owner: Account) -> None:
    headers = named()
    first, again = (owner.server.post("/api/segments/", json={"name": ""}, headers=headers) for _ in range(2))
    assert first.status_code == again.status_code == 400
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"


def test_keys_belong_to_one_caller_and_path(owner: Account, stranger: Account) -> None:
    headers = named("1")
    made = [
        caller.post("/api/webhooks/", json=HOOK, headers=headers).json()["id"]
        for caller in (owner.person, owner.server, stranger.person)
    ]
    assert len(set(made)) == 3
    assert owner.person.post("/api/segments/", json={"name": "One"}, headers=headers).status_code == 201


def test_of_twenty_copies_at_once_one_is_made(owner: Account) -> None:
    headers = named()

    def create(_: int) -> httpx.Response:
        return owner.server.post("/api/segments/", json={"name": "One"}, headers=headers)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(create, range(20)))
    made = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert len(set(made)) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert (answer.status_code, list(answer.json()), answer.headers["retry-after"]) == (409, ["detail"], "1")
    assert owner.server.get("/api/segments/").json()["count"] == 1


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"tab\tinside", b"del\x7f"])
def test_a_key_that_is_none_is_400(owner: Account, key: bytes) -> None:
    answer = owner.server.post("/api/segments/", json={"name": "One"}, headers={b"idempotency-key": key})
    assert answer.status_code == 400
    assert owner.server.get("/api/segments/").json()["count"] == 0


@pytest.mark.parametrize("key", ["ключ".encode(), b"\xff\xfe"])
def test_a_key_may_be_of_any_other_bytes(owner: Account, key: bytes) -> None:
    for name, status in (("One", 201), ("One", 201), ("Two", 422)):
        answer = owner.server.post("/api/segments/", json={"name": name}, headers={b"idempotency-key": key})
        assert answer.status_code == status
    assert owner.server.get("/api/segments/").json()["count"] == 1


def test_two_keys_are_400(owner: Account) -> None:
    headers = [("idempotency-key", "one"), ("idempotency-key", "two")]
    assert owner.server.post("/api/segments/", json={"name": "One"}, headers=headers).status_code == 400


def test_reads_take_no_notice_of_a_key(owner: Account) -> None:
    headers = named()
    assert owner.server.get("/api/segments/", headers=headers).json()["count"] == 0
    owner.server.post("/api/segments/", json={"name": "One"})
    assert owner.server.get("/api/segments/", headers=headers).json()["count"] == 1


def test_batches_that_are_sent_until_they_are_taken_are_stored_once_whoever_dies(
    platform: Running, owner: Account
) -> None:
    def send(number: int) -> None:
        body, headers = {"events": [EVENT] * BATCH}, named(f"batch-{number}")
        wait_for(lambda: taken(lambda: owner.server.post("/api/ingestion/track/batch/", json=body, headers=headers)))

    with ThreadPoolExecutor(8) as pool:
        sending = [pool.submit(send, number) for number in range(200)]
        wait_for(lambda: sum(future.done() for future in sending) > 20)
        find(platform, "services.ingestion").kill()
        for future in sending:
            future.result()
    owner.server.post("/api/ingestion/track/", json=EVENT | {"user_id": "last"})
    wait_for(lambda: tracked(owner, "last"))
    assert tracked(owner, "ann") == 200 * BATCH


def taken(send: Callable[[], httpx.Response]) -> bool:
    answer = send()
    assert answer.status_code in (202, 409, 503, 504), answer.text
    return answer.status_code == 202
