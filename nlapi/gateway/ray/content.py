"""Reads the content of a version from a gateway, a file at a time in parts, and stores it by its digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nlapi.errors import DescriptionError
from nlapi.gateway.versions.artifacts import ArtifactStore, short_digest
from nlapi.gateway.versions.content_digest import remove_tree

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 30.0


def fetch_content(digest: str, gateways: Sequence[str], headers: Mapping[str, str], artifacts: ArtifactStore) -> None:
    """Store the content with a digest from the first gateway that has it. DescriptionError when none has.

    It blocks; call it in a thread, or before there is an event loop.
    """
    import httpx2

    failures = []
    for url in gateways:
        with closing(httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)) as client:
            try:
                return store_content(digest, client, artifacts)
            except DescriptionError as error:
                failures.append(error)
    raise failures[-1]


def store_content(digest: str, client: httpx2.Client, artifacts: ArtifactStore) -> None:
    """Store the content with a digest. DescriptionError when it cannot be read, or has another digest."""
    incoming = artifacts.create_incoming()
    try:
        files = _get(client, f"/v1/content/{digest}").json()["files"]
        if len(files) > artifacts.limits.files:
            raise DescriptionError(f"it has more than {artifacts.limits.files:,} files")
        remaining = artifacts.limits.total_bytes
        for item in files:
            remaining -= _fetch_file(digest, str(item["name"]), client, incoming, remaining)
        stored = artifacts.add(incoming)
    except (ValueError, KeyError, TypeError) as error:
        raise DescriptionError("the gateway gave no list of files", hint="give the address of a gateway") from error
    finally:
        remove_tree(incoming)
    if stored != digest:
        artifacts.delete([stored])
        raise DescriptionError(
            f"the gateway sent the content {short_digest(stored)} for {short_digest(digest)}",
            hint="its stored content is damaged: reload the version",
        )


def _fetch_file(digest: str, name: str, client: httpx2.Client, folder: Path, limit: int) -> int:
    """Write a file below a folder and return its size."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
        raise DescriptionError(f"{name[:200]!r} leads out of the content")
    file = folder.joinpath(*path.parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with file.open("xb") as stream:
        while part := _get(client, f"/v1/content/{digest}/part", file=name, offset=size).content:
            size += len(part)
            if size > limit:
                raise DescriptionError(f"it is larger than {limit:,} bytes")
            stream.write(part)
    return size


def _get(client: httpx2.Client, path: str, **query: str | int) -> httpx2.Response:
    import httpx2

    try:
        response = client.get(path, params=query)
    except httpx2.HTTPError as error:
        raise DescriptionError(f"the gateway does not answer: {type(error).__name__}") from error
    if response.status_code != 200:
        raise DescriptionError(f"the gateway answered {response.status_code} to {path}")
    return response
