"""On a cluster of shards the same users are found, whichever shards they and their links are on.

The shards are chDB's, under its own Distributed tables: see `tests.standins.clickhouse.cluster`.
"""

from hypothesis import given, settings

from tests.integration.compiler.sharded import Sharded
from tests.integration.compiler.test_against_oracle import GENERATED, Case, cases, check
from tests.integration.compiler.test_explain import check_explained

EXAMPLES = 8


@settings(GENERATED, max_examples=EXAMPLES)
@given(cases())
def test_shards_find_the_users_the_oracle_finds(sharded: Sharded, case: Case) -> None:
    check(sharded, case)


@settings(GENERATED, max_examples=4)
@given(cases())
def test_what_is_explained_of_a_person_does_not_depend_on_shards(sharded: Sharded, case: Case) -> None:
    check_explained(sharded, case)


def test_both_shards_have_users(sharded: Sharded) -> None:
    counts = sharded.client.query("SELECT _shard_num, count() FROM users GROUP BY 1 ORDER BY 1").result_rows
    assert [shard for shard, _ in counts] == [1, 2]
