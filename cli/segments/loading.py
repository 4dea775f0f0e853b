"""Files as JSON values, written as JSON or as YAML."""

import json
from pathlib import Path
from typing import Any

import yaml

from cli.segments.definitions import canonical

TIMESTAMP, MERGE = "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge"


class Unreadable(Exception):
    """A file could not be read, in one line."""


def load(path: Path) -> Any:
    """What is in a file: JSON when its name ends in `.json`, else YAML. Raises Unreadable."""
    try:
        text = path.read_text(encoding="utf-8")
        read = json.loads(text, object_pairs_hook=_unique) if path.suffix == ".json" else yaml.load(text, _Loader)
        return canonical(read)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise Unreadable(f"{place}{error.problem}") from error
    except (OSError, TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise Unreadable(str(error)) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    for at, key in enumerate(keys):
        if key in keys[:at]:
            raise ValueError(f"the key {key!r} is there twice")
    return dict(pairs)


class _Loader(yaml.SafeLoader):
    """YAML in which no key is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != MERGE]
        for at, key in enumerate(keys):
            if key.value in [before.value for before in keys[:at]]:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


# As in JSON, a time is text.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
