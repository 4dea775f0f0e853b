"""What docs/deploy.md tells to type names services, files and values that exist."""

import itertools
import re
import shlex

from tests.composed import FILE, ROOT, document, services
from tests.unit.deploy.chart import CHART

TEXT = (ROOT / "docs/deploy.md").read_text()
LINES = [
    line
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
COMMANDS = [shlex.split(line) for line in (*LINES, *re.findall(r"`(docker [^`]+)`", TEXT))]


def test_services_of_commands_exist() -> None:
    asked = {word for words in COMMANDS if words[:3] == ["docker", "compose", "run"] for word in words[3:]}
    assert {"keys", "segopsctl"} <= asked & services().keys()


def test_files_of_commands_exist() -> None:
    for words in COMMANDS:
        for word in words:
            if word.startswith("deploy/"):
                assert (ROOT / word).exists()


def test_build_targets_exist() -> None:
    stages = set(re.findall(r" AS ([\w-]+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE))
    asked = {after for words in COMMANDS for before, after in itertools.pairwise(words) if before == "--target"}
    assert asked
    assert asked <= stages


def test_variables_of_the_environment_file_are_read() -> None:
    section = TEXT.partition("## Compose")[2].partition("## Secrets")[0]
    told = set(re.findall(r"`((?:SEGOPS|NATS)_[A-Z_]+)`", section)) - {"SEGOPS_WAREHOUSE_URL"}
    told |= set(re.findall(r"^(SEGOPS_\w+)=", section, re.MULTILINE))
    assert told == set(re.findall(r"\$\{(\w+):-", FILE.read_text()))


def test_every_secret_is_told_of() -> None:
    assert {name for name in document({})["secrets"] if not re.search(rf"[`/]{re.escape(name)}`", TEXT)} == set()


def test_values_of_the_text_exist() -> None:
    values = (CHART / "values.yaml").read_text()
    for path in re.findall(r"`(\w+\.\w+)`", TEXT.partition("## Kubernetes")[2]):
        if not path.endswith(("yaml", "yml")):
            assert re.search(rf"\b{path.split('.')[1]}:", values), path
