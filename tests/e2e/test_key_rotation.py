"""Keys that sign tokens rotate without anyone noticing, and at once when one has leaked."""

import json
import time
from collections.abc import Callable
from functools import partial

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.e2e.account import PASSWORD, Account, client
from tests.e2e.constantly import constantly
from tests.e2e.operating import rotate
from tests.e2e.segopsctl import segopsctl
from tests.running import Running, wait_for


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def sign_in(http: httpx.Client, account: Account) -> dict[str, str]:
    answer = http.post("/api/auth/token/", json={"email": account.email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def refresh(http: httpx.Client, token: str) -> httpx.Response:
    return http.post("/api/auth/token/refresh/", json={"refresh": token})


def session(http: httpx.Client, owner: Account) -> dict[str, str]:
    """The headers of a session."""
    key = owner.person.post("/api/auth/api-keys/", json={"name": "web", "key_type": "public"}).json()["key"]
    opened = http.post("/api/auth/session/", json={"user_id": "a"}, headers={"authorization": f"ApiKey {key}"})
    return {"authorization": f"Bearer {opened.json()['token']}"}


def track(http: httpx.Client, headers: dict[str, str]) -> int:
    event = {"user_id": "a", "event_type": "b"}
    return http.post("/api/ingestion/track/", json=event, headers=headers).status_code


def shown(http: httpx.Client) -> list[str]:
    return [key["kid"] for key in http.get("/.well-known/jwks.json").json()["keys"]]


def test_tokens_made_before_a_rotation_work_after_it(platform: Running, http: httpx.Client, owner: Account) -> None:
    old, opened = kid(owner.access), session(http, owner)
    new = json.loads(segopsctl(platform, "keys", "rotate", "--json").stdout)["key_id"]
    assert {old, new} <= set(shown(http))
    wait_for(lambda: kid(sign_in(http, owner)["access"]) == new)
    assert {old, new} <= set(shown(http))
    assert owner.person.get("/api/auth/me/").status_code == 200
    assert track(http, opened) == 202
    refreshed = refresh(http, owner.refresh).json()
    assert kid(refreshed["access"]) == kid(refreshed["refresh"]) == new
    assert http.get("/api/auth/me/", headers={"authorization": f"Bearer {refreshed['access']}"}).status_code == 200


def test_a_stranger_verifies_tokens_before_and_after_a_rotation(
    platform: Running, url: str, http: httpx.Client, owner: Account
) -> None:
    # It asks no more often than this; by default every 30 seconds, half of the time that a key is shown by default.
    keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json", cooldown_duration=1)

    def verify(token: str) -> object:
        claims = jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["EdDSA"], audience="segops-api")
        return claims["tenant"]

    assert verify(owner.access) == owner.tenant_id
    new = rotate(platform)
    # Whoever keeps the keys as long as it is told to has the new one before it signs.
    seconds = int(http.get("/.well-known/jwks.json").headers["cache-control"].removeprefix("public, max-age="))
    assert 0 < seconds < 2
    tokens = wait_for(lambda: next((made for made in [sign_in(http, owner)] if kid(made["access"]) == new), None))
    assert verify(tokens["access"]) == verify(owner.access) == owner.tenant_id


def test_nobody_is_refused_while_keys_rotate_and_somebody_makes_up_key_ids(
    platform: Running, url: str, owner: Account
) -> None:
    made_up = Ed25519PrivateKey.generate()

    def use(http: httpx.Client, tokens: dict[str, str]) -> int:
        renewed = refresh(http, tokens["refresh"])
        if renewed.status_code == 200:
            tokens.update(renewed.json())
        return http.get("/api/auth/me/", headers={"authorization": f"Bearer {tokens['access']}"}).status_code

    def attack(http: httpx.Client) -> int:
        token = jwt.encode({"sub": "1"}, made_up, "EdDSA", {"kid": f"{time.monotonic_ns()}"})
        return http.get("/api/auth/me/", headers={"authorization": f"Bearer {token}"}).status_code

    with client(url) as http, client(url) as other, client(url) as attacker:
        asked: list[Callable[[], int]] = [
            partial(use, http, {"access": owner.access, "refresh": owner.refresh}),
            partial(use, other, sign_in(other, owner)),
            lambda: owner.person.get("/api/auth/me/").status_code,
            lambda: owner.server.get("/api/segments/").status_code,
            lambda: 200 if attack(attacker) == 401 else 500,
        ]
        with constantly(*asked) as uses:
            for _ in range(2):
                new = rotate(platform)
                wait_for(lambda new=new: kid(sign_in(http, owner)["access"]) == new)  # type: ignore[misc]
    assert {status for use in uses for status in use.statuses} == {200}


def test_a_leaked_key_is_dropped_with_all_its_tokens(platform: Running, http: httpx.Client, owner: Account) -> None:
    opened, leaked = session(http, owner), kid(owner.access)
    used = (lambda: owner.person.get("/api/auth/me/").status_code, lambda: track(http, opened))
    with constantly(*used) as uses:
        new = rotate(platform, now=True)
        answered = time.monotonic()
        for use in uses:
            use.ends(answered)
    assert refresh(http, owner.refresh).status_code == 401
    assert shown(http) == [new] != [leaked]
    # Keys of the API are none of these, and whoever signs in again goes on at once.
    assert owner.server.get("/api/segments/").status_code == 200
    tokens = sign_in(http, owner)
    assert kid(tokens["access"]) == new
    assert http.get("/api/auth/me/", headers={"authorization": f"Bearer {tokens['access']}"}).status_code == 200


def test_a_token_of_a_leaked_key_that_the_edge_never_saw_is_refused(
    platform: Running, http: httpx.Client, owner: Account
) -> None:
    access = sign_in(http, owner)["access"]
    rotate(platform, now=True)
    assert http.get("/api/auth/me/", headers={"authorization": f"Bearer {access}"}).status_code == 401
