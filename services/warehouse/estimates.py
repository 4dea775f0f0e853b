"""About how many users match a definition, in about the same time at any size.

Of a tenant with few events everybody is looked at. Else a sample is: clusters of users with consecutive ids, because
the primary key leads to their events. Clusters begin at random rows of the table of users and are equally many rows
long, so that every user is as likely to be in one as any other.

On a cluster the sample is one of the shard that is asked: which users a shard has is by chance too. Of a tenant with
links everybody is looked at there, because a person may be on several shards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import TypeVar

from clickhouse_connect.driver.client import Client

from services.warehouse import samples
from services.warehouse.compiler.sources import Part
from services.warehouse.evaluation import Evaluation
from services.warehouse.samples import Cluster


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """How many users match, of how many; `sampled` when only `sample_size` of them were looked at."""

    matched_users: int
    total_users: int
    sample_size: int
    sampled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What an estimate may read, chosen for 0.2 s on two cores with 10 million events in five parts."""

    # Events of a tenant that are all read. The largest definitions take 0.2 s for them.
    exact_events: int = 500_000
    clusters: int = 12
    fewest_clusters: int = 4
    # Events of the users in the sample, of whatever type.
    sampled_events: int = 200_000
    # Rows of the table of users in a cluster. If users have five each, 5,000 users tell a share of 20 % to 0.6 points.
    cluster_rows: int = 2_000
    # Rows that come along, because a cluster takes whole granules of 8,192 rows from every part. With more of them,
    # because of many parts or event types, there are fewer clusters.
    read_rows: int = 800_000


USUAL = Budget()
# Users drawn for each one that a cluster begins with: rows that are far from each other in different parts may be
# neighbours, and only of sorted users can some be taken that are not.
CANDIDATES = 4

T = TypeVar("T")


def estimate(client: Client, evaluation: Evaluation, chance: Random, budget: Budget = USUAL) -> Estimate:
    """Counts who matches, among all users or extrapolated from a random sample."""
    events, layout = samples.count_events(client, evaluation.tenant_id), evaluation.layout
    if events > budget.exact_events and not (layout.cluster and evaluation.linked):
        shards = samples.count_shards(client, layout.cluster) if layout.cluster else 1
        if found := _of_sample(client, Sampled(evaluation), events // shards, chance, budget):
            return replace(found, matched_users=found.matched_users * shards, total_users=found.total_users * shards)
    users = samples.count_users(client, evaluation.persons())
    matched = samples.count(client, evaluation.users())
    return Estimate(matched_users=matched, total_users=users, sample_size=users, sampled=False)


class Sampled:
    """What is evaluated for a sample, over the rows of one engine or shard."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.tenant_id = evaluation.tenant_id
        self.table = evaluation.layout.stored("users")
        self.users = evaluation.users_of_a_shard if evaluation.layout.cluster else evaluation.users
        part = Part.SHARD if evaluation.layout.cluster else Part.ALL
        self.persons = partial(evaluation.persons, part=part)


def _of_sample(client: Client, sampled: Sampled, events: int, chance: Random, budget: Budget) -> Estimate | None:
    """Who matches by a sample of those of an engine or shard, which has so many events; None without a sample."""
    rows = samples.count_user_rows(client, sampled.table, sampled.tenant_id)
    length = min(rows * budget.sampled_events // events // budget.clusters, budget.cluster_rows)
    starts = _starts(client, sampled, rows, chance, budget)
    clusters = _apart(samples.clusters(client, sampled.table, sampled.tenant_id, starts, max(length, 1)))
    return _extrapolated(client, sampled, clusters, rows) if clusters else None


def _starts(client: Client, sampled: Sampled, rows: int, chance: Random, budget: Budget) -> list[str]:
    """Random users, evenly spread over the ids, as many as the definition can afford to have clusters begin with."""
    step = max(rows // (budget.clusters * CANDIDATES), 1)
    candidates = samples.random_users(client, sampled.table, sampled.tenant_id, step, chance.getrandbits(32))
    starts = _spread(candidates, budget.clusters, chance.random())
    # A cluster reads hardly more than its first user: whole granules.
    reads = samples.rows_read(client, sampled.users([(start, start) for start in starts]))
    affordable = len(starts) * budget.read_rows // max(reads, 1)
    return _spread(starts, max(affordable, budget.fewest_clusters), chance.random())


def _spread(items: Sequence[T], count: int, phase: float) -> list[T]:
    """`count` of the items at even distances, or all if they are fewer."""
    count = min(count, len(items))
    return [items[int((place + phase) * len(items) / count)] for place in range(count)]


def _apart(clusters: Iterable[Cluster]) -> list[Cluster]:
    """Those, in the order of ids, that share no user with the one before: rows of several parts may be neighbours."""
    apart: list[Cluster] = []
    for cluster in clusters:
        if not apart or apart[-1].last < cluster.first:
            apart.append(cluster)
    return apart


def _extrapolated(client: Client, sampled: Sampled, clusters: list[Cluster], rows: int) -> Estimate:
    """By the sample's share of all `rows` of the table of users."""
    ranges = [(cluster.first, cluster.last) for cluster in clusters]
    matched = samples.count(client, sampled.users(ranges))
    # A person is in the sample if the id that stands for all of theirs is.
    users = samples.count_users(client, sampled.persons(ranges))
    scale = rows / sum(cluster.rows for cluster in clusters)
    return Estimate(
        matched_users=round(matched * scale), total_users=round(users * scale), sample_size=users, sampled=True
    )
