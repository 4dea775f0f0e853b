"""Addresses of a service: one, a list of its replicas, or a name."""

import json

import pytest
from pydantic import ValidationError

from services.kit import addresses
from services.kit.channel import target_of
from services.kit.settings import Settings


@pytest.mark.parametrize(
    ("listed", "target", "may_be_several"),
    [
        ("unix:/run/a.sock", "unix:/run/a.sock", False),
        ("unix:/run/a.sock, unix:/run/b.sock", "unix:/run/a.sock,/run/b.sock", True),
        ("10.0.0.1:50051", "ipv4:10.0.0.1:50051", False),
        ("10.0.0.1:50051,10.0.0.2:50052", "ipv4:10.0.0.1:50051,10.0.0.2:50052", True),
        ("[fd00::1]:50051,[fd00::2]:50051", "ipv6:[fd00::1]:50051,[fd00::2]:50051", True),
        ("segments:50051", "dns:segments:50051", True),
    ],
)
def test_grpc_is_told_all_addresses_in_its_own_way(listed: str, target: str, may_be_several: bool) -> None:
    found = addresses.parse(listed)
    assert addresses.target(found) == target
    assert addresses.may_be_several(found) == may_be_several


@pytest.mark.parametrize(
    "listed", ["a:1,b:1", "10.0.0.1:1,a:1", "unix:/a,10.0.0.1:1", "10.0.0.1:1,[::1]:1", "a", "a:0"]
)
def test_what_nobody_could_call_is_refused_at_the_start(listed: str) -> None:
    with pytest.raises(ValidationError, match="segments_address"):
        Settings(segments_address=listed)


def test_only_where_there_may_be_others_is_a_replica_asked_whether_it_takes_calls() -> None:
    _, alone = target_of(Settings(segments_address="10.0.0.1:1"), "segments")
    _, several = target_of(Settings(segments_address="10.0.0.1:1,10.0.0.2:1"), "segments")
    assert "grpc.service_config" not in dict(alone)
    config = json.loads(str(dict(several)["grpc.service_config"]))
    assert config == {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "takes-calls"},
    }


def test_a_process_among_several_has_to_say_which_address_is_its_own() -> None:
    several = "10.0.0.1:1,10.0.0.2:1"
    with pytest.raises(ValueError, match="SEGOPS_LISTEN"):
        Settings(segments_address=several).listens_on("segments")
    assert Settings(segments_address=several, listen="10.0.0.1:1").listens_on("segments") == "10.0.0.1:1"
