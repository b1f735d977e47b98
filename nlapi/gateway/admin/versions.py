"""The operations on the content of versions and on its hosts: reload, issues, heartbeats, parts of files."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nlapi.errors import Issue, Level
from nlapi.gateway.admin.api_call import ApiCall, ApiResponse, etag_header, list_page
from nlapi.gateway.admin.crud import find_object, object_json, runtime_status
from nlapi.gateway.control.codec import KINDS, Json, slug
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem, issue_json, unknown_object, unprocessable
from nlapi.gateway.ray.cluster import app_name, replica_fault
from nlapi.gateway.ray.messages import HostHeartbeat
from nlapi.gateway.ray.registry import ServingHost
from nlapi.gateway.shards.checks import endpoint_fault
from nlapi.gateway.versions.content_digest import content_files
from nlapi.routing.model import ShardProtocol

KIND = KINDS["version"]


async def reload_version(call: ApiCall) -> ApiResponse:
    """Load a version that could not be loaded. GatewayProblem 404, 409 or 422 when that is not possible."""
    publisher = call.gateway.publisher
    ref = find_object(KIND, call, publisher.current.configuration).ref
    await publisher.reload(ref)
    number = publisher.revision
    version = find_object(KIND, call, publisher.current.configuration)
    body = {**object_json(KIND, version, number), **runtime_status(call, version)}
    return ApiResponse(body=body, headers=etag_header(number), audit_detail=f"{ref} is loaded")


async def list_issues(call: ApiCall) -> ApiResponse:
    """Return the versions that are not loaded, those whose sources changed, and what keys and data plane report."""
    gateway = call.gateway
    configuration = gateway.publisher.current.configuration
    # In a thread: the files of the sources are looked at, and read when they changed.
    changed = await asyncio.to_thread(gateway.library.source_issues, configuration)
    plane = gateway.data_plane.issues() if gateway.data_plane is not None else []
    keys = gateway.key_registration.issues() if gateway.key_registration is not None else ()
    loads = (*load_issues(gateway.engine), *silent_host_issues(gateway.engine))
    issues = sorted(
        (*loads, *changed, *plane, *keys),
        key=lambda issue: list(Level).index(issue.level),
    )
    return ApiResponse(body={"issues": [issue_json(issue) for issue in issues]})


def load_issues(engine: Engine) -> list[Issue]:
    """Return an ERROR for each version that is not loaded."""
    return [
        Issue.error(f"versions.{ref}", f"it is not loaded: {error.reason}", error.hint, "not-loaded")
        for ref, error in sorted(engine.runners.load_errors().items())
    ]


def silent_host_issues(engine: Engine) -> list[Issue]:
    """Return a WARNING for each host whose heartbeat is overdue, or which can change nothing."""
    hint = "its replicas are called all the same; `nlapi gateway ray` has to run there to change what it runs"
    issues = []
    for host in engine.hosts.hosts():
        if silence := engine.hosts.silent_s(host):
            text = f"it was not heard for {silence:.0f} s"
            issues.append(Issue.warning(f"hosts.{host.name}", text, hint, "host-silent"))
        elif problem := host.heartbeat.problem:
            issues.append(Issue.warning(f"hosts.{host.name}", problem, "its replicas are called all the same", "host"))
    return issues


MAX_ENDPOINTS = 10_000
"""addresses in one heartbeat"""
MAX_PART_BYTES = 4 * 2**20
"""bytes of one answer with a part of a file"""


async def send_heartbeat(call: ApiCall) -> ApiResponse:
    """Note the replicas of a host, and return its versions once they differ from those that it knows.

    GatewayProblem 422 when the shard has another protocol, or a replica cannot be called.
    """
    hosts, configuration = call.gateway.engine.hosts, call.gateway.publisher.current.configuration
    heartbeat = HostHeartbeat.from_json({**call.body, "shard": slug(call.body["shard"])})
    shard = configuration.shards.get(heartbeat.shard)
    # A shard that an edit is about to add is not in the configuration yet: its hosts may be there before it.
    if shard is not None and shard.protocol is not ShardProtocol.RAY:
        message = f"shard {shard.name} speaks {shard.protocol}, and hosts serve shards of the protocol ray"
        raise unprocessable([Issue.error("body.shard", message, rule="not-ray")])
    if sum(map(len, heartbeat.ready.values())) > MAX_ENDPOINTS:
        raise unprocessable([Issue.error("body.ready", f"more than {MAX_ENDPOINTS:,} endpoints", rule="endpoint")])
    for content, urls in heartbeat.ready.items():
        # Envoy writes one path for all endpoints of a version, and the name of another one could not be called.
        path = f"/{app_name(heartbeat.shard, content)}"
        for url in urls:
            fault = endpoint_fault(url, ShardProtocol.RAY) or replica_fault(url, path)
            if fault:
                raise unprocessable([Issue.error("body.ready", f"{url[:200]!r} {fault}", rule="endpoint")])
    hosts.record(call.stored_name("host"), heartbeat)
    if call.gateway.is_draining:
        return ApiResponse(body=hosts.demanded(heartbeat.shard).as_json())
    return ApiResponse(body=(await hosts.wait_demand(heartbeat.shard, heartbeat.demand)).as_json())


async def list_hosts(call: ApiCall) -> ApiResponse:
    """Return a page of the hosts."""
    hosts = call.gateway.engine.hosts
    return list_page([_host_json(host, hosts.silent_s(host)) for host in hosts.hosts()], call)


def _host_json(host: ServingHost, silent_s: float) -> Json:
    beat = host.heartbeat.as_json()
    silence = {"silent_seconds": round(silent_s, 1)} if silent_s else {}
    problem = {"problem": beat["problem"]} if beat["problem"] else {}
    return {"name": host.name, **{name: beat[name] for name in ("shard", "ready", "failed")}, **problem, **silence}


async def list_content(call: ApiCall) -> ApiResponse:
    """Return the files of a content by name and size. GatewayProblem 404 when no shard of hosts should have it."""
    folder = _content_folder(call)
    files = await asyncio.to_thread(lambda: list(content_files(folder, strict=True)))
    rows = [{"name": name, "bytes": entry.stat(follow_symlinks=False).st_size} for name, entry in files]
    return ApiResponse(body={"files": rows})


async def get_content_part(call: ApiCall) -> ApiResponse:
    """Return bytes of a file of a content from an offset on; none at its end. GatewayProblem 404 if none exists."""
    folder, name, offset = _content_folder(call), call.query["file"], call.query["offset"]
    part = await asyncio.to_thread(_read_part, folder, name, offset)
    if part is None:
        raise unknown_object("file", name, ())
    return ApiResponse(body=part, media_type="application/octet-stream")


def _content_folder(call: ApiCall) -> Path:
    digest = call.path["digest"]
    artifacts = call.gateway.library.artifacts
    # What a token of a host may read is the content of versions on shards of hosts, and not all that is stored.
    if not call.gateway.engine.hosts.is_demanded(digest) or not artifacts.has(digest):
        raise GatewayProblem(404, f"no shard of hosts has the content {digest}", code="unknown_content")
    return artifacts.path(digest)


def _read_part(folder: Path, name: str, offset: int) -> bytes | None:
    if "\0" in name:
        return None
    file = folder / name
    # After resolve(), which follows links and "..": a name must not lead out of the content.
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        return None
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(MAX_PART_BYTES)
