"""How the edge learns which keys sign tokens."""

import asyncio
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.token_keys import ASK_SECONDS, TokenKeys
from services.kit.errors import Unauthenticated, Unavailable


def key(key_id: str) -> dict[str, Any]:
    public = Ed25519PrivateKey.generate().public_key()
    return {**jwt.algorithms.OKPAlgorithm.to_jwk(public, as_dict=True), "kid": key_id}


class Identity:
    """The identity service's keys, and how often it was asked for them."""

    def __init__(self, *key_ids: str) -> None:
        self.keys = [key(key_id) for key_id in key_ids]
        self.asked = 0
        self.now = 0.0
        self.is_away = False
        self.answering = asyncio.Event()
        self.answering.set()
        self.known = TokenKeys(self._ask, clock=lambda: self.now)

    async def _ask(self) -> list[dict[str, Any]]:
        self.asked += 1
        keys = self.keys
        await self.answering.wait()
        if self.is_away:
            raise Unavailable
        return keys

    async def finds(self, key_id: str) -> bool:
        try:
            return (await self.known.find(key_id)).key_id == key_id
        except Unauthenticated:
            return False


async def test_a_key_is_asked_for_once() -> None:
    identity = Identity("a", "b")
    assert all([await identity.finds(key_id) for key_id in ("a", "b", "a")])
    assert identity.asked == 1


async def test_all_who_wait_for_keys_wait_for_one_answer() -> None:
    identity = Identity("a")
    identity.answering.clear()
    waiting = [asyncio.create_task(identity.finds(key_id)) for key_id in ("a", "made-up", "a")]
    while not identity.asked:
        await asyncio.sleep(0)
    waiting[0].cancel()
    identity.answering.set()
    assert [await found for found in waiting[1:]] == [False, True]
    assert identity.asked == 1


async def test_made_up_key_ids_ask_no_more_than_once_a_second() -> None:
    identity = Identity("a")
    assert await identity.finds("a")
    for number in range(100):
        assert not await identity.finds(f"made-up-{number}")
    assert identity.asked == 1
    identity.now += ASK_SECONDS
    for number in range(100):
        assert not await identity.finds(f"made-up-{number}")
    assert identity.asked == 2


async def test_a_new_key_is_found_at_once_whatever_was_made_up_before() -> None:
    identity = Identity("a")
    assert not await identity.finds("b")
    identity.keys = [*identity.keys, key("b")]
    assert not await identity.finds("b")
    identity.known.forget()
    assert await identity.finds("b")


async def test_a_new_key_that_nobody_told_of_is_found_within_a_second() -> None:
    identity = Identity("a")
    assert not await identity.finds("b")
    identity.keys = [key("b")]
    identity.now += ASK_SECONDS
    assert await identity.finds("b")


async def test_a_dropped_key_is_not_found_even_if_the_answer_was_under_way() -> None:
    identity = Identity("a")
    identity.answering.clear()
    finding = asyncio.create_task(identity.finds("a"))
    while not identity.asked:
        await asyncio.sleep(0)
    identity.keys = [key("b")]
    identity.known.forget()
    identity.answering.set()
    assert not await finding
    assert await identity.finds("b")
    assert identity.asked == 2


async def test_without_identity_a_key_is_not_called_wrong() -> None:
    identity = Identity("a")
    identity.is_away = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await identity.known.find("a")
    identity.is_away = False
    assert await identity.finds("a")
