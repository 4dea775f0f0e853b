"""Values as ClickHouse literals: the only way a value gets into a statement."""

from datetime import UTC, datetime
from decimal import ROUND_DOWN, Context, Decimal

# Decimals of 128 and of 256 bits have 38 and 76 digits: 18 of them after the point leave 20 and 58 before it.
SCALE = 18
_EXACT = Context(prec=76, rounding=ROUND_DOWN)

# Also all at which Python breaks lines: a statement is indented by lines, and no value with it.
_BREAKS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_ESCAPES = str.maketrans(
    {"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\0": r"\0"}
    | {character: "".join(f"\\x{byte:02X}" for byte in character.encode()) for character in _BREAKS}
)


def text(value: str) -> str:
    """A text literal."""
    return f"'{value.translate(_ESCAPES)}'"


def number(value: int | float) -> str:
    """A number as it is compared with 64-bit floats."""
    return repr(value)


def decimal(value: int | float) -> str:
    """A number as it is compared with exact sums."""
    exact = Decimal(repr(value)).quantize(Decimal(1).scaleb(-SCALE), context=_EXACT)
    shortest = format(exact, "f").rstrip("0").rstrip(".")
    return f"toDecimal256('{shortest}', {SCALE})"


def milliseconds(moment: datetime) -> str:
    """An instant as it is compared with occurred_at and received_at."""
    return f"'{moment.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'milliseconds')}'"


def microseconds(moment: datetime) -> str:
    """An instant as it is compared with times in properties."""
    return f"'{moment.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'microseconds')}'"


def number_text(value: int | float) -> str:
    """The text form of a number, as the warehouse writes a JSON number: plain digits from 1e-6 up to 1e21."""
    shortest = repr(value)
    if "e" not in shortest:
        return shortest
    return format(Decimal(shortest), "f") if abs(value) >= 1e-6 else shortest.replace("e-0", "e-")
