"""From decoded JSON to a Group."""

from services.definition.conditions import READERS
from services.definition.fields import Fields
from services.definition.model import Condition, EventProperty, Group, Logic, UserProperty, leaves
from services.definition.problems import DefinitionError, kind, shown, wrong
from services.definition.values import one_of

MOST_CONDITIONS = 50
DEEPEST_GROUP = 5
# Of all values together: keeps the compiled SQL well below what the warehouse reads, 16 MiB.
MOST_CHARACTERS = 1_000_000


def parse(raw: object) -> Group:
    """The definition in decoded JSON; whole floats count as integers. Raises DefinitionError with every error."""
    parser = _Parser()
    if not isinstance(raw, dict):
        raise DefinitionError([f"must be an object, not {kind(raw)}"])
    group = parser.group(Fields(raw, "", parser.errors), depth=1)
    if not parser.errors and _characters(group) > MOST_CHARACTERS:
        parser.errors.append(f"conditions: values must have at most {MOST_CHARACTERS:,} characters in all")
    if parser.errors:
        raise DefinitionError(parser.errors)
    return group


class _Parser:
    def __init__(self) -> None:
        self.errors: list[str] = []
        self.seen = 0

    def group(self, fields: Fields, depth: int) -> Group:
        logic = fields.required("logic", one_of(tuple(Logic)))
        items = fields.tried("conditions", _conditions)
        fields.close()
        if items is None:
            self._count()  # a group that holds nothing counts too, or groups of empty groups would have no end
            return Group(logic=logic, conditions=())
        prefix = f"{fields.path}." if fields.path else ""
        nodes = [self._node(item, f"{prefix}conditions[{index}]", depth) for index, item in enumerate(items)]
        return Group(logic=logic, conditions=tuple(node for node in nodes if node is not None))

    def _node(self, raw: object, path: str, depth: int) -> Condition | Group | None:
        if self.seen > MOST_CONDITIONS:
            return None
        if not isinstance(raw, dict):
            self._count()
            self.errors.append(f"{path}: must be an object, not {kind(raw)}")
            return None
        fields = Fields(raw, path, self.errors)
        if "type" not in raw and ("logic" in raw or "conditions" in raw):
            if depth < DEEPEST_GROUP:
                return self.group(fields, depth + 1)
            self._count()
            fields.note("", f"groups nest at most {DEEPEST_GROUP} deep")
            return None
        self._count()
        return self._condition(fields)

    def _condition(self, fields: Fields) -> Condition | None:
        name = fields.tried("type", _type)
        if name is None:
            return None
        condition = READERS[name](fields)
        fields.close()
        return condition

    def _count(self) -> None:
        self.seen += 1
        if self.seen == MOST_CONDITIONS + 1:
            self.errors.append(f"conditions: must hold at most {MOST_CONDITIONS} conditions in all")


def _characters(group: Group) -> int:
    return sum(
        len(str(operand))
        for _, condition in leaves(group)
        if isinstance(condition, EventProperty | UserProperty)
        for operand in condition.comparison.operands
    )


def _conditions(value: object) -> list[object]:
    if not isinstance(value, list):
        raise wrong(f"must be a list, not {kind(value)}")
    if not 1 <= len(value) <= MOST_CONDITIONS:
        raise wrong(f"must hold 1 to {MOST_CONDITIONS} conditions, not {len(value):,}")
    return value


def _type(value: object) -> str:
    if isinstance(value, str) and value in READERS:
        return value
    name = shown(value) if isinstance(value, str) else kind(value)
    raise wrong(f"{name} is not one of {', '.join(READERS)}")
