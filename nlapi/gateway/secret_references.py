"""Reads the keys of remote servers from where references point: `env:NAME` or `file:PATH`. A key is never stored."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from nlapi.errors import UsageError
from nlapi.gateway.worker_boundary import shared_boundary

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
        """Return the key. UsageError, which names the reference and never its content, when there is none."""
        scheme, _, location = self.reference.partition(":")
        return self._read_file(Path(location)) if scheme == "file" else self._read_variable(location)

    def _read_variable(self, name: str) -> str:
        key = self._environment.get(name, "").strip()
        if not key:
            hint = f"start the gateway with {name}, or give the shard another key"
            raise UsageError(f"the variable {name} is not set", hint=hint)
        return self._check(key)

    def _read_file(self, path: Path) -> str:
        try:
            status = path.stat()
            state = (status.st_mtime_ns, status.st_ino)
            if not self._key or state != self._file_state:
                descriptor = os.open(path, os.O_RDONLY | _NONBLOCK)
                with os.fdopen(descriptor, "rb") as stream:
                    content = stream.read(MAX_FILE_BYTES)
                self._key = self._check(content.decode("ascii", "replace").strip())
                self._file_state = state
        except OSError as error:
            hint = "make the file readable for the gateway, or give the shard another key"
            raise UsageError(f"the key's file {path} cannot be read: {error.strerror}", hint=hint) from None
        return self._key

    def _check(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise UsageError(f"{self.reference} holds no key", hint="a key is one line of visible ASCII characters")
        return key
