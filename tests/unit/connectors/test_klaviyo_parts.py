"""How users are divided into calls of Klaviyo's API."""

import msgspec
import pytest

from services.connectors.destinations.klaviyo import is_email
from services.connectors.destinations.klaviyo_api import (
    MOST_FILTER_BYTES,
    MOST_IMPORT_BYTES,
    MOST_PROFILES,
    Profile,
    batches,
    filters,
)


@pytest.mark.parametrize("user", ["ann@example.com", "a.b+c@d.co", "ünï@exämple.com", "a@b.c"])
def test_these_look_like_emails(user: str) -> None:
    assert is_email(user)


@pytest.mark.parametrize(
    "user", ["ann", "ann@", "@example.com", "a@b", "a b@c.de", "a@b@c.de", "a@b.", "x" * 250 + "@b.co", "", "a@b.c\n"]
)
def test_these_do_not(user: str) -> None:
    assert not is_email(user)


@pytest.mark.parametrize("length", [10, 255])
def test_imports_hold_all_users_within_the_limits(length: int) -> None:
    profiles = {f"{number:05d}": Profile(external_id=f"{number:05d}".ljust(length, "😀")) for number in range(12_000)}
    parts = list(batches(profiles))
    assert [user for part in parts for user in part] == list(profiles)
    assert all(len(part) <= MOST_PROFILES for part in parts)
    for part in parts:
        data = [{"type": "profile", "attributes": profiles[user]} for user in part]
        assert len(msgspec.json.encode(data)) <= MOST_IMPORT_BYTES + 2


def test_filters_hold_all_values_within_the_limits() -> None:
    values = [f"{number}{'&' * (number % 250)}" for number in range(1_000)]
    parts = list(filters(values))
    assert sum(map(len, parts)) == 1_000
    assert all(len(part) <= 100 for part in parts)
    assert all(len(",".join(part).replace("&", "%26")) <= MOST_FILTER_BYTES for part in parts)
