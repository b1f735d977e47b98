"""Faults around Envoy as the data plane, each counted in requests that failed.

    python -m benchmarks.gateway_envoy_faults [--envoy PATH] [FAULT ...]

Clients keep asking over kept connections while the fault happens. It takes about a minute, and exits with 1 when a
request fails that should not, a bad key reaches an upstream, or a neighbour's p50 and p99 are both more than 1.2 times
those without the fault.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.gateway_envoy_gateway_faults import (
    clock_off,
    control_plane_killed,
    disk_full,
    postgres_killed,
    publisher_killed,
    terminated,
)
from benchmarks.gateway_envoy_planes import payload, post
from benchmarks.gateway_envoy_stage import CLIENTS, V1, V2, Outcome, Stage, load_outcome
from benchmarks.load import Connection
from benchmarks.ports import free_port
from nlapi.gateway.envoy.envoy_process import find_envoy
from nlapi.routing.model import Client, Shadow, Shard, ShardProtocol, Version
from tests.scale.envoy_plane import upstream

SECONDS = 1.5
HALF_OPEN = 800
LARGEST_RATIO = 1.2
PUBLISHES = 60
FORGERIES = 200


def upstream_killed(stage: Stage) -> Outcome:
    """SIGKILL one of two upstreams, and start it again."""
    with stage.load() as load:
        load.wait(0.5)
        os.kill(stage.pids[0], signal.SIGKILL)
        load.wait(SECONDS)
        stage.pids[0] = stage.start_upstream(stage.upstreams[0])
        load.wait(0.5)
    return load_outcome(load)


def upstream_killed_large(stage: Stage) -> Outcome:
    """The same with bodies of 128 KB."""
    with stage.load(stage.request(body=payload(128_000))) as load:
        load.wait(0.5)
        os.kill(stage.pids[1], signal.SIGKILL)
        load.wait(SECONDS)
        stage.pids[1] = stage.start_upstream(stage.upstreams[1])
        load.wait(0.5)
    return load_outcome(load)


def death_in_an_answer(stage: Stage) -> Outcome:
    """An upstream that ends in its answer: no client may take what it got for the whole."""
    with upstream("dying") as dying:
        dying.dies_in_body = True
        stage.plane.publish(stage.basic(dying.url))
        with stage.load() as load:
            load.wait(0.7)
    short = len(load.run.latencies) - sum(count for name, count in load.failures.items() if name.isdigit())
    return Outcome(requests=short + sum(load.failures.values()), failed=short, note="answers that were taken for whole")


def slow_upstream(stage: Stage) -> Outcome:
    """An upstream that takes 1 s where the objective has 0.5 s."""
    with upstream("slow") as slow:
        slow.delay_s = 1.0
        current = stage.basic(slow.url)
        objective = replace(current.objectives["objective-0"], timeout_ms=500, idempotent=False)
        stage.plane.publish(replace(current, objectives={"objective-0": objective}))
        with stage.load(clients=2) as load:
            load.wait(2.2)
    others = sum(count for name, count in load.failures.items() if name != "504")
    median = load.run.percentile(0.5)
    note = f"504 after {median:.0f} ms"
    return Outcome(
        requests=len(load.run.latencies), failed=others, note=note, is_held=load.failures["504"] > 0 and median < 600
    )


def bad_configuration(stage: Stage) -> Outcome:
    """A shard whose certificates cannot be verified at Envoy: refused, named, and the one before serves."""
    with stage.load() as load:
        load.wait(0.3)
        options = stage.plane.options
        broken = replace(options, shard_certificates=replace(options.shard_certificates, authorities="/no/such.pem"))
        stage.plane.plane.options = broken
        stage.plane.publish(stage.basic("https://127.0.0.1:1"))
        issues = stage.plane.run(_issues(stage))
        load.wait(0.5)
        stage.plane.plane.options = options
        stage.reset()
        left = [issue for issue in stage.plane.run(_issues(stage)) if issue.rule == "envoy-refused"]
    named = [issue.message for issue in issues if issue.rule == "envoy-refused"]
    is_named = any("/no/such.pem" in text and "objective-0/json" in text for text in named)
    return load_outcome(load, note=f"named: {is_named}, left: {len(left)}", is_held=is_named and not left)


async def _issues(stage: Stage) -> Any:
    return stage.plane.plane.issues()


def forged_keys(stage: Stage) -> Outcome:
    """Keys and headers that clients make: nothing may reach an upstream."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec

    good = stage.plane.key("objective-0", V1)
    claims = jwt.decode(good, options={"verify_signature": False})
    headers = jwt.get_unverified_header(good)
    stranger = ec.generate_private_key(ec.SECP256R1())
    now = int(time.time())
    sign = stage.plane.ring.signing_key().private

    def signed(key: Any = sign, **changed: Any) -> str:
        return jwt.encode({**claims, **changed}, key, algorithm="ES256", headers=headers)

    path = "/v1/objectives/objective-0/infer"
    keys: list[tuple[str, dict[str, str]]] = [
        (path, {}),
        (path, {"X-Nlapi-Cell": claims["cell"], "X-Nlapi-Objective": "objective-0"}),
        (path, {"X-Routing-Key": "made.up.key"}),
        (path, {"X-Routing-Key": signed(stranger)}),
        (path, {"X-Routing-Key": signed(exp=now - 60)}),
        (path, {"X-Routing-Key": signed(exp=now + 90_000)}),
        (path, {"X-Routing-Key": signed(iss="other")}),
        (path, {"X-Routing-Key": signed(aud="staging")}),
        (path, {"X-Routing-Key": signed(cell="objective-0@v999")}),
        (path, {"X-Routing-Key": signed(objective="none")}),
        (path, {"X-Routing-Key": f"{good},{good}"}),
        (path, {"X-Routing-Key": good, "x-routing-key": good}),
        ("/v1/objectives/objective-0/../objective-1/infer", {"X-Routing-Key": good}),
        ("/v1/objectives/objective-0/%2e%2e/objective-1/infer", {"X-Routing-Key": good}),
        ("/v1/objectives/objective-0%2finfer", {"X-Routing-Key": good}),
    ]
    with upstream("watched") as watched:
        stage.plane.publish(stage.basic(watched.url))
        statuses: Counter[int] = Counter()
        for number in range(FORGERIES):
            place, named = keys[number % len(keys)]
            connection = Connection(stage.plane.options.port)
            statuses[connection.send(post(place, b"{}", named))[0]] += 1
            connection.close()
        reached = len(watched.received)
    return Outcome(requests=FORGERIES, failed=reached, note=f"reached an upstream; answers {dict(statuses)}")


def shadow_dead(stage: Stage) -> Outcome:
    """All requests are copied to a shadow where nothing listens."""
    current = stage.basic()
    dead = Shard(name="dead", protocol=ShardProtocol.JSON, endpoints=(f"http://127.0.0.1:{free_port()}",))
    entry = Version(model="objective-0", name="dead", shard="dead")
    shadow = Shadow(name="copy", objective="objective-0", version=entry.ref)
    with_shadow = replace(
        current,
        shards={**current.shards, "dead": dead},
        versions={**current.versions, entry.ref: entry},
        shadows={"copy": shadow},
    )
    sent = post(
        "/v1/objectives/objective-0/infer",
        b"{}",
        {"X-Routing-Key": stage.plane.key("objective-0", V1, shadows=("copy",))},
    )
    return _compare(stage, lambda: stage.plane.publish(with_shadow), sent)


def half_open(stage: Stage) -> Outcome:
    """Connections that send half a request and wait."""
    held: list[socket.socket] = []

    def open_all() -> None:
        for _ in range(HALF_OPEN):
            connection = socket.create_connection(("127.0.0.1", stage.plane.options.port))
            connection.sendall(b"POST /v1/objectives/objective-0/infer HTTP/1.1\r\nHost: local")
            held.append(connection)

    try:
        return _compare(stage, open_all, None)
    finally:
        for connection in held:
            connection.close()


def flood(stage: Stage) -> Outcome:
    """A client at many times its rate beside one that is within it."""
    clients = {"web": Client(name="web", rate=1_000_000.0), "flooding": Client(name="flooding", rate=5.0)}
    stage.plane.publish(replace(stage.basic(), clients=clients))
    flooding = stage.load(stage.request(client="flooding"), clients=2, pause_s=0.001)
    with ExitStack() as stack:
        outcome = _compare(stage, lambda: stack.enter_context(flooding), None)
    refused = flooding.failures["429"]
    note = f"{outcome.note}, {refused} of {len(flooding.run.latencies)} of the flood refused"
    return replace(outcome, note=note, is_held=outcome.is_held and refused > 0)


def _compare(stage: Stage, begin: Callable[[], object], sent: bytes | None) -> Outcome:
    """Compare a neighbour's p99 before and after a fault begins."""
    with stage.load(pause_s=0.002) as before:
        before.wait(SECONDS)
    begin()
    with stage.load(sent, pause_s=0.002) as after:
        after.wait(SECONDS)
    ratio = after.run.percentile(0.99) / before.run.percentile(0.99)
    middle = after.run.percentile(0.5) / before.run.percentile(0.5)
    note = f"p50 {middle:.2f} x, p99 {ratio:.2f} x"
    return load_outcome(after, note=note, is_held=ratio <= LARGEST_RATIO or middle <= LARGEST_RATIO)


def publishes(stage: Stage) -> Outcome:
    """60 revisions under load, with a rollback; a client whose key is outdated asks for another, up to five times."""
    first = stage.basic()
    objective = first.objectives["objective-0"]
    states = [
        replace(first, rules={}, objectives={"objective-0": replace(objective, default=ref)}, versions=first.versions)
        for ref in (V1, V2)
    ]
    requests = [stage.request(V1), stage.request(V2)]
    current = {"index": 0}
    # As resolve does, which answers when Envoy has the revision.
    resolving = threading.Lock()
    stage.plane.publish(states[0])
    failures: Counter[int] = Counter()
    answers = [0]
    stopping = threading.Event()

    def ask() -> None:
        connection = Connection(stage.plane.options.port)
        while not stopping.is_set():
            for _ in range(5):
                with resolving:
                    sent = requests[current["index"]]
                status, _ = connection.send(sent)
                if connection.is_closing:
                    connection.close()
                    connection = Connection(stage.plane.options.port)
                if status != 404:
                    break
            answers[0] += 1
            if status != 200:
                failures[status] += 1
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    times = []
    for number in range(1, PUBLISHES + 1):
        with resolving:
            times.append(stage.plane.publish(states[number % 2]))
            current["index"] = number % 2
        time.sleep(0.03)
    with resolving:
        stage.plane.publish(states[0])
        current["index"] = 0
    time.sleep(0.2)
    stopping.set()
    for thread in threads:
        thread.join()
    times.sort()
    note = f"at Envoy after {times[len(times) // 2]:.1f} ms in the median, {times[-1]:.1f} at most"
    return Outcome(requests=answers[0], failed=sum(failures.values()), note=note)


def rotations(stage: Stage) -> Outcome:
    """Ten rotations of the signing key under load, with keys of the one before."""
    with stage.load() as load:
        for _ in range(10):
            stage.plane.ring.rotate(3600)
            stage.plane.run(_renew(stage))
            load.sent = _signed_by_oldest(stage)
            load.wait(0.1)
    return load_outcome(load)


async def _renew(stage: Stage) -> None:
    stage.plane.plane.renew_keys()


def _signed_by_oldest(stage: Stage) -> bytes:
    import jwt

    key = stage.plane.ring.keys.keys[0]
    claims = jwt.decode(stage.plane.key("objective-0", V1), options={"verify_signature": False})
    token = jwt.encode(claims, key.private, algorithm="ES256", headers={"kid": key.kid, "typ": "rk+jwt"})
    return post("/v1/objectives/objective-0/infer", b"{}", {"X-Routing-Key": token})


FAULTS: dict[str, Callable[[Stage], Outcome]] = {
    name.__name__.replace("_", "-"): name
    for name in (
        upstream_killed, upstream_killed_large, death_in_an_answer, slow_upstream, bad_configuration, forged_keys,
        shadow_dead, half_open, flood, publishes, rotations, control_plane_killed, terminated,
        postgres_killed, disk_full, clock_off, publisher_killed,
    )
}  # fmt: skip


def main() -> int:
    """Print a line for each fault; 1 when one is over its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], metavar="FAULT")
    parser.add_argument("--envoy", type=Path)
    arguments = parser.parse_args()
    is_bad = False
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stage = Stage(stack, find_envoy(arguments.envoy), Path(folder))
        for name in arguments.faults or FAULTS:
            stage.reset()
            outcome = FAULTS[name](stage)
            is_over = outcome.failed > outcome.most or not outcome.is_held
            is_bad = is_bad or is_over
            text = f"{outcome.failed} of {outcome.requests:,} failed"
            print(f"{'over' if is_over else 'held':5} {name:24} {text:26} {outcome.note}", flush=True)
    return 1 if is_bad else 0


if __name__ == "__main__":
    sys.exit(main())
