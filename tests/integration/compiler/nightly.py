"""The property tests of this folder on new examples in every run, and many more of them: `make nightly`."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.warehouse.compiler.questions import Arrival
from tests.integration.compiler.definitions import Json, sequences
from tests.integration.compiler.sharded import Sharded
from tests.integration.compiler.test_against_oracle import Case, cases, check, check_paths
from tests.integration.compiler.test_explain import arrivals, check_changes, check_explained
from tests.integration.compiler.warehouse import Warehouse

# At least two definitions each: 5,000 pairs of a history and a definition.
EXAMPLES = 2_500
PATHS = 500
EXPLAINED = 250
SHARDED = 200

LONG = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(LONG, max_examples=EXAMPLES)
@given(cases())
def test_the_sql_finds_the_users_the_oracle_finds(warehouse: Warehouse, case: Case) -> None:
    check(warehouse, case)


@settings(LONG, max_examples=PATHS)
@given(st.integers(0, 2**32 - 1), st.lists(sequences(), min_size=4, max_size=4))
def test_paths_are_followed_as_in_the_oracle(warehouse: Warehouse, seed: int, definitions: list[Json]) -> None:
    check_paths(warehouse, seed, definitions)


@settings(LONG, max_examples=EXPLAINED)
@given(cases())
def test_what_is_explained_is_what_the_oracle_finds(warehouse: Warehouse, case: Case) -> None:
    check_explained(warehouse, case)


@settings(LONG, max_examples=EXPLAINED)
@given(cases(), arrivals())
def test_one_more_event_changes_what_it_changes_in_the_oracle(
    warehouse: Warehouse, case: Case, arrival: Arrival
) -> None:
    check_changes(warehouse, case, arrival)


@settings(LONG, max_examples=SHARDED)
@given(cases())
def test_shards_find_the_users_the_oracle_finds(sharded: Sharded, case: Case) -> None:
    check(sharded, case)
