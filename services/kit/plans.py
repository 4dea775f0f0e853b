"""The plans a tenant can be on, and what each allows."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a plan allows; None where it sets no limit."""

    name: str
    events_per_month: int | None


PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(name="free", events_per_month=500_000),
        Plan(name="starter", events_per_month=5_000_000),
        Plan(name="business", events_per_month=50_000_000),
        Plan(name="enterprise", events_per_month=None),
    )
}
