"""What a migration must not do while the previous release still serves: the rules of expand and contract.

A migration expands: whatever the previous release reads, writes or calls is there after it as before, and no statement
holds up those who serve. What that release needs no more is taken away by a later one, which says so: it sets
`contracts` to the revision that made it superfluous, and that revision must have been released.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Tables that grow with users and events: to read one whole under a lock takes minutes.
LARGE = ("memberships", "membership_changes", "segment_runs", "activation_logs", "webhook_deliveries", "event_errors")

CREATED = re.compile(r"create table (?:if not exists )?\"?(\w+)", re.IGNORECASE)


class Rule(NamedTuple):
    """A statement that a migration must not have, and what to do in its place. `may_contract`: a later one may."""

    pattern: "re.Pattern[str]"
    advice: str
    may_contract: bool = False


def _rule(pattern: str, advice: str, *, may_contract: bool = False) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE | re.DOTALL), advice, may_contract)


RULES = (
    _rule(r"\bdrop (table|column|function|view|policy|type)\b", "drop it one release later", may_contract=True),
    _rule(r"\brevoke\b", "revoke it one release later", may_contract=True),
    _rule(r"\brename\b", "add the new name, write both, drop the old one a release later"),
    _rule(r"\balter column \S+ (set data )?type\b", "add a column of the new type, and write both"),
    _rule(r"\balter column \S+ set not null\b", "add a CHECK ... NOT VALID, and validate it", may_contract=True),
    _rule(r"\badd column \S+ (?:(?!default|,).)*\bnot null\b(?!.*default)", "give the column a default"),
    _rule(r"\balter column \S+ drop default\b", "drop it one release later", may_contract=True),
    _rule(r"\badd constraint\b(?!.*\bnot valid\b)", "add it NOT VALID, and validate it in the next migration"),
    _rule(rf"\bcreate (unique )?index (?!concurrently).*\bon \"?({'|'.join(LARGE)})\b", "create it CONCURRENTLY"),
    _rule(rf"^\s*(update|delete from) \"?({'|'.join(LARGE)})\b", "change rows in a job, some at a time"),
    _rule(r"\b(lock table|vacuum full|cluster|truncate)\b", "find a way that locks nobody out"),
)


def complaints(statements: Iterable[str], *, contracts: bool = False) -> Iterator[str]:
    """What is wrong with the statements of one migration; those about tables that it makes itself are not looked at."""
    own: set[str] = set()
    for statement in statements:
        own |= set(CREATED.findall(statement))
        if any(
            re.search(rf"\b(?:on|table|from|update)\s+(?:only )?\"?{name}\b", statement, re.IGNORECASE) for name in own
        ):
            continue
        for rule in RULES:
            if rule.pattern.search(statement) and not (contracts and rule.may_contract):
                yield f"{rule.advice}: {' '.join(statement.split())[:120]}"
