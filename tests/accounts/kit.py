"""What the tests of logins share: an API with an authorization server, its description, and a browser."""

from __future__ import annotations

import json
import shlex
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from tests.authorization_server import Client, LoopbackAuthorizationServer
from tests.cli.kit import Ran, run


class MemoryKeyring(KeyringBackend):
    """A keyring in memory. `limit`: the longest password that it keeps; a locked one raises."""

    priority = 1.0

    def __init__(self, limit: int = 100_000) -> None:
        super().__init__()
        self.passwords: dict[tuple[str, str], str] = {}
        self.limit = limit
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        self.passwords[service, username] = password[: self.limit]

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        if self.passwords.pop((service, username), None) is None:
            raise PasswordDeleteError("not found")

    def _check(self) -> None:
        if self.is_locked:
            raise KeyringLocked("Failed to unlock the collection!")


PUBLIC = Client(client_id="cli")
CONFIDENTIAL = Client(client_id="ci", secret="cs-canary-confidential")

# Follows redirects as a browser does, back to nlapi. Without site-packages (-IS) it starts faster.
BROWSER = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"


def browser(program: str = BROWSER) -> str:
    """The value of BROWSER for a program of Python that gets the address, which is asked for anew from then on."""
    # `webbrowser` reads the variable once in a process, and takes a colon for the end of a command.
    webbrowser._tryorder = None  # type: ignore[attr-defined]
    return f"{shlex.quote(sys.executable)} -IS -c {shlex.quote(f'exec(bytes.fromhex({program.encode().hex()!r}))')} %s"


def flows(url: str) -> dict[str, Any]:
    scopes = {"read": "to read"}
    return {
        "authorizationCode": {"authorizationUrl": f"{url}/authorize", "tokenUrl": f"{url}/token", "scopes": scopes},
        "deviceAuthorization": {"deviceAuthorizationUrl": f"{url}/device", "tokenUrl": f"{url}/token", "scopes": {}},
        "clientCredentials": {"tokenUrl": f"{url}/token", "scopes": {}},
    }


def description(url: str, schemes: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    operation = {"responses": {"200": {"description": "ok"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": url}],
        "components": {"securitySchemes": dict(schemes)},
        "security": [{id: [] for id in schemes}] if schemes else [],
        "paths": {
            "/orders": {"get": {"operationId": "listOrders", **operation}},
            "/orders/{id}": {
                "delete": {
                    "operationId": "deleteOrder",
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    **operation,
                }
            },
        },
        **more,
    }


def register(folder: Path, document: Mapping[str, Any], *options: str, name: str = "shop") -> Ran:
    """`nlapi api add` of a description."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document))
    ran = run("api", "add", name, str(file), *options)
    assert ran.code == 0, ran.err
    return ran


def register_oauth(folder: Path, server: LoopbackAuthorizationServer) -> None:
    register(folder, description(server.url, {"oauth": {"type": "oauth2", "flows": flows(server.url)}}))
