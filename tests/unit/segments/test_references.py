"""References are found with their paths, and those that lead nowhere or back are refused."""

from services.segments.references import references, wrong_references


def member_of(segment_id: int) -> dict[str, object]:
    return {"type": "segment_membership", "segment_id": segment_id, "operator": "in"}


def every(*conditions: dict[str, object]) -> dict[str, object]:
    return {"logic": "AND", "conditions": list(conditions)}


COUNT: dict[str, object] = {"type": "event_count", "event_type": "e", "operator": "gte", "value": 1}


def test_references_carry_the_path_of_their_condition() -> None:
    definition = every(member_of(7), COUNT, every(COUNT, member_of(8)), member_of(7))
    assert references(definition) == {
        "conditions[0]": 7,
        "conditions[2].conditions[1]": 8,
        "conditions[3]": 7,
    }


def test_what_does_not_parse_refers_to_nothing() -> None:
    for definition in (None, "text", {}, every(member_of(7), {"type": "unknown"})):
        assert references(definition) == {}


def test_a_segment_that_is_not_there_is_named_with_its_path() -> None:
    wrong = wrong_references({"conditions[0]": 7, "conditions[1]": 8}, known={8}, edges={}, segment_id=1)
    assert wrong == ["conditions[0].segment_id: there is no segment 7"]


def test_a_way_back_is_named() -> None:
    edges = {2: [3, 4], 4: [5, 1], 1: [6]}
    wrong = wrong_references({"conditions[0]": 2, "conditions[1]": 3}, known={2, 3}, edges=edges, segment_id=1)
    assert wrong == ["conditions[0].segment_id: a segment cannot depend on itself: 1 -> 2 -> 4 -> 1"]


def test_a_segment_cannot_refer_to_itself() -> None:
    wrong = wrong_references({"conditions[0]": 1}, known={1}, edges={}, segment_id=1)
    assert wrong == ["conditions[0].segment_id: a segment cannot depend on itself: 1 -> 1"]


def test_two_ways_to_one_segment_are_no_cycle() -> None:
    edges = {2: [4], 3: [4]}
    assert wrong_references({"conditions[0]": 2, "conditions[1]": 3}, known={2, 3}, edges=edges, segment_id=1) == []


def test_every_wrong_reference_is_reported() -> None:
    referred = {"conditions[0]": 9, "conditions[1]": 1, "conditions[2]": 2}
    wrong = wrong_references(referred, known={1, 2}, edges={2: [1]}, segment_id=1)
    assert [text.partition(".")[0] for text in wrong] == list(referred)
