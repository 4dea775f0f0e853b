"""What is evaluated: whose definition, at which instant, beside which members of other segments."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.definition import DefinitionError, Group, parse
from services.kit.errors import Invalid
from services.warehouse.compiler import compile_definition
from services.warehouse.compiler.sources import Scope, everyone, members


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A definition of a tenant at the instant `now`; `past`, `runs` and `linked` as in `compile_definition`."""

    tenant_id: int
    group: Group
    now: datetime
    past: bool = False
    runs: Mapping[int, int]
    linked: bool = False

    def users(self, ranges: Sequence[tuple[str, str]] = ()) -> str:
        """The SQL for the users who match, of all or of those in some ranges of ids."""
        return compile_definition(
            self.group,
            tenant_id=self.tenant_id,
            now=self.now,
            past=self.past,
            runs=self.runs,
            ranges=ranges,
            linked=self.linked,
        ).sql

    def persons(self, ranges: Sequence[tuple[str, str]] = ()) -> str:
        """The SQL for all users, each at least once, or for those in some ranges of ids."""
        return everyone(Scope(tenant_id=self.tenant_id, ranges=ranges, linked=self.linked), "user_id")

    def members(self, segment_id: int) -> str:
        """The SQL for the users who are members of a segment in this evaluation."""
        scope = Scope(tenant_id=self.tenant_id, until=self.now if self.past else None, linked=self.linked)
        return members(segment_id, self.runs.get(segment_id, 0), scope, "user_id")


def read_definition(text: str) -> Group:
    """The definition in JSON text. Raises Invalid with every error in it."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid({"definition": [f"is not JSON: {error}"]}) from error
    try:
        return parse(raw)
    except DefinitionError as error:
        raise Invalid({"definition": error.errors}) from error
