"""segopsctl segments plan and apply: files become segments of a running platform."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.account import Account, new_slug
from tests.e2e.segopsctl import segopsctl, started
from tests.running import Running, wait_for

NOTHING, REFUSED, WRONG, MISSING, CHANGES = 0, 1, 2, 3, 5


def did(event_type: str) -> dict[str, Any]:
    condition = {"type": "event_count", "event_type": event_type, "operator": "gte", "value": 1}
    return {"logic": "AND", "conditions": [condition]}


def is_in(name: str) -> dict[str, Any]:
    return {"logic": "AND", "conditions": [{"type": "segment_membership", "segment": name, "operator": "in"}]}


class Directory:
    """A file of segments and the commands that take it."""

    def __init__(self, platform: Running, owner: Account, path: Path) -> None:
        self._platform = platform
        self._owner = owner
        self.path = path

    def write(self, *segments: dict[str, Any]) -> None:
        """Declares these segments and no others."""
        self.path.write_text(yaml.safe_dump({"segments": list(segments)}))

    def run(self, command: str, *options: str, typed: str = "") -> tuple[int, str, str]:
        """Exit code, output and errors of a command on the file."""
        arguments = ("segments", command, str(self.path), "--tenant", self._owner.slug, *options)
        ended = segopsctl(self._platform, *arguments, typed=typed)
        return ended.returncode, ended.stdout, ended.stderr

    def json(self, command: str, *options: str) -> Any:
        """The JSON a successful command prints."""
        code, out, err = self.run(command, "--json", *options)
        assert code == 0, err
        return json.loads(out)

    def segments(self) -> dict[str, dict[str, Any]]:
        """The tenant's segments by name, as the API shows them."""
        answer = self._owner.server.get("/api/segments/").json()
        return {segment["name"]: segment for segment in answer["results"]}


@pytest.fixture
def directory(platform: Running, owner: Account, tmp_path: Path) -> Directory:
    return Directory(platform, owner, tmp_path / "segments.yaml")


def test_a_file_becomes_segments_and_a_second_time_changes_nothing(directory: Directory, owner: Account) -> None:
    events = [{"user_id": user, "event_type": "bought"} for user in ("a", "b")]
    owner.server.post("/api/ingestion/track/batch/", json={"events": events})
    wait_for(lambda: owner.server.get("/api/explorer/users/").json()["count"] == 2)
    directory.write(
        {"name": "Twice", "definition": is_in("Buyers"), "refresh_minutes": 60},
        {"name": "Buyers", "definition": did("bought"), "description": "Bought once."},
    )
    code, out, _ = directory.run("plan", "--json", "--exit-code")
    assert code == CHANGES
    assert [(step["action"], step["name"], step["entering"], step["awaits"]) for step in json.loads(out)["steps"]] == [
        ("create", "Buyers", 2, []),
        ("create", "Twice", None, ["Buyers"]),
    ]
    assert directory.segments() == {}
    applied = directory.json("apply", "--yes", "--compute")["applied"]
    assert [(step["action"], step["name"], step["queued"]) for step in applied] == [
        ("create", "Buyers", True),
        ("create", "Twice", True),
    ]
    made = directory.segments()
    assert {step["name"]: step["id"] for step in applied} == {name: segment["id"] for name, segment in made.items()}
    assert made["Buyers"]["description"] == "Bought once."
    assert made["Twice"]["refresh_minutes"] == 60
    assert made["Twice"]["definition"]["conditions"][0]["segment_id"] == made["Buyers"]["id"]
    wait_for(lambda: all(segment["member_count"] == 2 for segment in directory.segments().values()))
    versions = owner.server.get(f"/api/segments/{made['Buyers']['id']}/versions/").json()["results"]
    assert [(version["version"], version["created_by"]) for version in versions] == [(1, "service:segopsctl")]
    assert directory.run("plan", "--exit-code")[0] == NOTHING
    assert directory.json("apply", "--yes", "--compute")["applied"] == []
    assert {segment["version"] for segment in directory.segments().values()} == {1}


def test_a_change_is_shown_with_its_effect_and_applied_when_confirmed(directory: Directory, owner: Account) -> None:
    for user, event_type in (("a", "bought"), ("b", "bought"), ("c", "left")):
        owner.server.post("/api/ingestion/track/", json={"user_id": user, "event_type": event_type})
    wait_for(lambda: owner.server.get("/api/explorer/users/").json()["count"] == 3)
    directory.write({"name": "Some", "definition": did("bought")})
    directory.json("apply", "--yes", "--compute")
    wait_for(lambda: directory.segments()["Some"]["status"] == "computed")
    directory.write({"name": "Some", "definition": did("left"), "is_active": False})
    (step,) = directory.json("plan")["steps"]
    assert (step["action"], step["entering"], step["leaving"]) == ("change", 1, 2)
    assert step["changes"].keys() == {"definition", "is_active"}
    code, out, err = directory.run("apply", typed="n\n")
    assert code == REFUSED
    assert "-- event_type: bought" in out
    assert "+- event_type: left" in out
    assert "is_active: true -> false" in out
    assert "0 to create, 1 to change, 0 to delete, 0 unchanged. Apply?" in err
    assert directory.segments()["Some"]["version"] == 1
    code, out, _ = directory.run("apply", typed="y\n")
    assert code == 0
    assert f"changed 'Some' ({step['id']})" in out
    after = directory.segments()["Some"]
    assert (after["version"], after["is_active"], after["member_count"]) == (2, False, 2)


def test_what_no_file_names_is_left_alone_until_it_is_pruned(directory: Directory, owner: Account) -> None:
    directory.write({"name": "A", "definition": did("x")}, {"name": "B", "definition": is_in("A")})
    directory.json("apply", "--yes")
    owner.server.post("/api/segments/", json={"name": "By hand"})
    directory.write()
    assert "left alone: 'A', 'B', 'By hand'" in directory.run("plan")[1]
    assert directory.run("apply", "--prune")[0] == REFUSED
    assert directory.segments().keys() == {"A", "B", "By hand"}
    deleted = [step["name"] for step in directory.json("apply", "--prune", "--yes")["applied"]]
    assert sorted(deleted) == ["A", "B", "By hand"]
    assert deleted.index("B") < deleted.index("A")
    assert directory.segments() == {}


def test_nothing_is_applied_when_anything_is_wrong(directory: Directory) -> None:
    directory.write({"name": "A", "definition": did("x")}, {"name": "", "definition": {"logic": "AND"}})
    code, out, err = directory.run("apply", "--yes")
    assert (code, out) == (REFUSED, "")
    assert err.splitlines() == [
        f"{directory.path}: segments[1].name: This field is required.",
        f"{directory.path}: segments[1].definition: conditions: this key is required",
    ]
    directory.write({"name": "A", "definition": did("x")}, {"name": "B", "definition": is_in("C")})
    code, _, err = directory.run("apply", "--yes")
    assert (code, err) == (
        REFUSED,
        f"{directory.path}: segments[1].definition: conditions[0].segment: there is no segment 'C'\n",
    )
    assert directory.segments() == {}


def test_a_step_that_fails_says_what_was_done_before(directory: Directory, owner: Account, platform: Running) -> None:
    directory.write({"name": "A", "definition": did("x")})
    directory.json("apply", "--yes")
    directory.write({"name": "New", "definition": did("x")}, {"name": "A", "definition": did("y")})
    with started(platform, "segments", "apply", str(directory.path), "--tenant", owner.slug) as process:
        assert process.stderr
        asked = ""
        while "Apply?" not in asked and (character := process.stderr.read(1)):
            asked += character
        owner.server.delete(f"/api/segments/{directory.segments()['A']['id']}/")
        out, err = process.communicate("y\n")
    assert process.returncode == MISSING
    assert f"created 'New' ({directory.segments()['New']['id']})\n1 of 2 steps were taken." in out
    assert f"{directory.path}: segments[1]: 'A' failed:\nNot found." in err


def test_the_exit_codes_tell_scripts_what_happened(directory: Directory, platform: Running) -> None:
    directory.write({"name": "A", "definition": did("x")})
    missing = segopsctl(platform, "segments", "plan", str(directory.path), "--tenant", new_slug())
    assert missing.returncode == MISSING
    assert segopsctl(platform, "segments", "plan", "no-such-file.yaml", "--tenant", "x").returncode == WRONG
