"""The Klaviyo destination before a stand-in of its API."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.connectors.destinations import calling, klaviyo_api
from services.connectors.destinations.interface import Entry, Means, Refused, TryLater
from services.connectors.destinations.klaviyo import Klaviyo as Destination
from tests.integration.destinations.conftest import chunk, opened, send_until_taken
from tests.standins.klaviyo import Klaviyo
from tests.standins.mischief import Fault, Mischief
from tests.standins.server import serving

LIST = "Y6nRLr"
EMAILS = [f"user-{number}@example.com" for number in range(250)]


@pytest.fixture
def klaviyo() -> Iterator[Klaviyo]:
    with serving(Klaviyo(LIST, "OTHER1")) as klaviyo:
        yield klaviyo


def destination(klaviyo: Klaviyo, means: Means, **more: object) -> Destination:
    config = {"list_id": LIST, "api_key": klaviyo.key, **more}
    found = opened("klaviyo", config, replace(means, klaviyo_url=klaviyo.url))
    assert isinstance(found, Destination)
    return found


async def entries(found: Destination) -> list[Entry]:
    return [entry async for entry in found.entries()]


async def test_users_are_on_the_list_when_sending_returns(klaviyo: Klaviyo, means: Means) -> None:
    klaviyo.job_seconds = 0.4
    found = destination(klaviyo, means)
    assert found.chunk_users == 10_000
    assert await found.send(chunk(EMAILS)) == []
    assert klaviyo.members(LIST) == set(EMAILS)


async def test_leavers_are_taken_off_the_list(klaviyo: Klaviyo, means: Means) -> None:
    found = destination(klaviyo, means)
    await found.send(chunk(EMAILS))
    klaviyo.add("OTHER1", email="elsewhere@example.com")
    await found.send(chunk(["new@example.com"], [*EMAILS[:240], "never@example.com", "elsewhere@example.com"]))
    assert klaviyo.members(LIST) == {*EMAILS[240:], "new@example.com"}
    assert klaviyo.members("OTHER1") == {"elsewhere@example.com"}


async def test_ids_that_look_like_emails_are_sent_as_such_and_others_as_external_ids(
    klaviyo: Klaviyo, means: Means
) -> None:
    odd = ['quote"and\\slash', "comma,bracket)]", "user 17", "ünï@code", "a@b"]
    found = destination(klaviyo, means)
    assert await found.send(chunk(["Ann@Example.com", *odd])) == []
    assert klaviyo.members(LIST) == {"ann@example.com", *odd}
    await found.send(chunk((), ["Ann@Example.com", *odd[:-1]]))
    assert klaviyo.members(LIST) == {"a@b"}


@pytest.mark.parametrize(
    ("identifier", "skipped"), [("email", ["u1", "x" * 256]), ("external_id", ["x" * 256]), ("auto", ["x" * 256])]
)
async def test_ids_that_cannot_be_sent_as_asked_are_skipped(
    klaviyo: Klaviyo, means: Means, identifier: str, skipped: list[str]
) -> None:
    users = ["ann@example.com", "u1", "x" * 256]
    found = await destination(klaviyo, means, identifier=identifier).send(chunk(users))
    assert [one.user_id for one in found] == skipped
    assert klaviyo.members(LIST) == set(users) - set(skipped)


async def test_users_whom_an_import_rejects_are_skipped_and_the_others_taken(klaviyo: Klaviyo, means: Means) -> None:
    rejected = [f"u{number}@invalid.example" for number in range(130)]
    skipped = await destination(klaviyo, means).send(chunk([*EMAILS, *rejected]))
    assert [one.user_id for one in skipped] == rejected
    assert skipped[0].reason == "Klaviyo: The email address is not valid."
    assert klaviyo.members(LIST) == set(EMAILS)


async def test_users_for_whom_a_whole_import_is_rejected_are_left_out(klaviyo: Klaviyo, means: Means) -> None:
    malformed = ["a@malformed.example", "b@malformed.example"]
    skipped = await destination(klaviyo, means).send(chunk([*EMAILS[:5], *malformed, *EMAILS[5:], "c@invalid.example"]))
    assert [one.user_id for one in skipped] == [*malformed, "c@invalid.example"]
    assert klaviyo.members(LIST) == set(EMAILS)


async def test_an_import_that_would_be_too_large_is_divided(klaviyo: Klaviyo, means: Means) -> None:
    users = [f"{number}-{'ü' * 250}" for number in range(10_000)]
    assert await destination(klaviyo, means).send(chunk(users)) == []
    assert klaviyo.members(LIST) == set(users)
    assert len(klaviyo.jobs) == 2
    await destination(klaviyo, means).send(chunk((), users[:100]))
    assert klaviyo.members(LIST) == set(users[100:])


async def test_a_cancelled_import_is_tried_later(klaviyo: Klaviyo, means: Means) -> None:
    klaviyo.cancel = 1
    found = destination(klaviyo, means)
    with pytest.raises(TryLater, match="cancelled"):
        await found.send(chunk(EMAILS))
    await found.send(chunk(EMAILS))
    assert klaviyo.members(LIST) == set(EMAILS)


async def test_an_import_that_takes_too_long_is_tried_later(
    klaviyo: Klaviyo, means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    klaviyo.job_seconds = 60
    monkeypatch.setattr(klaviyo_api, "JOB_SECONDS", 0.1)
    with pytest.raises(TryLater, match="in time"):
        await destination(klaviyo, means).send(chunk(EMAILS))


async def test_being_throttled_while_asking_for_a_job_is_waited_out(klaviyo: Klaviyo, means: Means) -> None:
    klaviyo.mischief = Mischief(retry_after=1)
    klaviyo.mischief.then(None, Fault.THROTTLE, Fault.FAIL_BEFORE)
    await destination(klaviyo, means).send(chunk(EMAILS))
    assert klaviyo.members(LIST) == set(EMAILS)
    assert len(klaviyo.jobs) == 1


async def test_being_throttled_is_a_reason_to_wait_as_long_as_asked(klaviyo: Klaviyo, means: Means) -> None:
    klaviyo.mischief = Mischief(retry_after=17)
    klaviyo.mischief.then(Fault.THROTTLE)
    with pytest.raises(TryLater, match="429: Request was throttled") as raised:
        await destination(klaviyo, means).send(chunk(EMAILS))
    assert raised.value.seconds == 17


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [({"api_key": "pk_wrong"}, "401: Incorrect authentication"), ({"list_id": "NONE01"}, "404: A list with this id")],
)
async def test_what_cannot_work_is_refused(
    klaviyo: Klaviyo, means: Means, wrong: dict[str, object], answer: str
) -> None:
    with pytest.raises(Refused, match=f"Klaviyo answered {answer}"):
        await destination(klaviyo, means, **wrong).send(chunk(EMAILS))


async def test_the_list_is_read_whole_whoever_put_profiles_there(klaviyo: Klaviyo, means: Means) -> None:
    found = destination(klaviyo, means)
    await found.send(chunk([*EMAILS, "u1"]))
    both = klaviyo.add(LIST, email="both@example.com", external_id="u2")
    phone = klaviyo.add(LIST)
    read = await entries(found)
    assert {name for entry in read for name in entry.names} == {*EMAILS, "u1", "both@example.com", "u2"}
    assert len(read) == len(EMAILS) + 3
    await found.remove([both, phone])
    assert klaviyo.members(LIST) == {*EMAILS, "u1"}


@pytest.mark.parametrize(
    ("identifier", "names"),
    [("auto", ["ann@example.com", "u1"]), ("email", ["ann@example.com"]), ("external_id", ["u1"])],
)
async def test_a_profile_is_known_by_what_users_are_sent_as(
    klaviyo: Klaviyo, means: Means, identifier: str, names: list[str]
) -> None:
    klaviyo.add(LIST, email="ann@example.com", external_id="u1")
    found = destination(klaviyo, means, identifier=identifier)
    assert [entry.names for entry in await entries(found)] == [names]
    assert found.name("ANN@example.com") == ("ANN@example.com" if identifier == "external_id" else "ann@example.com")


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_the_list_is_right_in_the_end(
    klaviyo: Klaviyo, means: Means, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "MOST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(klaviyo_api, "FIRST_POLL_SECONDS", 0.01)
    klaviyo.mischief = Mischief(seed=seed, share=0.5, slow_seconds=0)
    found = destination(klaviyo, means)
    failures = await send_until_taken(found, chunk(EMAILS))
    for start in range(0, 250, 50):
        failures += await send_until_taken(found, chunk([f"new-{start}"], EMAILS[start : start + 20]))
    assert failures
    members = {email for at, email in enumerate(EMAILS) if at % 50 >= 20}
    assert klaviyo.members(LIST) == members | {f"new-{start}" for start in range(0, 250, 50)}
