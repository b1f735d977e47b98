"""A keyring in the file that KEYRING_FILE names, for tests of several processes: keyring's own setting chooses it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):
    """What a keyring of the system does, with a file in its place."""

    priority = 1.0

    @property
    def _file(self) -> Path:
        return Path(os.environ["KEYRING_FILE"])

    def _passwords(self) -> dict[str, str]:
        return dict(json.loads(self._file.read_text())) if self._file.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._passwords().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file.write_text(json.dumps(self._passwords() | {f"{service} {username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        passwords = self._passwords()
        if passwords.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError("not found")
        self._file.write_text(json.dumps(passwords))
