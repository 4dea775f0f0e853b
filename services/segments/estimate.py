"""Estimating a segment's size before it is computed."""

from dataclasses import dataclass
from typing import Protocol

from services.kit.postgres import Database
from services.segments import listing
from services.segments.evaluation import Evaluation, Evaluations
from services.segments.queueing import NoDefinition


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """About how many users match. Not `sampled`: every user was looked at, and the number is exact."""

    estimated_users: int
    sampled: bool
    sample_size: int
    total_users: int


class Estimator(Protocol):
    """Who knows about how many users a definition matches."""

    async def estimate(self, evaluation: Evaluation) -> Estimate:
        """About how many users of the caller's tenant match."""


async def estimate(
    database: Database, evaluations: Evaluations, estimator: Estimator, tenant_id: int, segment_id: int
) -> Estimate:
    """About how many users a segment's definition matches now. Raises NotFound, or NoDefinition."""
    segment = await listing.find(database, tenant_id, segment_id)
    if segment.definition is None:
        raise NoDefinition
    return await estimator.estimate(await evaluations.ready(tenant_id, segment.definition))
