"""docker-compose.yml is what docker compose takes, and keeps its promises: nothing here needs an engine."""

import os
import tomllib
from graphlib import TopologicalSorter

import pytest
import yaml
from compose_spec import PyCompose

from deploy.keys import make
from deploy.local.programs import SERVICES
from tests.composed import OURS, ROOT, Composed, document, services
from tests.unit.deploy.known_settings import known_variables

ALL = list(services().values())
UP = [service for service in ALL if not service.is_tool]
LASTING = [service for service in UP if not service.ends]


def named(service: Composed) -> str:
    return service.name


def test_the_file_is_valid() -> None:
    composed = PyCompose.from_yaml(yaml.safe_dump(document({})))
    composed.validate()


def test_an_unknown_word_would_be_found() -> None:
    wrong = document({})
    wrong["services"]["authz"]["read_onyl"] = True
    with pytest.raises(ValueError, match="read_onyl"):
        PyCompose.from_yaml(yaml.safe_dump(wrong))


def test_every_process_of_the_platform_is_there() -> None:
    commands = {tuple(service.body["command"]) for service in UP if service.is_ours}
    assert {(f"services.{name}",) for name in SERVICES} | {("edge",)} <= commands


@pytest.mark.parametrize("service", ALL, ids=named)
def test_no_container_can_do_more_than_it_must(service: Composed) -> None:
    assert service.body["read_only"] is True
    assert service.body["cap_drop"] == ["ALL"]
    assert service.body["security_opt"] == ["no-new-privileges:true"]
    assert str(service.body["user"]).partition(":")[0] not in {"", "0", "root"}
    limits = service.body["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert "privileged" not in service.body
    assert "cap_add" not in service.body


@pytest.mark.parametrize("service", LASTING, ids=named)
def test_every_container_that_stays_says_how_it_is(service: Composed) -> None:
    check = service.body["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert check["start_period"]


@pytest.mark.parametrize("service", UP, ids=named)
def test_what_is_waited_for_can_come(service: Composed) -> None:
    for name, condition in service.dependencies.items():
        ends = services()[name].ends
        assert condition == ("service_completed_successfully" if ends else "service_healthy")


def test_nothing_waits_in_a_circle() -> None:
    TopologicalSorter({service.name: set(service.dependencies) for service in UP}).prepare()


@pytest.mark.parametrize("service", ALL, ids=named)
def test_every_variable_of_ours_is_a_setting(service: Composed) -> None:
    ours = {name for name in service.environment if name.startswith("SEGOPS_")}
    assert ours <= known_variables()


def test_every_secret_is_made_declared_and_given_to_somebody(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("keys")
    make(directory)
    made = {path.name for path in directory.iterdir()}
    declared = document({})["secrets"]
    assert declared == {name: {"file": f"secrets/{name}"} for name in made}
    assert {secret for service in ALL for secret in service.secrets} == made


def test_secrets_are_not_others_to_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("keys")
    make(directory)
    assert directory.stat().st_mode & 0o077 == 0


def test_keys_that_exist_are_left_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("keys")
    make(directory)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    make(directory)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize("service", ALL, ids=named)
def test_no_secret_is_in_the_file(service: Composed) -> None:
    for name, value in service.environment.items():
        assert "PASSWORD" not in name or name.endswith("_FILE")
        userinfo = value.partition("://")[2].partition("@")[0] if "@" in value else ""
        assert ":" not in userinfo


@pytest.mark.parametrize("service", ALL, ids=named)
def test_only_the_edge_is_open_to_the_outside(service: Composed) -> None:
    assert ("ports" in service.body) == (service.name == "envoy")


def test_stores_and_calls_have_no_way_out() -> None:
    networks = document({})["networks"]
    assert {name for name, body in networks.items() if (body or {}).get("internal")} == {"calls", "stores"}
    for service in UP:
        if "outside" in service.body.get("networks", ()):
            # Mails, buckets, vendors and clients.
            assert service.name in {"identity", "segments", "connectors", "envoy"}


@pytest.mark.parametrize("service", [service for service in ALL if not service.is_ours], ids=named)
def test_images_of_others_are_pinned_by_version(service: Composed) -> None:
    _, _, tag = service.image.partition(":")
    assert tag.lstrip("v")[0].isdigit()
    assert "." in tag


def test_our_image_bears_our_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {service.image for service in ALL if service.is_ours} == {f"{OURS}:{version}"}


def test_mounted_files_exist() -> None:
    for service in ALL:
        for source, _ in service.mounts.values():
            if source.startswith("./") and source != "./secrets":
                assert os.access(ROOT / source, os.R_OK)
