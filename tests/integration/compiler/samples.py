"""JSON values on both sides of every line the segment language draws."""

from hypothesis import strategies as st

MOMENTS = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T02:00:00+02:00",
    "2026-01-01T00:00:00",
    "2025-12-31 23:59:59.999999Z",
    "2026-01-01t00:00:00.000001z",
    "1969-12-31T23:59:59.5Z",
    "0001-01-01T00:00:00Z",
)
NOT_MOMENTS = (
    "2026-01-01",
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "0000-01-01T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T00:00:00Z\n",
    "1767225600",
    "Jan 1 2026",
)
NUMERIC = ("1", "01", "+1", "-0", "1.50", ".5", "5.", "1e2", "1E-7", "12", "9007199254740993")
NOT_NUMERIC = (
    "",
    "-",
    "e5",
    ".",
    "nan",
    "inf",
    "-Infinity",
    "1e400",
    "0x10",
    "1,5",
    " 1",
    "1 ",
    "1e",
    "1e5.5",
    "\u0661",
    "true",
)
WORDS = (
    "pro",
    "Pro",
    "free",
    "a\nb",
    "a'b",
    "\\",
    "true",
    "false",
    "[1]",
    "{}",
    "é",
    "\u2028x\x85",
    "%s",
    "{t:UInt32}",
    "\0",
)
EXACT = (0, 1, -1, 2, 3, 12, 0.1, 0.2, 0.3, 1.5, -0.0, 1e-7, 100, 2**53 - 1, 1.0, 21)
HUGE = (
    2**53, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1e21, 1e22, 1.5e300, 5e-324, 1e55, 1e57, 999999999999.5, 1e12,
)  # fmt: skip

FIXED: tuple[object, ...] = (*WORDS, *NUMERIC, *NOT_NUMERIC, *MOMENTS, *NOT_MOMENTS, *EXACT, *HUGE, True, False, None)
# Every fixed value by itself, in a list and in an object: what a property may hold.
CORPUS: list[object] = [
    *FIXED,
    *([value] for value in FIXED),
    *({"x": value} for value in FIXED),
    *([[value], {"x": value}] for value in FIXED),
    [],
    {},
    [1, "a", None],
]

TEXTS = st.one_of(
    st.sampled_from(WORDS + NUMERIC + NOT_NUMERIC + MOMENTS + NOT_MOMENTS),
    st.text("ab1.e-+ '\\\n{[é", max_size=4),
    st.text(max_size=3),
)
NUMBERS = st.one_of(
    st.sampled_from(EXACT),
    st.integers(-5, 20),
    st.decimals(-20, 50, places=2).map(float),
    st.floats(1 - 2**53, 2**53 - 1, allow_nan=False),
)
SCALARS = st.one_of(TEXTS, NUMBERS, st.sampled_from(HUGE), st.booleans(), st.none())
VALUES = st.one_of(
    SCALARS,
    SCALARS,
    SCALARS,
    st.lists(st.one_of(SCALARS, st.just([1]), st.just({"x": 1})), max_size=4),
    st.dictionaries(st.sampled_from(("b", "c", "")), SCALARS, max_size=2),
)
