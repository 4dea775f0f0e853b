"""What is evaluated: whose definition, at which instant, beside which members of other segments."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from services.definition import DefinitionError, Group, parse
from services.kit.errors import Invalid
from services.warehouse.compiler import compile_definition
from services.warehouse.compiler.sources import Part, Scope, everyone, linked_ids, members
from services.warehouse.layout import ONE_ENGINE, Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A definition of a tenant at the instant `now`; `past`, `runs` and `linked` as in `compile_definition`.

    On a cluster each shard evaluates it for its own users. Of those with links the ids of one person may be on several
    shards: their rows, and only theirs, are put together where the question is asked.
    """

    tenant_id: int
    group: Group
    now: datetime
    past: bool = False
    runs: Mapping[int, int]
    linked: bool = False
    layout: Layout = ONE_ENGINE

    def users(self, ranges: Sequence[tuple[str, str]] = ()) -> str:
        """The SQL for the users who match, of all or of those in some ranges of ids."""
        return self._laid_out(partial(self._compiled, ranges=ranges))

    def users_of_a_shard(self, ranges: Sequence[tuple[str, str]] = ()) -> str:
        """The SQL for those of the users of the shard that is asked; without links."""
        return self._compiled(Part.SHARD, linked=False, ranges=ranges)

    def persons(self, ranges: Sequence[tuple[str, str]] = (), part: Part = Part.ALL) -> str:
        """The SQL for all users, each at least once, or for those in some ranges of ids."""
        return everyone(Scope(tenant_id=self.tenant_id, ranges=ranges, linked=self.linked, part=part), "user_id")

    def members(self, segment_id: int) -> str:
        """The SQL for the users who are members of a segment in this evaluation."""
        until, run = self.now if self.past else None, self.runs.get(segment_id, 0)
        return self._laid_out(
            lambda part, linked: members(
                segment_id, run, Scope(tenant_id=self.tenant_id, until=until, linked=linked, part=part), "user_id"
            )
        )

    def _laid_out(self, users: "Users") -> str:
        if not self.layout.cluster:
            return users(Part.ALL, linked=self.linked)
        of_shards = self.layout.of_each_shard(users(Part.SHARD, linked=False))
        if not self.linked:
            return of_shards
        without_links = f"{of_shards}\nWHERE user_id NOT IN ({linked_ids(self.tenant_id)})"
        return f"{without_links}\n\nUNION ALL\n\n{users(Part.LINKED, linked=True)}"

    def _compiled(self, part: Part, linked: bool, ranges: Sequence[tuple[str, str]] = ()) -> str:
        return compile_definition(
            self.group,
            tenant_id=self.tenant_id,
            now=self.now,
            past=self.past,
            runs=self.runs,
            ranges=ranges,
            linked=linked,
            part=part,
        ).sql


class Users(Protocol):
    """The SQL for users of a part, with or without regard to links."""

    def __call__(self, part: Part, linked: bool) -> str: ...


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
