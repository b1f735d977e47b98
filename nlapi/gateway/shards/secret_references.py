"""The keys, headers and certificates of remote servers: by reference, `env:NAME` or `file:PATH`, never stored."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath

from nlapi.errors import Issue, UsageError, file_faults
from nlapi.gateway.http.problems import GatewayProblem, unprocessable
from nlapi.gateway.http.tls import ClientTls
from nlapi.gateway.workers.boundary import shared_boundary
from nlapi.routing.model import Configuration, Shard

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f]+", re.ASCII)
# A key is a header's value: one line of visible ASCII (RFC 9110 §5.5). So no private key, list of users or
# configuration of the machine can be sent to an upstream by a reference to its file.
_KEY = re.compile(r"[\x21-\x7e]{1,8192}", re.ASCII)
MAX_FILE_BYTES = 8192 + 2
# A named pipe would block the event loop. Windows has neither the pipe nor the flag.
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)


def is_reference(text: str) -> bool:
    """Return whether a text is `env:NAME` or `file:PATH`."""
    return _REFERENCE.fullmatch(text) is not None


class SecretReference:
    """A reference to a key. A file is read again when it changes, so that a key can be replaced while serving."""

    def __init__(self, reference: str, environment: Mapping[str, str]) -> None:
        self.reference = reference
        self._environment = environment
        self._file_state = (0, 0)
        self._key = ""
        if reference.startswith("file:"):
            shared_boundary.hide(reference.removeprefix("file:"))

    def read(self) -> str:
        """Return the key. UsageError, which names the reference and never its content, if none exists."""
        scheme, _, location = self.reference.partition(":")
        return self._read_file(Path(location)) if scheme == "file" else self._read_variable(location)

    def _read_variable(self, name: str) -> str:
        key = self._environment.get(name, "").strip()
        if not key:
            hint = f"start the gateway with {name}, or give the shard another key"
            raise UsageError(f"the variable {name} is not set", hint=hint)
        return self._check(key)

    def _read_file(self, path: Path) -> str:
        with file_faults(
            f"the key's file {path} cannot be read",
            UsageError,
            hint="make the file readable for the gateway, or give the shard another key",
        ):
            status = path.stat()
            state = (status.st_mtime_ns, status.st_ino)
            if not self._key or state != self._file_state:
                descriptor = os.open(path, os.O_RDONLY | _NONBLOCK)
                with os.fdopen(descriptor, "rb") as stream:
                    content = stream.read(MAX_FILE_BYTES)
                self._key = self._check(content.decode("ascii", "replace").strip())
                self._file_state = state
        return self._key

    def _check(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise UsageError(f"{self.reference} holds no key", hint="a key is one line of visible ASCII characters")
        return key


class AllowedReferences:
    """The references that shards may name: `env:NAME`, `file:PATH`, or all files below a folder, `file:FOLDER/`."""

    # Else whoever may change shards could have any variable and any file of the machine sent to an address of theirs.

    def __init__(self, references: Iterable[str] = ()) -> None:
        """UsageError for what is not a reference."""
        self._references = frozenset(references)
        for reference in self._references:
            if not is_reference(reference):
                hint = "such as env:OPENAI_API_KEY, file:/run/secrets/key or file:/run/secrets/"
                raise UsageError(f"--allow-key {reference} is not a reference to a key", hint=hint)
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


# A shorter value stands in ordinary texts too, and to strike it out would garble them.
MIN_SECRET_CHARS = 8


class ShardAccess:
    """The key, the headers and the certificates of one shard, read where its references point."""

    def __init__(self, shard: Shard, environment: Mapping[str, str], allowed: AllowedReferences) -> None:
        self.shard = shard
        self._refused = allowed.refused(shard)
        self._key = SecretReference(shard.key, environment) if shard.key else None
        self._headers = {
            name.lower(): SecretReference(value, environment) if is_reference(value) else value
            for name, value in shard.headers.items()
        }
        self.tls = ClientTls(ca=_path(shard.ca), certificate=_path(shard.certificate))

    def prepare(self) -> None:
        """Read key and headers once. UsageError for what is missing, and for a reference that is not allowed."""
        self.read_key()
        self.read_headers()

    def read_key(self) -> str:
        """Return the key, or "" without one. UsageError, also when one of the shard's references is not allowed."""
        if self._refused:
            raise UsageError(f"{self._refused} is not allowed", hint=refusal_hint(self._refused))
        return self._key.read() if self._key else ""

    def read_headers(self) -> dict[str, str]:
        """Return the shard's extra headers. UsageError when a reference leads to no value."""
        return {
            name: value.read() if isinstance(value, SecretReference) else value for name, value in self._headers.items()
        }

    def request_headers(self) -> dict[str, str]:
        """Return the headers of a call of a model server: the shard's, with its key as a bearer token. UsageError."""
        key = self.read_key()
        return ({"authorization": f"Bearer {key}"} if key else {}) | self.read_headers()


def secret_texts(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return what of the values of headers no text of a server may repeat."""
    return tuple(
        text
        for value in headers.values()
        for text in (value, value.removeprefix("Bearer "))
        if len(text) >= MIN_SECRET_CHARS
    )


def _path(reference: str) -> Path | None:
    return Path(reference.removeprefix("file:")) if reference else None
