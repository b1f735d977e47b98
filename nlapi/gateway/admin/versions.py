"""The operations on the content of versions: load one again, and list what is wrong with any."""

from __future__ import annotations

import asyncio

from nlapi.gateway.admin.api_call import ApiCall, ApiResponse, Handler, etag_header
from nlapi.gateway.admin.crud import find_object, object_json, runtime_status
from nlapi.gateway.codec import KINDS
from nlapi.gateway.engine import Engine
from nlapi.gateway.problems import issue_json
from nlapi.issue import Issue, Level

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
    issues = sorted(
        (*load_issues(gateway.engine), *changed, *plane, *keys), key=lambda issue: list(Level).index(issue.level)
    )
    return ApiResponse(body={"issues": [issue_json(issue) for issue in issues]})


def load_issues(engine: Engine) -> list[Issue]:
    """Return an ERROR for each version that is not loaded."""
    return [
        Issue.error(f"versions.{ref}", f"it is not loaded: {error.reason}", error.hint, "not-loaded")
        for ref, error in sorted(engine.load_errors().items())
    ]


HANDLERS: dict[str, Handler] = {"reloadVersion": reload_version, "listIssues": list_issues}
