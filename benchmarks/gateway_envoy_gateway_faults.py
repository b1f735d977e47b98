"""Faults of the gateway behind Envoy and of its store, each counted in requests of Envoy that failed."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.client import HTTPException

from benchmarks.gateway_envoy_planes import post
from benchmarks.gateway_envoy_stage import PASSWORD_VARIABLE, V1, GatewayProcess, Load, Outcome, Stage, load_outcome
from benchmarks.load import Connection
from nlapi.gateway.routing_keys.key_verifier import KeySigner
from nlapi.routing.model import Decision
from tests.scale.postgres_server import PASSWORD, postgres_server

PUBLISHER_KILLS = 3


def control_plane_killed(stage: Stage) -> Outcome:
    """SIGKILL of `nlapi gateway control-plane`, which then starts again; its Envoy is a process of its own."""
    remote = GatewayProcess(stage, "control-plane")
    with remote.running() as process, remote.envoy(), Load(remote.envoy_port, remote.request()) as load:
        load.wait(0.3)
        process.kill()
        process.wait()
        load.wait(0.5)
        before = time.monotonic()
        with remote.running():
            remote.until_connected()
            seconds = time.monotonic() - before
            load.wait(0.3)
    return load_outcome(load, note=f"connected again after {seconds:.1f} s, the start of the gateway included")


def terminated(stage: Stage) -> Outcome:
    """SIGTERM of `nlapi gateway serve --data-plane envoy`."""
    remote = GatewayProcess(stage, "serve", "--data-plane", "envoy", "--envoy", str(stage.program))
    with remote.running() as process, Load(remote.envoy_port, remote.request()) as load:
        load.wait(0.5)
        process.terminate()
        process.wait(60)
    return load_outcome(load)


def postgres_killed(stage: Stage) -> Outcome:
    """SIGKILL of the PostgreSQL of a control plane, which then starts again."""
    with postgres_server() as database:
        environment = {**os.environ, PASSWORD_VARIABLE: PASSWORD}
        remote = GatewayProcess(stage, "control-plane", database=database.url, environment=environment)
        with remote.running(), remote.envoy(), Load(remote.envoy_port, remote.request()) as load:
            load.wait(0.3)
            database.kill()
            refused = remote.publish(1001)
            load.sent = remote.request()  # a key is still given
            load.wait(1.0)
            database.start()
            seconds = _until_taken(remote, 1002)
            load.wait(0.3)
    note = f"a change meanwhile: {refused}; taken again {seconds:.1f} s after the database was back"
    return load_outcome(load, note=note, is_held=refused == 503)


def disk_full(stage: Stage) -> Outcome:
    """The files of the gateway cannot grow, as on a full disk, until they can again."""
    remote = GatewayProcess(stage, "serve", "--data-plane", "envoy", "--envoy", str(stage.program))
    with remote.running() as process, Load(remote.envoy_port, remote.request()) as load:
        load.wait(0.3)
        unlimited = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
        refused = [remote.publish(1001 + number) for number in range(5)]
        load.sent = remote.request()
        load.wait(0.5)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)
        seconds = _until_taken(remote, 1100)
        load.wait(0.3)
    note = f"changes meanwhile: {dict(Counter(refused))}; taken again {seconds:.1f} s after there was room"
    return load_outcome(load, note=note, is_held=set(refused) == {503})


def _until_taken(remote: GatewayProcess, timeout_ms: int) -> float:
    """Publish until it is taken; seconds."""
    before = time.monotonic()
    while remote.publish(timeout_ms) != 200:
        if time.monotonic() - before > 30:
            raise RuntimeError("no change is taken any more")
        time.sleep(0.05)
    return time.monotonic() - before


def clock_off(stage: Stage) -> Outcome:
    """Keys of a gateway whose clock is an hour before or behind that of Envoy, then right again."""
    offset = [0.0]
    signer = KeySigner(stage.plane.ring, wall_clock=lambda: time.time() + offset[0])
    decision = Decision(objective="objective-0", version=V1, shard="json", revision=1)
    statuses: dict[str, set[int]] = {}
    requests = failed = 0
    for name, seconds in (("right", 0.0), ("behind", -3600.0), ("ahead", 3600.0), ("right again", 0.0)):
        offset[0] = seconds
        for _ in range(50):
            key = signer.sign(decision, client="web", bucket=0, since=1).token
            sent = post("/v1/objectives/objective-0/infer", b"{}", {"X-Routing-Key": key})
            connection = Connection(stage.plane.options.port)
            status, _ = connection.send(sent)
            connection.close()
            statuses.setdefault(name, set()).add(status)
            requests += 1
            failed += status != (401 if seconds else 200)
    return Outcome(requests=requests, failed=failed, note=f"not as they should; answers {statuses}")


def publisher_killed(stage: Stage) -> Outcome:
    """SIGKILL of a control plane in the middle of its changes, three times."""
    remote = GatewayProcess(stage, "control-plane")
    lost = 0
    with remote.running() as first, remote.envoy(), Load(remote.envoy_port, remote.request()) as load:
        process = first
        for number in range(PUBLISHER_KILLS):
            taken = _publish_until_killed(remote, process.kill, after_s=0.2 + 0.1 * number)
            process.wait()
            process = stage.stack.enter_context(remote.running())
            remote.until_connected()
            lost += remote.revision() < taken
        load.wait(0.3)
    note = f"{lost} of {PUBLISHER_KILLS} lost a change that was answered for"
    return load_outcome(load, note=note, is_held=not lost)


def _publish_until_killed(remote: GatewayProcess, kill: Callable[[], None], *, after_s: float) -> int:
    """Change as fast as it goes until the gateway is killed; the last revision that was answered for."""
    timer = threading.Timer(after_s, kill)
    timer.start()
    taken = 0
    try:
        for number in range(100_000):
            if remote.publish(1000 + number % 1000) == 200:
                taken = remote.revision()
    except (OSError, ValueError, HTTPException):  # killed within an answer
        pass
    timer.join()
    return taken
