"""The Helm chart renders what Kubernetes takes; it agrees with the code, with compose, and with itself."""

import re
from typing import Any

import helm_python as helm
import jsonschema
import kubernetes_validate
import pytest
import yaml

from deploy.keys import make
from deploy.local.programs import SERVICES
from services.kit.channel import TAKES_CALLS
from tests.composed import ROOT, services
from tests.unit.deploy.chart import (
    CHART,
    Manifest,
    containers,
    named,
    of_kind,
    pods,
    render,
    rendered,
    selects,
    values,
)
from tests.unit.deploy.known_settings import known_variables
from tests.unit.deploy.monitors import SCHEMAS

KUBERNETES = "1.37"
SETS = ("small", "production")
PROCESSES = (*SERVICES, "authz")
OF_TOOLS = {"AWS_SHARED_CREDENTIALS_FILE", "POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS", "NATS_STORE"}

both = pytest.mark.parametrize("name", SETS)


def test_helm_finds_nothing_wrong() -> None:
    assert helm.lint(str(CHART))["errors"] == []


@both
def test_every_manifest_is_valid(name: str) -> None:
    for manifest in _monitored(name):
        if manifest["kind"] in SCHEMAS:
            jsonschema.validate(manifest, SCHEMAS[manifest["kind"]])
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_a_field_that_kubernetes_does_not_know_would_be_found() -> None:
    [*manifests] = render(values("small"))
    manifests[0]["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifests[0], KUBERNETES, strict=True)


@both
def test_every_service_of_the_code_is_there(name: str) -> None:
    names = {name for name, _ in pods(rendered(name))}
    assert {f"segops-{process}" for process in (*PROCESSES, "envoy")} <= names


@both
def test_every_variable_is_a_setting(name: str) -> None:
    assert named(rendered(name), "ConfigMap", "segops")["data"].keys() <= known_variables() | OF_TOOLS
    for _, pod in pods(rendered(name)):
        for container in containers(pod):
            assert {variable["name"] for variable in container.get("env", ())} <= known_variables() | OF_TOOLS


@both
def test_no_pod_can_do_more_than_it_must(name: str) -> None:
    for _, pod in pods(rendered(name)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@both
def test_every_container_that_stays_is_looked_at(name: str) -> None:
    for workload in of_kind(rendered(name), "Deployment", "StatefulSet"):
        for container in workload["spec"]["template"]["spec"]["containers"]:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                [how] = container[probe].keys() & {"grpc", "httpGet", "tcpSocket", "exec"}
                if how != "exec":
                    assert container[probe][how]["port"] in {port["containerPort"] for port in container["ports"]}


@both
def test_a_process_listens_where_it_is_looked_for(name: str) -> None:
    settings = named(rendered(name), "ConfigMap", "segops")["data"]
    for process in PROCESSES:
        [container] = _pod(name, process)["spec"]["containers"]
        listen = {variable["name"]: variable["value"] for variable in container["env"]}["SEGOPS_LISTEN"]
        host, _, port = settings[f"SEGOPS_{process.upper()}_ADDRESS"].partition(":")
        service = named(rendered(name), "Service", host)
        assert service["spec"]["clusterIP"] == "None"
        assert {int(port), 9464} == {entry["port"] for entry in service["spec"]["ports"]}
        assert listen == f"0.0.0.0:{port}"
        assert settings["SEGOPS_METRICS_LISTEN"] == "0.0.0.0:9464"
        assert {entry["containerPort"] for entry in container["ports"]} == {int(port), 9464}


@both
def test_a_process_lives_while_it_takes_calls_whatever_becomes_of_stores(name: str) -> None:
    for service in SERVICES:
        [container] = _pod(name, service)["spec"]["containers"]
        assert container["livenessProbe"]["grpc"]["service"] == TAKES_CALLS


@both
def test_pods_are_given_the_time_that_they_take_to_end(name: str) -> None:
    settings = named(rendered(name), "ConfigMap", "segops")["data"]
    takes = float(settings["SEGOPS_HANDOVER_SECONDS"]) + float(settings["SEGOPS_DRAIN_SECONDS"])
    for process in (*PROCESSES, "envoy"):
        assert _pod(name, process)["spec"]["terminationGracePeriodSeconds"] > takes
    [envoy] = _pod(name, "envoy")["spec"]["containers"]
    assert f"sleep {takes:.0f}" in envoy["lifecycle"]["preStop"]["exec"]["command"][-1]


@both
def test_every_selector_finds_the_pods_that_it_is_for(name: str) -> None:
    labels = [pod["metadata"]["labels"] for _, pod in pods(rendered(name))]
    for manifest in rendered(name):
        spec = manifest.get("spec", {})
        if manifest["kind"] in {"Deployment", "StatefulSet"}:
            assert selects(spec["selector"], spec["template"]["metadata"]["labels"])
        elif manifest["kind"] == "Service":
            assert [found for found in labels if spec["selector"].items() <= found.items()]
        elif manifest["kind"] in {"PodDisruptionBudget", "PodMonitor"}:
            assert len([found for found in labels if selects(spec["selector"], found)]) == 1
        elif manifest["kind"] == "NetworkPolicy":
            peers = [peer for rule in spec.get("ingress", ()) for peer in rule.get("from", ())]
            chosen = [spec["podSelector"], *(peer["podSelector"] for peer in peers if "podSelector" in peer)]
            assert all([found for found in labels if selects(selector, found)] for selector in chosen)


@both
def test_metrics_are_scraped_at_every_process(name: str) -> None:
    monitored = _monitored(name)
    [services_seen], [pods_seen] = of_kind(monitored, "ServiceMonitor"), of_kind(monitored, "PodMonitor")
    with_metrics = [
        service["metadata"]["name"]
        for service in of_kind(monitored, "Service")
        if selects(services_seen["spec"]["selector"], service["metadata"]["labels"])
        and {"metrics"} & {port["name"] for port in service["spec"]["ports"]}
    ]
    assert sorted(with_metrics) == sorted(f"segops-{process}" for process in PROCESSES)
    assert selects(pods_seen["spec"]["selector"], _pod(name, "envoy")["metadata"]["labels"])


@both
def test_alerts_are_those_that_are_committed_and_know_the_jobs(name: str) -> None:
    monitored = _monitored(name)
    [rules] = of_kind(monitored, "PrometheusRule")
    assert rules["spec"] == yaml.safe_load((ROOT / "deploy/observability/alerts.yml").read_text())
    [down] = [rule for rule in rules["spec"]["groups"][0]["rules"] if rule["alert"] == "ProcessDown"]
    [job] = re.findall(r'job=~"([^"]+)"', down["expr"])
    for monitor in of_kind(monitored, "ServiceMonitor", "PodMonitor"):
        for service in of_kind(monitored, "Service"):
            assert re.fullmatch(job, service["metadata"]["labels"][monitor["spec"]["jobLabel"]])


@both
def test_every_key_of_a_secret_is_one_that_is_made(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("keys")
    make(directory)
    made = {path.name for path in directory.iterdir()}
    for _, pod in pods(rendered(name)):
        for volume in pod["spec"].get("volumes", ()):
            if volume.get("secret", {}).get("secretName") == "segops-keys":
                assert {item["key"] for item in volume["secret"]["items"]} <= made


@both
def test_every_volume_and_config_map_that_is_mounted_exists(name: str) -> None:
    maps = {manifest["metadata"]["name"]: manifest["data"] for manifest in of_kind(rendered(name), "ConfigMap")}
    for workload, pod in pods(rendered(name)):
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in _claims(name, workload)}
        mounted = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
        assert mounted == volumes
        assert {
            volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume
        } <= maps.keys()
        for container in containers(pod):
            assert {source["configMapRef"]["name"] for source in container.get("envFrom", ())} <= maps.keys()


@both
def test_a_process_is_given_the_same_secrets_as_in_compose(name: str) -> None:
    for process in PROCESSES:
        [keys] = [volume for volume in _pod(name, process)["spec"]["volumes"] if volume["name"] == "keys"]
        given = {item["key"] for item in keys["secret"]["items"]}
        assert given == set(services()[process].secrets) - {"aws_credentials"}


def test_images_are_those_of_compose() -> None:
    composed = {name: service.image for name, service in services().items()}
    for name in SETS:
        for workload, pod in pods(rendered(name)):
            for container in containers(pod):
                part = (
                    "prepare" if container["name"] == "prepare" else workload.removeprefix("segops-").partition("-")[0]
                )
                image = container["image"]
                # ClickHouse is a server of its own in compose.
                assert image.removesuffix("-embedded") == composed[part]


@both
def test_envoy_may_be_reached_from_outside_and_nothing_else(name: str) -> None:
    open_to_all = {
        policy["metadata"]["name"]
        for policy in of_kind(rendered(name), "NetworkPolicy")
        for rule in policy["spec"].get("ingress", ())
        if "from" not in rule
    }
    assert open_to_all == {"segops-envoy"}
    everything = named(rendered(name), "NetworkPolicy", "segops")["spec"]
    assert everything["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everything
    for _, pod in pods(rendered(name)):
        assert selects(everything["podSelector"], pod["metadata"]["labels"])


def test_connectors_reach_no_private_network_but_the_stores() -> None:
    egress = named(rendered("small"), "NetworkPolicy", "segops-connectors")["spec"]["egress"]
    for rule in egress:
        for peer in rule.get("to", ()):
            if "ipBlock" in peer:
                assert peer["ipBlock"]["except"]


def test_small_needs_nothing_but_volumes() -> None:
    settings = named(rendered("small"), "ConfigMap", "segops")["data"]
    assert settings["SEGOPS_WAREHOUSE_URL"] == ""
    assert settings["SEGOPS_RATELIMIT_URL"] == ""
    keep = {workload["metadata"]["name"] for workload in of_kind(rendered("small"), "StatefulSet")}
    assert keep == {f"segops-{part}" for part in ("postgres", "nats", "warehouse", "segments", "connectors")}
    assert not of_kind(rendered("small"), "HorizontalPodAutoscaler", "PodDisruptionBudget")


def test_production_keeps_nothing_in_the_cluster_and_grows() -> None:
    assert not of_kind(rendered("production"), "StatefulSet")
    parts = {f"segops-{part}" for part in (*PROCESSES, "envoy")}
    for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert {manifest["metadata"]["name"] for manifest in of_kind(rendered("production"), kind)} == parts
    for scaler in of_kind(rendered("production"), "HorizontalPodAutoscaler"):
        named(rendered("production"), "Deployment", scaler["spec"]["scaleTargetRef"]["name"])


def test_the_schema_is_migrated_before_new_code_runs() -> None:
    [job] = of_kind(rendered("production"), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # There is no PostgreSQL before the chart's own; services wait until the schema is there.
    [job] = of_kind(rendered("small"), "Job")
    assert "annotations" not in job["metadata"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"processes": {"warehouse": {"replicas": 2, "most": 2}}}, "cannot have replicas"),
        ({"stores": {"postgres": {"url": "postgresql://segops@db.example.com/segops"}}}, "say the port"),
        ({"stores": {"nats": {"size": "50000M"}}}, "say sizes in Gi or Ti"),
        ({"processes": {"ingestion": {"replicas": "many"}}}, "replicas"),
        ({"stroes": {}}, "stroes"),
    ],
)
def test_values_that_do_not_do_are_refused_with_a_reason(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(helm.HelmError, match=said):
        render(wrong)


def _monitored(name: str) -> tuple[Manifest, ...]:
    return tuple(render(values(name) | {"monitoring": {"enabled": True}}))


def _pod(name: str, process: str) -> Manifest:
    return dict(pods(rendered(name)))[f"segops-{process}"]


def _claims(name: str, workload: str) -> list[Manifest]:
    found = [item for item in of_kind(rendered(name), "StatefulSet") if item["metadata"]["name"] == workload]
    return [claim for item in found for claim in item["spec"]["volumeClaimTemplates"]]
