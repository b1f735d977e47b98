"""`nlapi gateway token`, and the first token of a gateway."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli.gateway.client import TOKEN
from nlapi.cli.gateway.options import Database, DatabasePassword, add_audit_entry, open_database
from nlapi.cli.options import flag, option
from nlapi.cli.render import console
from nlapi.errors import NlapiError, UsageError, file_faults
from nlapi.local_files import write_new_file

if TYPE_CHECKING:
    from nlapi.gateway.control.access import Access
    from nlapi.gateway.store.store import GatewayStore, TokenRecord

SERVE_TOKEN = "NLAPI_SERVE_TOKEN"  # noqa: S105 - the name of a variable; the admin's token stays in the other one
HOST_TOKEN = "NLAPI_HOST_TOKEN"  # noqa: S105 - the name of a variable
# The name of the token of a gateway that has none.
FIRST_TOKEN_NAME = "first-admin"  # noqa: S105 - a name


class TokenKind(StrEnum):
    """The role of a new token, `serve` for a client's token, or `host` for that of a Ray cluster."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    SERVE = "serve"
    HOST = "host"


_TOKEN_VARIABLES = {TokenKind.SERVE: SERVE_TOKEN, TokenKind.HOST: HOST_TOKEN}

TokenFile = Annotated[
    Path | None, option("--token-file FILE", "Write the token to a file that only you can read, and print nothing.")
]


def make_first_token(access: Access, store: GatewayStore, file: Path | None) -> None:
    """Make the admin's token of a gateway that serves and has no token, which nobody could operate otherwise."""
    from nlapi.gateway.control.access import Audience, Role
    from nlapi.gateway.http.problems import GatewayProblem

    if not store.tokens():
        try:
            record, secret = access.create_token(FIRST_TOKEN_NAME, Audience.ADMIN, role=Role.ADMIN)
        except GatewayProblem:  # another gateway on the same database has made it just now
            return
        _add_token_entry(store, "createToken", record)
        _deliver_secret(secret, file, "the first token, for an admin; it is shown this once:")


def check_token_file(store: GatewayStore, file: Path | None) -> None:
    """Raise NlapiError when the first token could not be written, before the gateway starts."""
    if file is not None and not store.tokens() and (file.exists() or not file.parent.is_dir()):
        reason = "it is there already" if file.exists() else f"there is no folder {file.parent}"
        raise NlapiError(f"{file} cannot be written: {reason}", hint="name a file that is not there")


def _deliver_secret(secret: str, file: Path | None, description: str, variable: str = TOKEN) -> None:
    """Show a secret on standard error, or write it to a new file that only the user can read."""
    if file is None:
        console.note(f"{description}\n  export {variable}={secret}")
        return
    with file_faults(f"{file} cannot be written", hint="name a file that is not there"):
        # An existing file may be a link, or may be readable by others.
        write_new_file(file, f"{secret}\n")
    console.note(f"the token is in {file}, for you alone")


def token(
    name: Annotated[str, typer.Argument(help="The owner; revisions show it as `who`.")],
    kind: Annotated[
        TokenKind, option("--for", "The role: serve for a client that calls, host, or another role.")
    ] = TokenKind.VIEWER,
    client: Annotated[str | None, option("--client", "The client of a serve token. Default: the token's name.")] = None,
    days: Annotated[int, option("--days", "Days until it expires; 0 means never.", min=0, max=3650)] = 0,
    revoke: Annotated[bool, flag("--revoke", "Revoke the token instead.")] = False,
    database: Database = None,
    database_password: DatabasePassword = None,
    token_file: TokenFile = None,
) -> None:
    """Create a token for a gateway on this machine or on a shared database. It is shown once."""
    from nlapi.gateway.control.access import Access, Audience, Role
    from nlapi.gateway.control.codec import slug

    store = open_database(database, database_password)
    path = store.path
    try:
        access = Access(store)
        if revoke:
            revoked = access.revoke_token(slug(name))
            if revoked is None:
                raise UsageError(
                    f"there is no token {name!r} in {path}", hint="name another one, or another --database"
                )
            _add_token_entry(store, "revokeToken", revoked)
            console.note(f"{name} is revoked")
            return
        is_client = kind is TokenKind.SERVE
        if client and not is_client:
            raise UsageError("only a serve token has a client", hint="give --for serve")
        is_operator = kind not in (TokenKind.SERVE, TokenKind.HOST)
        audience = Audience.ADMIN if is_operator else Audience(kind)
        role = Role(kind) if is_operator else None
        record, secret = access.create_token(slug(name), audience, role=role, client=slug(client or ""), days=days)
        _add_token_entry(store, "createToken", record)
        description = f"a token for {name} ({kind}) of the gateway whose database is {path}; it is shown this once:"
        _deliver_secret(secret, token_file, description, _TOKEN_VARIABLES.get(kind, TOKEN))
    finally:
        store.close()


def _add_token_entry(store: GatewayStore, action: str, token: TokenRecord) -> None:
    from nlapi.gateway.control.access import describe_token

    add_audit_entry(store, action, describe_token(token))
