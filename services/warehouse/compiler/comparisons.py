"""A comparison with a property of a JSON document, as SQL that is true or false and never NULL."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.definition import Comparison, Operand, Operator
from services.definition.operators import ORDERING
from services.definition.times import RFC3339
from services.warehouse.compiler import literals

WITHOUT_TEXT = "('Null', 'Array', 'Object')"
SIGNS = {
    Operator.EQ: "=",
    Operator.NEQ: "!=",
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
}


@dataclass(frozen=True)
class Property:
    """A property of the JSON in the column or expression `document`; a dot in its name walks into nested objects."""

    document: str
    name: str

    @property
    def path(self) -> str:
        """The arguments that lead to the property."""
        return ", ".join([self.document, *(literals.text(part) for part in self.name.split("."))])

    @property
    def type(self) -> str:
        """Its JSON type; 'Null' also where it is missing."""
        return f"JSONType({self.path})"

    @property
    def text(self) -> str:
        """Its text form; empty for null or missing, JSON for lists and objects."""
        return f"JSONExtractString({self.path})"

    @property
    def number(self) -> str:
        """Its number, NaN if it is none: NaN compares false with everything."""
        return as_number(self.text)

    @property
    def time(self) -> str:
        """Its time to the microsecond; only where `is_time` holds, and NULL on days such as 30 February."""
        return f"parseDateTime64BestEffortOrNull(upper({self.text}), 6, 'UTC')"

    @property
    def is_time(self) -> str:
        """Whether it looks like an RFC 3339 time. Year 0 does not exist, and the parser would read it as this year."""
        return f"match({self.text}, {literals.text(RFC3339)}) AND NOT startsWith({self.text}, '0000')"


def as_number(text: str) -> str:
    """The number that a text expression holds, or NaN."""
    return f"ifNotFinite(toFloat64OrDefault({text}, nan), nan)"


def order(subject: str, operator: Operator, operands: list[str]) -> str:
    """`subject` compared with one literal, or with two as an inclusive range."""
    if operator is Operator.BETWEEN:
        return f"{subject} BETWEEN {operands[0]} AND {operands[1]}"
    return f"{subject} {SIGNS[operator]} {operands[0]}"


def satisfies(prop: Property, comparison: Comparison) -> str:
    """Whether the property satisfies the comparison; a negative operator is the complement of its positive one."""
    operator, operands = comparison.operator, comparison.operands
    if operator.complement_of is not None:
        positive = Comparison(operator=operator.complement_of, operands=operands)
        return f"NOT ({satisfies(prop, positive)})"
    if operator in ORDERING or operator is Operator.BETWEEN:
        return _ordered(prop, operator, operands)
    return PREDICATES[operator](prop, operands)


def _ordered(prop: Property, operator: Operator, operands: tuple[Operand, ...]) -> str:
    if isinstance(operands[0], datetime):
        moments = [literals.microseconds(moment) for moment in operands if isinstance(moment, datetime)]
        return f"{prop.is_time} AND ifNull({order(prop.time, operator, moments)}, false)"
    return order(prop.number, operator, _numbers(operands))


def _equals_any(prop: Property, operands: tuple[Operand, ...]) -> str:
    numbers = _numbers(operands)
    texts = [_as_text(operand) for operand in operands if isinstance(operand, str | bool)]
    choices = []
    if texts:
        equal = f"{prop.text} = {texts[0]}" if len(texts) == 1 else f"{prop.text} IN ({', '.join(texts)})"
        # Empty text could be null, and JSON of a list or object could be meant: then the type decides.
        ambiguous = any(text == "''" or text[1] in "[{" for text in texts)
        choices.append(_scalar(prop, equal) if ambiguous else equal)
    if len(numbers) == 1:
        choices.append(f"{prop.number} = {numbers[0]}")
    elif numbers:
        # IN tells -0.0 from 0; adding 0 makes them one.
        choices.append(f"{prop.number} + 0 IN ({', '.join(numbers)})")
    return choices[0] if len(choices) == 1 else f"({choices[0]} OR {choices[1]})"


def _is_set(prop: Property, _: tuple[Operand, ...]) -> str:
    return f"{prop.type} != 'Null'"


def _is_true(prop: Property, _: tuple[Operand, ...]) -> str:
    return _equals_any(prop, (True,))


def _is_false(prop: Property, _: tuple[Operand, ...]) -> str:
    return _equals_any(prop, (False,))


def _starts_with(prop: Property, operands: tuple[Operand, ...]) -> str:
    return _scalar(prop, f"startsWith({prop.text}, {_as_text(operands[0])})")


def _ends_with(prop: Property, operands: tuple[Operand, ...]) -> str:
    return _scalar(prop, f"endsWith({prop.text}, {_as_text(operands[0])})")


def _matches(prop: Property, operands: tuple[Operand, ...]) -> str:
    # The warehouse lets a dot match a line break; RE2 itself does not.
    return _scalar(prop, f"match({prop.text}, {literals.text(f'(?-s){operands[0]}')})")


def _contains(prop: Property, operands: tuple[Operand, ...]) -> str:
    operand, element = operands[0], "JSONExtractString(element)"
    if isinstance(operand, int | float):
        member = f"{as_number(element)} = {literals.number(operand)}"
    else:
        member = f"JSONType(element) NOT IN {WITHOUT_TEXT} AND {element} = {_as_text(operand)}"
    within = f"arrayExists(element -> {member}, JSONExtractArrayRaw({prop.path}))"
    substring = f"position({prop.text}, {_as_text(operand)}) > 0"
    return f"if({prop.type} = 'Array', {within}, {_scalar(prop, substring)})"


PREDICATES: dict[Operator, Callable[[Property, tuple[Operand, ...]], str]] = {
    Operator.EQ: _equals_any,
    Operator.IN: _equals_any,
    Operator.CONTAINS: _contains,
    Operator.STARTS_WITH: _starts_with,
    Operator.ENDS_WITH: _ends_with,
    Operator.MATCHES_REGEX: _matches,
    Operator.IS_SET: _is_set,
    Operator.IS_TRUE: _is_true,
    Operator.IS_FALSE: _is_false,
}


def _scalar(prop: Property, test: str) -> str:
    return f"{prop.type} NOT IN {WITHOUT_TEXT} AND {test}"


def _numbers(operands: tuple[Operand, ...]) -> list[str]:
    return [literals.number(item) for item in operands if isinstance(item, int | float) and not isinstance(item, bool)]


def _as_text(operand: Operand) -> str:
    match operand:
        case bool():
            return "'true'" if operand else "'false'"
        case int() | float():
            return literals.text(literals.number_text(operand))
        case _:
            return literals.text(str(operand))
