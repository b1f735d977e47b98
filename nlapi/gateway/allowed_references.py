"""Limits the references that shards may name, and who may change where a key is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath

from nlapi.errors import UsageError
from nlapi.gateway.problems import GatewayProblem, unprocessable
from nlapi.gateway.secret_references import is_reference
from nlapi.gateway.worker_boundary import shared_boundary
from nlapi.issue import Issue
from nlapi.routing.model import Configuration, Shard


class AllowedReferences:
    """The references that shards may name: `env:NAME`, `file:PATH`, or all files below a folder, `file:FOLDER/`."""

    # Else whoever may change shards could have any variable and any file of the machine sent to an address of theirs.

    def __init__(self, references: Iterable[str] = ()) -> None:
        """UsageError for what is no reference."""
        self._references = frozenset(references)
        for reference in self._references:
            if not is_reference(reference):
                hint = "such as env:OPENAI_API_KEY, file:/run/secrets/key or file:/run/secrets/"
                raise UsageError(f"--allow-key {reference} is no reference to a key", hint=hint)
        folders = (name for name in self._references if name.startswith("file:") and name.endswith("/"))
        self._folders = tuple(sorted(folders))
        shared_boundary.hide(*(name.removeprefix("file:") for name in self._references if name.startswith("file:")))

    def allows(self, reference: str) -> bool:
        """Return whether a shard may name a reference."""
        if reference in self._references:
            return True
        return reference.startswith(self._folders) and ".." not in PurePath(reference.removeprefix("file:")).parts

    def refused(self, shard: Shard) -> str:
        """Return the first reference of a shard that is not allowed, or ""."""
        return next((name for name in shard_references(shard) if not self.allows(name)), "")


def refusal_hint(reference: str) -> str:
    """Return the next step for a reference that is not allowed."""
    return f"start the gateway with `--allow-key {reference}`"


def shard_references(shard: Shard) -> Iterator[str]:
    """Yield the references of a shard: its key, its certificates, and those among its headers."""
    yield from filter(None, (shard.key, shard.ca, shard.certificate))
    yield from filter(is_reference, shard.headers.values())


def document_references(document: Mapping[str, object]) -> Iterator[str]:
    """Yield the references of the shards in the document of a configuration, which need not be valid."""
    shards = document.get("shards")
    for shard in shards if isinstance(shards, list) else ():
        if not isinstance(shard, dict):
            continue
        headers = shard.get("headers")
        values = [
            *map(shard.get, ("key", "ca", "certificate")),
            *(headers.values() if isinstance(headers, dict) else ()),
        ]
        yield from (value for value in values if isinstance(value, str) and is_reference(value))


def check_key_changes(
    before: Configuration, after: Configuration, allowed: AllowedReferences, *, is_admin: bool
) -> None:
    """Check the shards with keys that a change adds or alters.

    GatewayProblem 403 unless an admin changes where a key is sent, 422 for a reference that is not allowed.
    """
    for name, shard in after.shards.items():
        old = before.shards.get(name)
        if old is shard or (old is not None and _destination(old) == _destination(shard)):
            continue
        location = f"shards.{name}"
        has_reference = any(shard_references(shard)) or (old is not None and any(shard_references(old)))
        if has_reference and not is_admin:
            parts = "protocol, endpoints, key, headers and certificates"
            message = f"{location} has keys or files: only an admin changes its {parts}"
            raise GatewayProblem(403, message, code="wrong_role", hint="ask for a token of the role admin")
        if reference := allowed.refused(shard):
            issue = Issue.error(location, f"{reference} is not allowed", refusal_hint(reference), "key-not-allowed")
            raise unprocessable([issue], code="invalid_configuration")


def _destination(shard: Shard) -> tuple[object, ...]:
    """Return what decides which keys are sent, and where to."""
    return shard.protocol, shard.endpoints, shard.key, shard.headers, shard.ca, shard.certificate
