"""What may be asked about a user and a segment."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.gen.segops.profiles.v1 import explain_pb2 as pb
from services.kit.errors import Invalid
from services.profiles.explain import asked

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_without_a_time_it_is_now() -> None:
    assert asked(pb.ExplainMembershipRequest(user_id="u"), NOW).at is None


def test_a_time_up_to_now_may_be_asked_about() -> None:
    request = pb.ExplainMembershipRequest(user_id="u", at="2026-03-01T13:00:00+01:00")
    assert asked(request, NOW).at == NOW


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"user_id": ""}, {"user_id": ["This field is required."]}),
        ({"user_id": "x" * 257}, {"user_id": ["Use 256 characters or fewer."]}),
        ({"user_id": "a\nb"}, {"user_id": ["Control characters are not allowed."]}),
        ({"user_id": "u", "at": "2026-03-01T12:00:00.001Z"}, {"at": ["Must not lie in the future."]}),
        (
            {"user_id": "", "at": "monday"},
            {
                "user_id": ["This field is required."],
                "at": ["Must be an RFC 3339 time, such as 2026-04-25T14:32:00Z."],
            },
        ),
    ],
)
def test_every_wrong_field_is_named(fields: dict[str, Any], wrong: dict[str, list[str]]) -> None:
    with pytest.raises(Invalid) as refused:
        asked(pb.ExplainMembershipRequest(**fields), NOW)
    assert refused.value.fields == wrong
