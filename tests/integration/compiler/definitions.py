"""Generated definitions, as decoded JSON. Operands often come from the values they will meet."""

from hypothesis import strategies as st

from services.definition.conditions import READERS
from services.definition.operators import (
    FOR_AGGREGATE,
    FOR_COUNT,
    FOR_MEMBERSHIP,
    FOR_PROPERTY,
    FOR_RECENCY,
    LISTS,
    ORDERING,
    RANGES,
    SUBSTRINGS,
    WITHOUT_VALUE,
    Operator,
)
from tests.integration.compiler.histories import DAYS, TYPES
from tests.integration.compiler.ledgers import SEGMENTS
from tests.integration.compiler.samples import MOMENTS, NUMBERS, TEXTS

Json = dict[str, object]

PROPERTIES = st.one_of(st.just("p"), st.sampled_from(("a.b", "a", "q'\\", "a.b.c", "0")))
PATTERNS = ("", "^p", "(?i)PRO", "a.b", "^[0-9.]+$", "é$", "'|\\\\", "\\x{2028}", "(?s)^a.b$", "^$", "^(t|f)")


def operands(values: list[object]) -> tuple[list[float], list[str]]:
    """The numbers and texts among JSON values, inside lists too, that a definition may hold."""
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    numbers = [item for item in flat if isinstance(item, int | float) and not isinstance(item, bool)]
    return [number for number in numbers if abs(number) < 2**53], [item for item in flat if isinstance(item, str)]


def _or_sampled(usual: st.SearchStrategy[object], met: list[object]) -> st.SearchStrategy[object]:
    return st.one_of(usual, st.sampled_from(met), st.sampled_from(met)) if met else usual


@st.composite
def comparisons(draw: st.DrawFn, values: list[object]) -> Json:
    """operator, value and value2 of a property condition that will meet `values`."""
    operator = draw(st.sampled_from(FOR_PROPERTY))
    met_numbers, met_texts = operands(values)
    numbers, texts = _or_sampled(NUMBERS, [*met_numbers]), _or_sampled(TEXTS, [*met_texts])
    scalars = st.one_of(texts, numbers, st.booleans())
    times = st.sampled_from(MOMENTS)
    raw: Json = {"operator": operator.value}
    if operator in WITHOUT_VALUE:
        return raw
    if operator in RANGES:
        low, high = draw(st.one_of(st.tuples(numbers, numbers), st.tuples(times, times)))
        return raw | draw(st.sampled_from(({"value": [low, high]}, {"value": low, "value2": high})))
    if operator in LISTS:
        return raw | {"value": draw(st.lists(scalars, min_size=1, max_size=5))}
    if operator in ORDERING:
        return raw | {"value": draw(st.one_of(numbers, times))}
    if operator is Operator.MATCHES_REGEX:
        return raw | {"value": draw(st.sampled_from(PATTERNS))}
    if operator in SUBSTRINGS:
        return raw | {"value": draw(st.one_of(texts, texts.map(lambda text: str(text)[:1]), numbers))}
    return raw | {"value": draw(scalars)}


@st.composite
def conditions(draw: st.DrawFn, values: list[object]) -> Json:
    """One condition of any type."""
    kind = draw(st.sampled_from(tuple(READERS)))
    raw: Json = {"type": kind}
    if kind == "segment_membership":
        # The last id is of a segment that was never computed.
        raw["segment_id"] = draw(st.sampled_from((*SEGMENTS, max(SEGMENTS) + 1)))
        raw["operator"] = draw(st.sampled_from(FOR_MEMBERSHIP)).value
        return raw
    if kind == "event_sequence":
        return draw(sequences())
    if kind != "user_property":
        raw["event_type"] = draw(st.sampled_from((TYPES[0], *TYPES, *TYPES, "never")))
    match kind:
        case "event_count":
            raw["operator"] = draw(st.sampled_from(FOR_COUNT)).value
            raw["value"] = draw(st.one_of(st.integers(-1, 3), st.sampled_from((0.0, 1.5))))
        case "recency":
            raw["operator"] = draw(st.sampled_from(FOR_RECENCY)).value
            raw["window_days"] = draw(st.sampled_from(DAYS))
        case "monetary":
            raw |= draw(_aggregates(values))
        case _:
            raw["property"] = draw(PROPERTIES)
            raw |= draw(comparisons(values))
    if kind in ("event_count", "monetary") and draw(st.booleans()):
        raw["window_days"] = draw(st.sampled_from(DAYS))
    return raw


def sequences() -> st.SearchStrategy[Json]:
    """One event_sequence."""
    return st.fixed_dictionaries(
        {
            "type": st.just("event_sequence"),
            "events": st.lists(st.sampled_from((*TYPES, *TYPES, *TYPES, "never")), min_size=2, max_size=4),
            "window_days": st.sampled_from(DAYS),
        },
        optional={"strict": st.sampled_from((True, True, False, None))},
    )


@st.composite
def _aggregates(draw: st.DrawFn, values: list[object]) -> Json:
    operator = draw(st.sampled_from(FOR_AGGREGATE))
    numbers = _or_sampled(NUMBERS, [*operands(values)[0]])
    return {
        "property": draw(PROPERTIES),
        "metric": draw(st.sampled_from(("sum", "avg", "max", "min"))),
        "operator": operator.value,
        "value": draw(st.tuples(numbers, numbers).map(list) if operator in RANGES else numbers),
    }


def groups(values: list[object], depth: int = 3) -> st.SearchStrategy[Json]:
    """A definition with groups nested up to `depth`."""
    single = conditions(values)
    nodes = single if depth == 1 else st.one_of(single, single, groups(values, depth - 1))
    return st.fixed_dictionaries(
        {"logic": st.sampled_from(("AND", "OR")), "conditions": st.lists(nodes, min_size=1, max_size=3)}
    )
