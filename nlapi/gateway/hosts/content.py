"""Downloads the content of versions from a gateway, and stores it by its digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nlapi.errors import DescriptionError
from nlapi.gateway.artifacts import ArtifactStore, short_digest
from nlapi.gateway.content_digest import remove_tree

if TYPE_CHECKING:
    import httpx2

HeaderSource = Callable[[], dict[str, str]]
"""Returns the headers of a request, with the token as it is now."""


class ContentReader:
    """Reads contents from one gateway."""

    def __init__(self, client: httpx2.AsyncClient, headers: HeaderSource) -> None:
        self._client = client
        self._headers = headers

    async def fetch(self, digest: str, artifacts: ArtifactStore) -> None:
        """Store the content with a digest. DescriptionError when it cannot be read, or has another digest."""
        listing = await self._get(f"/v1/content/{digest}")
        incoming = artifacts.create_incoming()
        try:
            files = listing.json()["files"]
            if len(files) > artifacts.limits.files:
                raise DescriptionError(f"it has more than {artifacts.limits.files:,} files")
            remaining = artifacts.limits.total_bytes
            for item in files:
                remaining -= await self._fetch_file(digest, str(item["name"]), incoming, remaining)
            stored = artifacts.add(incoming)
        finally:
            remove_tree(incoming)
        if stored != digest:
            artifacts.delete([stored])
            raise DescriptionError(
                f"the gateway sent the content {short_digest(stored)} for {short_digest(digest)}",
                hint="its stored content is damaged: reload the version",
            )

    async def _fetch_file(self, digest: str, name: str, folder: Path, limit: int) -> int:
        """Write a file below a folder and return its size."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
            raise DescriptionError(f"{name[:200]!r} leads out of the content")
        file = folder.joinpath(*path.parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with file.open("xb") as stream:
            while part := (await self._get(f"/v1/content/{digest}/part", file=name, offset=size)).content:
                size += len(part)
                if size > limit:
                    raise DescriptionError(f"it is larger than {limit:,} bytes")
                stream.write(part)
        return size

    async def _get(self, path: str, **query: str | int) -> httpx2.Response:
        import httpx2

        try:
            response = await self._client.get(path, params=query, headers=self._headers())
        except httpx2.HTTPError as error:
            raise DescriptionError(f"the gateway does not answer: {type(error).__name__}") from error
        if response.status_code != 200:
            raise DescriptionError(f"the gateway answered {response.status_code} to {path}")
        return response
