"""The example for Kubernetes: valid by the published schemas, safe, and in agreement with the commands it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from nlapi.cli.gateway import commands as gateway_cli
from nlapi.errors import Level
from nlapi.gateway.control.codec import decode_configuration
from nlapi.gateway.control.revision_compiler import validate_configuration
from nlapi.gateway.http.description import load_description
from nlapi.gateway.http.probes import PROBE_PATHS
from tests.gateway.processes import ROOT
from tests.tables import table

EXAMPLE = ROOT / "examples/gateway/kubernetes"
FILES = sorted(file for file in EXAMPLE.rglob("*.yaml") if file.name != "kustomization.yaml")
VARIANTS = ("single", "scale")
# The oldest with `preStop.sleep` in it by default, and the newest that the package has.
KUBERNETES_VERSIONS = ("1.30", "1.37")
CUSTOM_KINDS = frozenset(("ServiceMonitor", "RayCluster"))
"""kinds of operators, which the schemas of Kubernetes do not have"""
OWN_OBJECTS = frozenset(
    (
        ("Secret", "nlapi-gateway-tls"), ("Secret", "nlapi-host-token"), ("Secret", "nlapi-control-tls"),
        ("Secret", "nlapi-database"), ("Secret", "nlapi-routing-keys"), ("Secret", "nlapi-envoy-tls"),
        ("Secret", "nlapi-serving-tls"), ("PersistentVolumeClaim", "nlapi-models"),
    )
)  # fmt: skip
"""what docs/gateway-kubernetes.md tells the reader to make"""


@table("file", FILES, ids=lambda file: str(file.relative_to(EXAMPLE)))
def test_every_object_fits_the_published_schemas(file: Path) -> None:
    for item in _read(file):
        if item["kind"] not in CUSTOM_KINDS:
            for version in KUBERNETES_VERSIONS:
                kubernetes_validate.validate(item, version, strict=True)


def test_a_fault_is_seen_by_these_schemas() -> None:
    (deployment, *_) = _read(EXAMPLE / "single/gateway.yaml")
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnly"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, KUBERNETES_VERSIONS[-1], strict=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_pods_are_confined(variant: str) -> None:
    for name, pod in _pods(variant):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]
            assert not container["image"].endswith(":latest")
            assert ":" in container["image"]
            volumes = {volume["name"] for volume in pod["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes, name
            ports = {port["name"] for port in container.get("ports", ())}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe") if ports else ():
                action = container[probe].get("httpGet") or container[probe]["tcpSocket"]
                assert action["port"] in ports
                assert action.get("path", "/livez") in PROBE_PATHS


@pytest.mark.parametrize("variant", VARIANTS)
def test_commands_get_options_that_they_take(variant: str) -> None:
    for name, pod in _pods(variant):
        (container,) = pod["containers"]
        if container["command"][0] != "nlapi":
            continue
        command = get_command(gateway_cli.app).commands.get(container["command"][-1])  # type: ignore[attr-defined]
        if command is None:
            pytest.skip(f"this nlapi has no `{' '.join(container['command'])}`")
        options = dict(text.removeprefix("--").split("=", 1) for text in container["args"])
        known = {option for parameter in command.params for option in parameter.opts}
        assert {f"--{option}" for option in options} <= known, name
        if "ports" not in container:  # it serves nobody
            continue
        ports = {port["containerPort"] for port in container["ports"]}
        assert {int(options["port"]), int(options["probe-port"])} <= ports
        seconds = float(options["drain-delay"]) + float(options["drain-timeout"])
        assert pod["terminationGracePeriodSeconds"] > seconds
        # Files of options lie where a volume is mounted.
        paths = {mount["mountPath"] for mount in container["volumeMounts"]} | {"/etc/nlapi-serving", "/dev"}
        for option, value in options.items():
            file = value.removeprefix("file:")
            if file.startswith("/"):
                assert any(Path(file).is_relative_to(path) for path in paths), option


@pytest.mark.parametrize("variant", VARIANTS)
def test_objects_refer_to_each_other_and_to_what_the_reader_makes(variant: str) -> None:
    objects = list(_objects(variant))
    made = {(item["kind"], item["metadata"]["name"]) for item in objects} | OWN_OBJECTS
    assert len(made) == len(objects) + len(OWN_OBJECTS)
    templates = [item["spec"]["template"] for item in objects if item["kind"] == "Deployment"]
    templates += [item["spec"]["headGroupSpec"]["template"] for item in objects if item["kind"] == "RayCluster"]
    labels = [template["metadata"]["labels"] for template in templates]
    for item in objects:
        kind, spec = item["kind"], item.get("spec", {})
        if kind == "HorizontalPodAutoscaler":
            assert ("Deployment", spec["scaleTargetRef"]["name"]) in made
        selector = spec.get("podSelector" if kind == "NetworkPolicy" else "selector", {})
        selected = selector.get("matchLabels", selector)
        if selected:
            assert any(selected.items() <= label.items() for label in labels), (kind, selected)
        for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
            for peer in (*rule.get("from", ()), *rule.get("to", ())):
                peers = peer.get("podSelector", {}).get("matchLabels", {})
                assert not peers or any(peers.items() <= label.items() for label in labels), peers
    for _, pod in _pods(variant):
        for volume in pod["volumes"]:
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in made
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in made
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in made
    page = (ROOT / "docs/gateway-kubernetes.md").read_text(encoding="utf-8")
    for _, name in OWN_OBJECTS:
        assert f"`{name}`" in page


def test_the_configuration_has_no_fault() -> None:
    (item,) = _read(EXAMPLE / "configuration/configuration.yaml")
    document = load_description().check("Configuration", yaml.safe_load(item["data"]["gateway.yaml"]))
    issues = validate_configuration(decode_configuration(document))
    assert [issue for issue in issues if issue.level is Level.ERROR] == []


def test_monitors_select_services_that_have_their_ports() -> None:
    for monitor in _read(EXAMPLE / "monitoring/monitors.yaml"):
        labels = monitor["spec"]["selector"]["matchLabels"]
        for variant in VARIANTS:
            services = [item for item in _objects(variant) if item["kind"] == "Service"]
            selected = [item for item in services if labels.items() <= item["metadata"].get("labels", {}).items()]
            assert len(selected) == 1, (variant, labels)
            ports = {port["name"] for port in selected[0]["spec"]["ports"]}
            assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def _read(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def _objects(variant: str) -> Iterator[dict[str, Any]]:
    """The objects of a kustomization and of those that it names."""
    folder = EXAMPLE / variant
    (kustomization,) = _read(folder / "kustomization.yaml")
    assert kustomization["namespace"] == "nlapi"
    for name in kustomization["resources"]:
        resource = (folder / name).resolve()
        yield from _objects(str(resource.relative_to(EXAMPLE))) if resource.is_dir() else _read(resource)


def _pods(variant: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in _objects(variant):
        if item["kind"] == "Deployment":
            yield item["metadata"]["name"], item["spec"]["template"]["spec"]
