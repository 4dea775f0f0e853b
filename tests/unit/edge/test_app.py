"""What the authz process logs names the request that it is about."""

import asyncio
import logging
from typing import Any, cast

import pytest

from edge.app import App
from services.kit.caller import current_request


class Scope:
    """A request of Envoy's."""

    path = "/api/segments"
    method = "GET"
    headers = {"x-segops-target": "/api/segments", "x-request-id": "order-77"}  # noqa: RUF012 - never changed


class Protocol:
    """Keeps the answer."""

    status = 0

    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        self.status = status


class Broken:
    """A door that does not decide."""

    async def decide(self, *_: object) -> None:
        raise ZeroDivisionError


async def test_a_decision_that_fails_is_refused_and_logged_under_the_requests_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    named: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        named.append(current_request().id)
        return True

    caplog.handler.addFilter(note)
    try:
        app = App(door=cast(Any, Broken()), readiness=cast(Any, None), files={}, leaving=asyncio.Event())
        protocol = Protocol()
        await app.__rsgi__(Scope(), protocol)
    finally:
        caplog.handler.removeFilter(note)
    assert protocol.status == 503
    assert named == ["order-77"]
    assert caplog.messages == ["a decision failed"]
    assert not current_request().id


@pytest.mark.parametrize(("is_told", "status"), [(False, 200), (True, 503)])
async def test_a_process_that_was_told_to_stop_says_that_it_should_get_no_more(is_told: bool, status: int) -> None:
    leaving, scope, protocol = asyncio.Event(), Scope(), Protocol()
    if is_told:
        leaving.set()
    scope.path = "/livez"
    app = App(door=cast(Any, Broken()), readiness=cast(Any, None), files={}, leaving=leaving)
    await app.__rsgi__(scope, protocol)
    assert protocol.status == status
