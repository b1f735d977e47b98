"""What each part of Envoy's configuration costs: the whole of it, and it without one part, beside a plain Envoy.

    python -m benchmarks.gateway_envoy_parts [--rounds N] [--size BYTES] [--envoy PATH] [--instructions] [PART ...]

Each variant is an Envoy of its own with the resources of a revision in its bootstrap, on one worker; rounds take turns.
With --instructions, Envoy runs in callgrind (of valgrind, on the PATH), and the instructions of its worker outside of
the kernel are counted: other programs do not change them, and two runs differ by 0.2 %. A variant takes 20 s.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gateway_envoy_planes import configuration, drive, payload, plain_bootstrap, post, upstream_command
from benchmarks.load import closed_loop, cpu_seconds, server
from benchmarks.ports import free_port
from nlapi.gateway.envoy.carriage import carriage
from nlapi.gateway.envoy.envoy_process import find_envoy
from nlapi.gateway.envoy.options import DataPlaneOptions
from nlapi.gateway.envoy.resources import (
    CLUSTER,
    ENDPOINTS,
    EXTENSION,
    LISTENERS,
    ROUTES,
    SCOPE,
    KeySettings,
    Resources,
    extension_resources,
    fixed_resources,
    objective_resources,
)
from nlapi.gateway.routing_keys.cells import list_cells
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.gateway.routing_keys.key_set import MAX_LIFETIME_S
from nlapi.gateway.routing_keys.key_verifier import ISSUER, KeySigner
from nlapi.routing.model import Configuration, Decision, VersionRef

SECONDS = 0.5
CLIENTS = 16
WARM_REQUESTS, COUNTED_REQUESTS = 160, 320
# `rep movsb`, with which glibc copies more than 2 KB, would count as an instruction for each byte.
_WITHOUT_REP = {"GLIBC_TUNABLES": f"glibc.cpu.x86_rep_movsb_threshold={2**40}"}
Json = Any


def _manager(resources: Resources) -> Json:
    listener: Json = resources[LISTENERS]["payloads"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def _without_filter(name: str) -> Callable[[Resources], None]:
    def change(resources: Resources) -> None:
        manager = _manager(resources)
        manager["http_filters"] = [entry for entry in manager["http_filters"] if entry["name"] != name]

    return change


def _without_settings(*names: str) -> Callable[[Resources], None]:
    def change(resources: Resources) -> None:
        for name in names:
            _manager(resources).pop(name)

    return change


def _without_logged_claims(resources: Resources) -> None:
    content: Json = resources[EXTENSION]["routing-keys"]["typed_config"]
    provider = content["providers"]["gateway"]
    provider["claim_to_headers"] = [
        entry for entry in provider["claim_to_headers"] if entry["claim_name"] in ("objective", "cell")
    ]


def _without_retries(resources: Resources) -> None:
    host: Json
    for routes in resources[ROUTES].values():
        for host in routes["virtual_hosts"]:  # type: ignore[union-attr]
            host.pop("retry_policy")


def _without_bodies_kept(resources: Resources) -> None:
    host: Json
    for routes in resources[ROUTES].values():
        for host in routes["virtual_hosts"]:  # type: ignore[union-attr]
            host["request_body_buffer_limit"] = "0"


def _without_two_keys(resources: Resources) -> None:
    host: Json
    for routes in resources[ROUTES].values():
        for host in routes["virtual_hosts"]:  # type: ignore[union-attr]
            host["matcher"]["matcher_list"]["matchers"].pop(0)


def _without_health(resources: Resources) -> None:
    cluster: Json
    for cluster in resources[CLUSTER].values():
        for name in ("health_checks", "outlier_detection"):
            cluster.pop(name, None)


PARTS: Mapping[str, Callable[[Resources], None]] = {
    "log": _without_settings("access_log"),
    "logged-claims": _without_logged_claims,
    "limits": _without_filter("client-limits"),
    "global-limits": _without_filter("global-limits"),
    "readiness": _without_filter("envoy.filters.http.health_check"),
    "two-keys": _without_two_keys,
    "retries": _without_retries,
    "bodies-kept": _without_bodies_kept,
    "replica-health": _without_health,
    "paths": _without_settings("normalize_path", "merge_slashes", "path_with_escaped_slashes_action"),
    "head-timeouts": _without_settings("request_timeout", "request_headers_timeout"),
    "problem-documents": _without_settings("local_reply_config"),
}
"""the name of a part -> how it is left out"""


@dataclass(slots=True, kw_only=True)
class Variant:
    """A bootstrap with its port, and what its requests cost."""

    name: str
    port: int
    bootstrap: Json
    pid: int = 0
    costs: list[float] = field(default_factory=list)


def revision_resources(current: Configuration, options: DataPlaneOptions, ring: KeyRing) -> Resources:
    """All resources of a revision."""
    keys = KeySettings(public_keys=ring.public_set(), issuer=ISSUER, max_lifetime_s=MAX_LIFETIME_S)
    cells = list_cells(current)
    merged: Resources = {}
    for part in (
        fixed_resources(options),
        extension_resources(keys, current.clients.values(), options),
        *(
            objective_resources(carriage(current, objective, cells[name]), options)
            for name, objective in current.objectives.items()
        ),
    ):
        for type_url, resources in part.items():
            merged.setdefault(type_url, {}).update(resources)
    return deepcopy(merged)


def static_bootstrap(resources: Resources) -> Json:
    """A bootstrap with everything that comes by xDS in its place."""
    manager = _manager(resources)
    extensions = resources[EXTENSION]
    manager["http_filters"] = [extensions.get(entry["name"], entry) for entry in manager["http_filters"]]
    scopes: Json = manager["scoped_routes"]
    del scopes["scoped_rds"], scopes["rds_config_source"]
    scopes["scoped_route_configurations_list"] = {
        "scoped_route_configurations": [
            {"name": name, "key": scope["key"], "route_configuration": resources[ROUTES][name]}
            for name, scope in resources[SCOPE].items()
        ]
    }
    cluster: Json
    for name, cluster in resources[CLUSTER].items():
        if cluster.pop("eds_cluster_config", None) is not None:
            cluster |= {"type": "STATIC", "load_assignment": resources[ENDPOINTS][name]}
    return {
        "static_resources": {
            "listeners": [resources[LISTENERS]["payloads"]],
            "clusters": list(resources[CLUSTER].values()),
        }
    }


def variants(names: Sequence[str], target: int, folder: Path, ring: KeyRing) -> list[Variant]:
    """The plain Envoy, the whole configuration, and it without each part."""
    current = configuration(10, f"http://127.0.0.1:{target}")
    plain = free_port()
    found = [Variant(name="plain", port=plain, bootstrap=plain_bootstrap(plain, target))]
    for name in ("whole", *names):
        port = free_port()
        options = DataPlaneOptions(port=port, access_log=str(folder / f"{port}.jsonl"))
        resources = revision_resources(current, options, ring)
        if name in PARTS:
            PARTS[name](resources)
        text = f"without {name}" if name in PARTS else name
        found.append(Variant(name=text, port=port, bootstrap=static_bootstrap(resources)))
    return found


def requests(body: bytes, ring: KeyRing) -> list[bytes]:
    """Requests with ten keys in turn."""
    signer = KeySigner(ring)
    sent = []
    for number in range(10):
        ref = VersionRef(model="objective-0", version=f"v{number}")
        decision = Decision(objective=ref.model, version=ref, shard="json", revision=1)
        token = signer.sign(decision, client="web", bucket=0, since=1).token
        sent.append(post("/v1/objectives/objective-0/infer", body, {"X-Routing-Key": token}))
    return sent


def _command(program: Path, variant: Variant, folder: Path) -> list[str]:
    file = folder / f"{variant.port}.json"
    file.write_text(json.dumps(variant.bootstrap))
    options = ["--config-path", str(file), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return [str(program), *options, "--file-flush-interval-msec", "500"]


def measure_time(found: list[Variant], program: Path, folder: Path, sent: list[bytes], rounds: int) -> None:
    """Print us of CPU a request."""
    with ExitStack() as stack:
        for variant in found:
            variant.pid = stack.enter_context(server(_command(program, variant, folder), variant.port))
            drive(variant.port, sent, 0.2, CLIENTS)
        for _ in range(rounds):
            for variant in found:
                before = cpu_seconds(variant.pid)
                run = drive(variant.port, sent, SECONDS, CLIENTS)
                variant.costs.append((cpu_seconds(variant.pid) - before) * 1e6 / max(1, len(run.latencies)))
                if set(run.statuses) != {200}:
                    raise RuntimeError(f"{variant.name}: {run.statuses}")
    plain = found[0].costs
    for variant in found:
        multiple = statistics.median(mine / other for mine, other in zip(variant.costs, plain, strict=True))
        added = statistics.median(mine - other for mine, other in zip(variant.costs, plain, strict=True))
        print(f"{variant.name:28} {statistics.median(variant.costs):7.1f} us {added:+7.1f} us {multiple:6.2f} x plain")


def _instructions(dump: Path) -> int:
    """Return the instructions of a thread."""
    totals = re.findall(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
    return int(totals[-1]) if totals else 0


def measure_instructions(found: list[Variant], program: Path, folder: Path, sent: list[bytes]) -> None:
    """Print instructions a request."""
    # The program itself, where the package has a script in Python before it.
    packaged = [*program.parent.parent.glob("lib/*/site-packages/envoy/_bin/envoy"), program][0]
    plain = 0.0
    for variant in found:
        output = folder / f"callgrind.{variant.port}"
        prefix = f"--vgdb-prefix={folder}/vgdb"
        file = f"--callgrind-out-file={output}"
        callgrind = ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--instr-atstart=no", file, prefix]
        command = [*callgrind, *_command(packaged, variant, folder)]
        with server(command, variant.port, patience_s=200, env={**os.environ, **_WITHOUT_REP}) as pid:

            def control(*words: str, pid: int = pid, prefix: str = prefix) -> None:
                subprocess.run(["vgdb", prefix, f"--pid={pid}", *words], check=True, capture_output=True, timeout=60)

            closed_loop(variant.port, sent[0], WARM_REQUESTS, clients=4)
            control("instrumentation", "on")
            closed_loop(variant.port, sent[0], WARM_REQUESTS, clients=4)
            control("zero")
            run = closed_loop(variant.port, sent[0], COUNTED_REQUESTS, clients=4)
            control("dump")
        if set(run.statuses) != {200}:
            raise RuntimeError(f"{variant.name}: {run.statuses}")
        # The worker alone: what the other threads do in that time has nothing to do with requests.
        cost = max(_instructions(dump) for dump in folder.glob(f"{output.name}.1-*")) / COUNTED_REQUESTS
        plain = plain or cost
        print(f"{variant.name:28} {cost:9,.0f} instructions {cost / plain:6.2f} x plain", flush=True)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--envoy", type=Path)
    parser.add_argument("--instructions", action="store_true")
    arguments = parser.parse_args()
    if arguments.instructions and not (shutil.which("valgrind") and shutil.which("vgdb")):
        parser.error("valgrind and vgdb are not on the PATH")
    ring = KeyRing("")
    sent = requests(payload(arguments.size), ring)
    program = find_envoy(arguments.envoy)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, target = Path(name), free_port()
        stack.enter_context(server(upstream_command(target), target))
        found = variants(arguments.parts or list(PARTS), target, folder, ring)
        if arguments.instructions:
            measure_instructions(found, program, folder, sent)
        else:
            measure_time(found, program, folder, sent, arguments.rounds)
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
