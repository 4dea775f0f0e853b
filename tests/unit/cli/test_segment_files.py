"""Files that declare segments: every error is told, with file and path."""

from pathlib import Path

import pytest

from cli.segments.files import Declared, read
from services.kit.errors import Invalid

YAML = """
segments:
  - name: Buyers
    description: Bought once.
    refresh_minutes: 60
    definition:
      logic: AND
      conditions:
        - {type: event_count, event_type: bought, operator: gte, value: 1.0}
        - {type: user_property, property: since, operator: gt, value: 2026-01-01T00:00:00Z}
  - name: Others
    is_active: false
    definition: &none
      logic: OR
      conditions:
        - {type: segment_membership, segment: Buyers, operator: not_in}
        - logic: AND
          conditions: [{type: segment_membership, segment_id: 7, operator: in}]
"""
JSON = """[{"name": "Buyers", "definition": {"logic": "AND", "conditions": [
    {"type": "event_count", "event_type": "bought", "operator": "gte", "value": 1}]}}]"""


def written(directory: Path, text: str, name: str = "segments.yaml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def errors_of(*paths: Path) -> list[str]:
    with pytest.raises(Invalid) as raised:
        read(paths)
    return [line.replace(f"{paths[0].parent}/", "") for line in raised.value.detail.splitlines()]


def test_yaml_is_read_as_json_would_be(tmp_path: Path) -> None:
    buyers, others = read([written(tmp_path, YAML)])
    assert buyers == Declared(
        place=f"{tmp_path}/segments.yaml: segments[0]",
        name="Buyers",
        description="Bought once.",
        refresh_minutes=60,
        is_active=True,
        definition={
            "logic": "AND",
            "conditions": [
                {"type": "event_count", "event_type": "bought", "operator": "gte", "value": 1},
                {"type": "user_property", "property": "since", "operator": "gt", "value": "2026-01-01T00:00:00Z"},
            ],
        },
    )
    assert (others.description, others.refresh_minutes, others.is_active) == ("", None, False)


def test_json_and_a_bare_list_are_read_too(tmp_path: Path) -> None:
    (from_json,) = read([written(tmp_path, JSON, "segments.json")])
    (from_yaml,) = read([written(tmp_path, JSON)])
    assert from_json.definition == from_yaml.definition
    assert from_json.place.endswith("segments.json: [0]")
    assert read([written(tmp_path, "[]"), written(tmp_path, '{"segments": []}', "b.json")]) == []


def test_every_error_of_every_file_is_told_with_its_place(tmp_path: Path) -> None:
    first = written(
        tmp_path,
        """
        segments:
          - name: ""
            colour: red
            refresh_minutes: 4
            is_active: "yes"
            description: 5
            definition: {logic: XOR, conditions: [{type: segment_membership, segment: 7, operator: in}]}
          - 5
          - name: A
            definition:
              logic: AND
              conditions: [{type: segment_membership, segment: A, segment_id: 1, operator: in}]
        owner: me
        """,
    )
    second = written(tmp_path, "segments: [{name: 'x'}", "b.yaml")
    third = written(tmp_path, "name: x", "c.yaml")
    assert errors_of(first, second, third) == [
        "segments.yaml: owner: unknown key",
        "segments.yaml: segments[0].name: This field is required.",
        "segments.yaml: segments[0].description: must be text, not a number",
        "segments.yaml: segments[0].definition: conditions[0].segment: must be text, not a number",
        "segments.yaml: segments[0].definition: logic: 'XOR' is not one of AND, OR",
        "segments.yaml: segments[0].refresh_minutes: must be null or a whole number from 5 to 10,080",
        "segments.yaml: segments[0].is_active: must be true or false, not text",
        "segments.yaml: segments[0].colour: unknown key",
        "segments.yaml: segments[1]: must be an object, not a number",
        "segments.yaml: segments[2].definition: conditions[0].segment: unknown key",
        "b.yaml: line 1, column 23: expected ',' or ']', but got '<stream end>'",
        "c.yaml: name: unknown key",
        "c.yaml: segments must be a list of segments, not null",
    ]


def test_a_name_is_declared_once_in_all_files(tmp_path: Path) -> None:
    paths = [written(tmp_path, JSON, name) for name in ("a.json", "b.json")]
    assert errors_of(*paths) == ["b.json: [0].name: 'Buyers' is declared already: a.json: [0]"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "", "the file must be a list of segments, not null"),
        ("a.yaml", "a: 1\na: 2", "line 2, column 1: the key 'a' is there twice"),
        ("a.json", '[{"a": 1, "a": 2}]', "the key 'a' is there twice"),
        ("a.json", "[", "Expecting value: line 1 column 2 (char 1)"),
        ("a.json", '["\\ud800"]', "surrogates not allowed"),
        ("a.yaml", "[.nan]", "Out of range float values are not JSON compliant"),
        ("a.yaml", "&a [*a]", "Circular reference detected"),
        ("a.yaml", "!!python/object:os.system {}", "could not determine a constructor for the tag"),
        ("a.yaml", "[" * 1000 + "]" * 1000, "maximum recursion depth exceeded"),
    ],
)
def test_what_is_not_json_is_refused_in_one_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (error,) = errors_of(written(tmp_path, text, name))
    assert error.startswith(f"{name}: ")
    assert said in error


def test_a_definition_that_nests_too_deeply_is_refused(tmp_path: Path) -> None:
    group = '{"logic": "AND", "conditions": ['
    text = '[{"name": "a", "definition": ' + group * 300 + "]}" * 300 + "}]"
    assert "groups nest at most 5 deep" in errors_of(written(tmp_path, text, "a.json"))[0]
