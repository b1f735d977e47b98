"""A sandbox on loopback for a test, and what to ask it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

import nlapi
from nlapi.openapi.spec import Spec
from nlapi.sandbox import running
from tests.describe import spec

SPECS = Path(__file__).parents[2] / "specs"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "specs"


@contextmanager
def client(
    description: Spec | dict[str, Any], *, headers: dict[str, str] | None = None, **more: Any
) -> Iterator[httpx2.Client]:
    """An HTTP client of a sandbox for a Spec, or for the `paths` of a description whose other keys are in `more`."""
    found = description if isinstance(description, Spec) else spec(description, **more)
    with running(found) as server, httpx2.Client(base_url=server.url, headers=headers, timeout=60) as http:
        yield http


def shared(name: str) -> Spec:
    """A description that is not part of the project; the test is skipped where it is not there."""
    if not (SHARED / name).exists():
        pytest.skip(f"../shared/data/specs/{name} is not here")
    return nlapi.load(str(SHARED / name))


def ads() -> Spec:
    return nlapi.load(str(SPECS / "ads.yaml"))


def answer(schema: Any, status: str = "200", **more: Any) -> dict[str, Any]:
    """A `responses` with one JSON answer."""
    return {status: {"description": "ok", "content": {"application/json": {"schema": schema}}, **more}}


def echo(*parameters: dict[str, Any], path: str = "/i", **node: Any) -> dict[str, Any]:
    """The `paths` of an operation that answers with the values of its parameters, as the sandbox read them."""
    properties = {one["name"]: one.get("schema", {}) for one in parameters}
    return {
        path: {
            "get": {
                "operationId": "op",
                "parameters": list(parameters),
                "responses": answer({"type": "object", "properties": properties}),
                **node,
            }
        }
    }


def faults(response: httpx2.Response) -> list[str]:
    """The places that a problem names; its members are checked on the way."""
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == response.status_code
    assert problem["title"] and problem["detail"]
    return [fault["where"] for fault in problem.get("errors", ())]
