"""The plans a tenant can be on, and what each allows."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a plan allows; None where it sets no limit."""

    name: str
    events_per_month: int | None
    # Of a tenant, over all its keys, people and edges.
    api_calls_per_minute: int | None


PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(name="free", events_per_month=500_000, api_calls_per_minute=60),
        Plan(name="starter", events_per_month=5_000_000, api_calls_per_minute=300),
        Plan(name="business", events_per_month=50_000_000, api_calls_per_minute=1_000),
        Plan(name="enterprise", events_per_month=None, api_calls_per_minute=None),
    )
}


def api_calls_per_minute(plan: str, own: int | None) -> int | None:
    """What a tenant may do: its own number counts where its plan sets none. None for any number."""
    limit = PLANS[plan].api_calls_per_minute
    return own if limit is None else limit
