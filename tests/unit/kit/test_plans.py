"""What plans allow."""

import pytest

from services.kit.plans import api_calls_per_minute


@pytest.mark.parametrize(
    ("plan", "own", "limit"),
    [
        ("free", None, 60),
        ("starter", None, 300),
        ("business", None, 1_000),
        ("enterprise", None, None),
        ("enterprise", 5_000, 5_000),
        # It is kept for when the tenant is back on enterprise.
        ("free", 5_000, 60),
    ],
)
def test_a_number_of_the_tenants_own_counts_where_the_plan_sets_none(
    plan: str, own: int | None, limit: int | None
) -> None:
    assert api_calls_per_minute(plan, own) == limit
