"""The operators of the segment language and how they group."""

from enum import StrEnum


class Operator(StrEnum):
    """How a value is tested; the text is the one in a definition."""

    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    BETWEEN = "between"
    NOT_BETWEEN = "not_between"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    DOES_NOT_CONTAIN = "does_not_contain"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    MATCHES_REGEX = "matches_regex"
    IS_SET = "is_set"
    IS_NOT_SET = "is_not_set"
    IS_TRUE = "is_true"
    IS_FALSE = "is_false"

    @property
    def complement_of(self) -> "Operator | None":
        """The positive operator whose exact complement this one is; None for a positive operator."""
        return _COMPLEMENT_OF.get(self)


_COMPLEMENT_OF = {
    Operator.NEQ: Operator.EQ,
    Operator.NOT_BETWEEN: Operator.BETWEEN,
    Operator.NOT_IN: Operator.IN,
    Operator.DOES_NOT_CONTAIN: Operator.CONTAINS,
    Operator.IS_NOT_SET: Operator.IS_SET,
}

ORDERING = frozenset({Operator.GT, Operator.GTE, Operator.LT, Operator.LTE})
RANGES = frozenset({Operator.BETWEEN, Operator.NOT_BETWEEN})
LISTS = frozenset({Operator.IN, Operator.NOT_IN})
SUBSTRINGS = frozenset(
    {Operator.CONTAINS, Operator.DOES_NOT_CONTAIN, Operator.STARTS_WITH, Operator.ENDS_WITH},
)
WITHOUT_VALUE = frozenset({Operator.IS_SET, Operator.IS_NOT_SET, Operator.IS_TRUE, Operator.IS_FALSE})

# What each kind of condition allows, in the order in which an error lists them.
FOR_COUNT = (Operator.EQ, Operator.NEQ, Operator.GT, Operator.GTE, Operator.LT, Operator.LTE)
FOR_AGGREGATE = (*FOR_COUNT, Operator.BETWEEN, Operator.NOT_BETWEEN)
FOR_RECENCY = (Operator.GT, Operator.LT, Operator.EQ)
FOR_PROPERTY = tuple(Operator)
FOR_MEMBERSHIP = (Operator.IN, Operator.NOT_IN)
