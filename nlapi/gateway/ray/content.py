"""Reads the content of a version from a gateway, a file at a time in parts, and stores it by its digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from nlapi.errors import DescriptionError
from nlapi.gateway.ray.gateways import resolve_gateway
from nlapi.gateway.versions.artifacts import ArtifactStore, short_digest
from nlapi.gateway.versions.content_digest import remove_tree

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 30.0

Get: TypeAlias = "Callable[..., httpx2.Response]"
"""Asks a gateway for a path and a query."""


def fetch_content(digest: str, gateways: Sequence[str], token: str, artifacts: ArtifactStore) -> None:
    """Store the content with a digest from the first gateway that has it. DescriptionError when none has.

    It blocks; call it in a thread, or before there is an event loop.
    """
    import httpcore2
    import httpx2

    failure = DescriptionError("no gateway has an address")
    # Each address of a name is a gateway, and one of them alone may know the version so far.
    for address in (address for url in gateways for address in resolve_gateway(url) or ()):
        headers = {**address.headers, "Authorization": f"Bearer {token}"}
        verify = httpcore2.default_ssl_context()
        with closing(
            httpx2.Client(base_url=address.base_url, headers=headers, timeout=TIMEOUT_S, trust_env=False, verify=verify)
        ) as client:
            try:
                return store_content(digest, client, artifacts, address.extensions)
            except DescriptionError as error:
                failure = error
    raise failure


def store_content(
    digest: str, client: httpx2.Client, artifacts: ArtifactStore, extensions: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Store the content with a digest. DescriptionError when it cannot be read, or has another digest."""
    get = partial(_get, client, extensions)
    incoming = artifacts.create_incoming()
    try:
        files = get(f"/v1/content/{digest}").json()["files"]
        if len(files) > artifacts.limits.files:
            raise DescriptionError(f"it has more than {artifacts.limits.files:,} files")
        remaining = artifacts.limits.total_bytes
        for item in files:
            remaining -= _fetch_file(digest, str(item["name"]), get, incoming, remaining)
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


def _fetch_file(digest: str, name: str, get: Get, folder: Path, limit: int) -> int:
    """Write a file below a folder and return its size."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
        raise DescriptionError(f"{name[:200]!r} leads out of the content")
    file = folder.joinpath(*path.parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with file.open("xb") as stream:
        while part := get(f"/v1/content/{digest}/part", file=name, offset=size).content:
            size += len(part)
            if size > limit:
                raise DescriptionError(f"it is larger than {limit:,} bytes")
            stream.write(part)
    return size


def _get(client: httpx2.Client, extensions: Mapping[str, str], path: str, **query: str | int) -> httpx2.Response:
    import httpx2

    try:
        response = client.get(path, params=query, extensions=dict(extensions))
    except httpx2.HTTPError as error:
        raise DescriptionError(f"the gateway does not answer: {type(error).__name__}") from error
    if response.status_code != 200:
        raise DescriptionError(f"the gateway answered {response.status_code} to {path}")
    return response
