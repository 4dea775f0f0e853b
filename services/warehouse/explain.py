"""Evaluating definitions for one person: what each condition found, and what one more event would change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from clickhouse_connect.driver.client import Client

from services.definition import Condition, Group, leaves
from services.kit.errors import NotFound
from services.warehouse import explain_store
from services.warehouse.compiler.conditions import Moment
from services.warehouse.compiler.facts import Fact, Facts, Happened
from services.warehouse.compiler.questions import WITH, WITHOUT, Answers, Arrival, Questions
from services.warehouse.compiler.sources import Scope
from services.warehouse.compiler.truths import Truths


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody of a tenant, by all their user ids."""

    tenant_id: int
    user_ids: Sequence[str]

    def scope(self, at: Moment) -> Scope:
        """The person's rows that count at a moment."""
        return Scope(tenant_id=self.tenant_id, until=at.until, user_ids=self.user_ids)


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """Whether a condition holds, and what the person has."""

    holds: bool
    fact: Fact


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """The places of the definitions that a person would newly match, and would match no longer."""

    entered: Sequence[int]
    exited: Sequence[int]


def explain(client: Client, person: Person, group: Group, at: Moment) -> list[Explained]:
    """What each condition of a definition found, in order. Raises NotFound for a person without an event by then."""
    scope, conditions = person.scope(at), _conditions([group])
    truths = Truths(conditions, at)
    tests = [truths.asked(condition) for condition in conditions]
    facts = [Facts(condition, test, truths.names, at) for condition, test in zip(conditions, tests, strict=True)]
    beside = [question for fact in facts for question in fact.questions()]
    answers = explain_store.answers(client, Questions([*truths.questions(), *beside], scope))
    if not answers.is_known:
        raise NotFound
    held = [test.holds(answers) for test in tests]
    found = [fact.read(answers, holds=holds) for fact, holds in zip(facts, held, strict=True)]
    named = _with_ids(client, scope, found)
    return [Explained(holds=holds, fact=fact) for holds, fact in zip(held, named, strict=True)]


def changes(client: Client, person: Person, groups: Sequence[Group], at: Moment, arrival: Arrival) -> Changes:
    """What would change for a person if one more event arrived.

    Of the conditions only those that look at it are asked for at first, and whole definitions where one of them turns:
    most turn nowhere, and the engine takes longer to read a condition than to answer it.
    """
    truths, scope = Truths(_conditions(groups), at), person.scope(at)

    def ask(conditions: Iterable[Condition]) -> Answers:
        questions = [truths.asked(condition).question for condition in conditions]
        return explain_store.answers(client, Questions(questions, scope, arrival))

    # Whoever has no event yet matches nothing before this one, and may match any definition with it.
    is_known = ask([]).is_known
    places = list(range(len(groups)))
    if is_known:
        looking = [condition for condition in _conditions(groups) if truths.asked(condition).looks_at(arrival)]
        answers = ask(looking)
        turned = {truths.asked(condition) for condition in looking if truths.asked(condition).turns(answers)}
        places = [
            place
            for place, group in enumerate(groups)
            if any(truths.asked(condition) in turned for condition in _conditions([group]))
        ]
    answers = ask(_conditions(groups[place] for place in places))
    before = {place for place in places if is_known and truths.holds(groups[place], answers, WITHOUT)}
    after = {place for place in places if truths.holds(groups[place], answers, WITH)}
    return Changes(entered=sorted(after - before), exited=sorted(before - after))


def _conditions(groups: Iterable[Group]) -> list[Condition]:
    return [condition for group in groups for _, condition in leaves(group)]


def _with_ids(client: Client, scope: Scope, facts: Iterable[Fact]) -> list[Fact]:
    """Facts with the ids of the events of which only type and time are known."""
    unnamed = {(event.event_type, event.occurred_at) for fact in facts for event in fact.events if not event.event_id}
    if not unnamed:
        return list(facts)
    ids = explain_store.event_ids(client, scope, unnamed)

    def named(events: Iterable[Happened]) -> list[Happened]:
        # One that was erased since has no id any more.
        found = [(event, event.event_id or ids.get((event.event_type, event.occurred_at))) for event in events]
        return [replace(event, event_id=event_id) for event, event_id in found if event_id]

    return [replace(fact, events=named(fact.events)) for fact in facts]
