"""The segment language: a typed model and a parser that reports every error with its path.

What a definition means at the instant `now`:

- The population is every user with at least one event.
- A window of N days is (now - N*24h, now]: an event stamped after `now` (ingestion allows 24 h) is outside every one.
  Without a window the whole history counts, such events included, and the latest event may be one of them.
- The latest event of a type has the greatest (occurred_at, received_at); where both tie, an arbitrary but fixed one.
- A number is a JSON number or text that is a decimal number, read as a 64-bit float; booleans are none. `monetary` adds
  numbers exactly, as decimals below 1e58 cut to 18 places, so that 0.1 + 0.2 is 0.3.
- The text form is the text itself, `true` or `false`, or a number's shortest form (`12.50` is `12.5`); null, lists and
  objects have none, as have lists and objects within a list. Minus zero is `-0`, but `0` within a list.
- A time is RFC 3339 text; without an offset it is UTC. Fractions count to the microsecond.
- A negative operator is the exact complement of its positive one: over all users for `user_property`, over those who
  did the event for `event_property`. `monetary` needs a numeric value for its negative operators too.
- The steps of a sequence lie at different times. An event lies between two steps if its time lies between theirs: one
  at the very time of a step does not. The same event type may be several steps.
- A segment that was never computed has no members.
- At a past instant only the events count that had occurred by then, the users who had one, the properties of that time,
  and the members that other segments had.
- A dot in a property walks into nested objects; a key that itself contains a dot cannot be reached.
"""

from services.definition.model import (
    Comparison,
    Condition,
    EventCount,
    EventProperty,
    EventSequence,
    Group,
    Logic,
    Metric,
    Monetary,
    Operand,
    Recency,
    SegmentMembership,
    UserProperty,
    fold,
    leaves,
)
from services.definition.operators import Operator
from services.definition.parser import parse
from services.definition.problems import DefinitionError

__all__ = [
    "Comparison",
    "Condition",
    "DefinitionError",
    "EventCount",
    "EventProperty",
    "EventSequence",
    "Group",
    "Logic",
    "Metric",
    "Monetary",
    "Operand",
    "Operator",
    "Recency",
    "SegmentMembership",
    "UserProperty",
    "fold",
    "leaves",
    "parse",
]
