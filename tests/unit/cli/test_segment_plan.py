"""From files and a tenant's segments to a plan."""

from typing import Any

import pytest

from cli.segments.definitions import with_ids
from cli.segments.files import Declared
from cli.segments.plan import Action, Plan, Step, make_plan
from cli.segments.report import plan_json
from cli.segments.scope import Existing
from cli.segments.service import Effect
from services.kit.errors import Invalid

Definition = dict[str, Any]


def counted(value: object = 1) -> Definition:
    condition = {"type": "event_count", "event_type": "bought", "operator": "gte", "value": value}
    return {"logic": "AND", "conditions": [condition]}


def referring(*segments: str | int) -> Definition:
    """Refers to segments by name or id, each in a group of its own."""
    conditions = [
        {
            "type": "segment_membership",
            "operator": "in",
            "segment" if isinstance(segment, str) else "segment_id": segment,
        }
        for segment in segments
    ]
    return {"logic": "OR", "conditions": [{"logic": "AND", "conditions": [condition]} for condition in conditions]}


def declared(name: str, definition: Definition | None = None, **fields: Any) -> Declared:
    rest = {"description": "", "refresh_minutes": None, "is_active": True} | fields
    return Declared(place=f"f.yaml: {name}", name=name, definition=definition or counted(), **rest)


def existing(segment_id: int, name: str, definition: Definition | None = None, **fields: Any) -> Existing:
    rest = {"description": "", "refresh_minutes": None, "is_active": True} | fields
    return Existing(id=segment_id, name=name, definition=definition or counted(), **rest)


def actions(plan: Plan) -> list[tuple[str, str]]:
    return [(str(step.action), step.name) for step in plan.steps]


def errors_of(*arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(Invalid) as raised:
        make_plan(*arguments, **options)
    return raised.value.detail.splitlines()


def the_step(plan: Plan) -> Step:
    (step,) = plan.steps
    return step


def test_what_is_not_there_is_created_and_what_is_the_same_stays() -> None:
    plan = make_plan([declared("A"), declared("B")], [existing(1, "B"), existing(2, "C")])
    assert actions(plan) == [("create", "A"), ("unchanged", "B")]
    assert [step.name for step in plan.to_do] == ["A"]
    assert [segment.name for segment in plan.unmanaged] == ["C"]


def test_each_field_that_differs_is_a_change() -> None:
    before = existing(1, "A", counted(1), description="old", refresh_minutes=60, is_active=False)
    step = the_step(make_plan([declared("A", counted(2))], [before]))
    assert step.action is Action.CHANGE
    assert step.changes == {
        "description": ("old", ""),
        "refresh_minutes": (60, None),
        "is_active": (False, True),
        "definition": (counted(1), counted(2)),
    }


def test_the_order_of_keys_is_no_change_but_true_is_not_1() -> None:
    turned = {"conditions": [dict(reversed(counted()["conditions"][0].items()))], "logic": "AND"}
    assert make_plan([declared("A", turned)], [existing(1, "A")]).to_do == []
    assert make_plan([declared("A", counted(True))], [existing(1, "A")]).to_do


def test_a_reference_by_name_and_by_id_is_the_same() -> None:
    tenant = [existing(1, "A"), existing(2, "B", referring(1))]
    assert make_plan([declared("B", referring("A"))], tenant).to_do == []
    assert make_plan([declared("B", referring(1)), declared("A")], tenant).to_do == []


def test_references_are_shown_by_name() -> None:
    tenant = [existing(1, "A"), existing(2, "B", referring(1)), existing(3, "C")]
    step = the_step(make_plan([declared("B", referring(3, 1))], tenant))
    assert step.changes["definition"] == (referring("A"), referring("C", "A"))


def test_a_segment_comes_after_those_it_refers_to() -> None:
    files = [declared("A", referring("B", "C")), declared("B", referring("C")), declared("C"), declared("D")]
    plan = make_plan(files, [])
    assert [step.name for step in plan.steps] == ["C", "D", "B", "A"]
    assert {step.name: list(step.awaits) for step in plan.steps} == {"A": ["B", "C"], "B": ["C"], "C": [], "D": []}
    assert [step.name for step in make_plan(files, [existing(1, "A"), existing(2, "C")]).steps] == ["C", "D", "B", "A"]


def test_names_become_the_ids_that_are_there() -> None:
    plan = make_plan([declared("A", referring("B", "New")), declared("New")], [existing(5, "B")])
    step = plan.steps[-1]
    assert (step.name, step.awaits) == ("A", ["New"])
    assert with_ids(referring("B", "New"), plan.ids) == referring(5, "New")
    assert with_ids(referring("B", "New"), {**plan.ids, "New": 6}) == referring(5, 6)


def test_every_wrong_reference_is_told_with_file_and_path() -> None:
    files = [declared("A", referring("nobody", 9)), declared("B", referring("twice")), declared("twins")]
    tenant = [*(existing(number, "twice") for number in (1, 2)), *(existing(number, "twins") for number in (3, 4))]
    assert errors_of(files, tenant) == [
        "f.yaml: twins.name: the tenant has 2 segments 'twins'",
        "f.yaml: A.definition: conditions[0].conditions[0].segment: there is no segment 'nobody'",
        "f.yaml: A.definition: conditions[1].conditions[0].segment_id: there is no segment 9",
        (
            "f.yaml: B.definition: conditions[0].conditions[0].segment: "
            "the tenant has 2 segments 'twice'; give the segment_id"
        ),
    ]


def test_names_that_are_there_twice_do_no_harm_while_no_file_uses_them() -> None:
    plan = make_plan([declared("A", referring(2))], [existing(1, "twice"), existing(2, "twice")])
    assert actions(plan) == [("create", "A")]


def test_each_cycle_is_told_where_a_file_closes_it() -> None:
    files = [declared("A", referring("B")), declared("B", referring("A")), declared("C", referring("C"))]
    errors = errors_of(files, [])
    assert len(errors) == 2
    assert any("C.definition: conditions[0].conditions[0].segment: " in error for error in errors)
    assert any(error.endswith(("itself: A -> B -> A", "itself: B -> A -> B")) for error in errors)


def test_a_cycle_through_a_segment_that_no_file_declares_is_told_too() -> None:
    tenant = [existing(1, "A"), existing(2, "Other", referring(1))]
    (error,) = errors_of([declared("A", referring("Other"))], tenant)
    assert error.startswith("f.yaml: A.definition: conditions[0].conditions[0].segment: ")
    assert error.endswith(("A -> Other -> A", "Other -> A -> Other"))


def test_a_cycle_that_the_files_break_up_is_none() -> None:
    tenant = [existing(1, "A", referring(2)), existing(2, "B")]
    plan = make_plan([declared("B", referring("A")), declared("A")], tenant)
    assert actions(plan) == [("change", "A"), ("change", "B")]


def test_prune_deletes_each_after_those_that_refer_to_it() -> None:
    tenant = [existing(1, "A"), existing(2, "B", referring(1)), existing(3, "C", referring(1, 2)), existing(4, "D")]
    plan = make_plan([declared("D")], tenant, prune=True)
    assert actions(plan) == [("unchanged", "D"), ("delete", "C"), ("delete", "B"), ("delete", "A")]
    assert plan.unmanaged == []


@pytest.mark.parametrize(("reference", "key"), [("Old", "segment"), (1, "segment_id")])
def test_prune_does_not_take_away_what_a_file_refers_to(reference: str | int, key: str) -> None:
    assert errors_of([declared("A", referring(reference))], [existing(1, "Old")], prune=True) == [
        (
            f"f.yaml: A.definition: conditions[0].conditions[0].{key}: "
            "no file declares 'Old', so that --prune would delete it"
        )
    ]


def test_the_plan_as_json_has_nulls_where_nothing_is_counted() -> None:
    tenant = [existing(1, "A", description="old"), existing(2, "C")]
    plan = make_plan([declared("A"), declared("B", referring("A"))], tenant)
    assert plan_json(plan, {"B": Effect(entering=3, leaving=0)}) == {
        "steps": [
            {
                "action": "change",
                "name": "A",
                "id": 1,
                "declared_in": "f.yaml: A",
                "changes": {"description": {"from": "old", "to": ""}},
                "entering": None,
                "leaving": None,
                "awaits": [],
            },
            {
                "action": "create",
                "name": "B",
                "id": None,
                "declared_in": "f.yaml: B",
                "changes": {},
                "entering": 3,
                "leaving": 0,
                "awaits": [],
            },
        ],
        "unmanaged": [{"id": 2, "name": "C"}],
    }
