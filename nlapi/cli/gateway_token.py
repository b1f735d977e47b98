"""`nlapi gateway token`: tokens made in a gateway's database on this machine, the first one included."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli import show
from nlapi.cli.options import FLAG
from nlapi.errors import NlapiError, UsageError
from nlapi.registry import user_folder

if TYPE_CHECKING:
    from nlapi.gateway.access import Access
    from nlapi.gateway.kept import TokenRecord
    from nlapi.gateway.store import GatewayStore

TOKEN = "NLAPI_GATEWAY_TOKEN"  # noqa: S105 - the name of a variable
SERVE_TOKEN = "NLAPI_SERVE_TOKEN"  # noqa: S105 - the name of a variable; the admin's token stays in the other one
# The name of the token of a gateway that has none.
FIRST_TOKEN_NAME = "first-admin"  # noqa: S105 - a name
# The author in the audit log of tokens made here, where write access to the database is enough and no token is needed.
COMMAND_LINE = "command-line"


class TokenKind(StrEnum):
    """The role of a new token, or `serve` for a client's token."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    SERVE = "serve"


Database = Annotated[
    Path | None,
    typer.Option(
        "--database", metavar="FILE", help="Where revisions and tokens are kept, if not with the user's data."
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="Write the token there, for the user alone; print nothing."),
]


def make_first_token(access: Access, store: GatewayStore, file: Path | None) -> None:
    """Make the admin's token of a gateway that has no token, which nobody could operate otherwise."""
    from nlapi.gateway.access import Audience, Role

    if not store.tokens():
        record, secret = access.create_token(FIRST_TOKEN_NAME, Audience.ADMIN, role=Role.ADMIN)
        add_audit_entry(store, "createToken", record)
        deliver_secret(secret, file, "the first token, for an admin; it is shown this once:")


def deliver_secret(secret: str, file: Path | None, description: str, variable: str = TOKEN) -> None:
    """Show a secret on standard error, or write it to a new file that only the user can read."""
    if file is None:
        show.note(f"{description}\n  export {variable}={secret}")
        return
    try:
        # O_EXCL: an existing file may be a link, or may be readable by others.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise NlapiError(f"{file} cannot be written: {error.strerror}", hint="name a file that is not there") from None
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(f"{secret}\n")
    show.note(f"the token is in {file}, for you alone")


def token(
    name: Annotated[str, typer.Argument(help="Whose it is; it stands as who in revisions.")],
    kind: Annotated[
        TokenKind, typer.Option("--for", help="A role, or serve for a client that calls.")
    ] = TokenKind.VIEWER,
    client: Annotated[
        str | None, typer.Option("--client", help="The client of a serve token, if not its name.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=0, max=3650, help="How long it is good for; 0 is for ever.")] = 0,
    revoke: Annotated[bool, typer.Option("--revoke", metavar=FLAG, help="Make the token useless instead.")] = False,
    database: Database = None,
    token_file: TokenFile = None,
) -> None:
    """Make a token for a gateway whose database is on this machine. Its secret is shown once."""
    from nlapi.gateway.access import Access, Audience, Role
    from nlapi.gateway.codec import slug
    from nlapi.gateway.store import GatewayStore

    path = database_file(database)
    store = GatewayStore(path)
    try:
        access = Access(store)
        if revoke:
            revoked = access.revoke_token(slug(name))
            if revoked is None:
                raise UsageError(
                    f"there is no token {name!r} in {path}", hint="name another one, or another --database"
                )
            add_audit_entry(store, "revokeToken", revoked)
            show.note(f"{name} is revoked")
            return
        is_client = kind is TokenKind.SERVE
        if client and not is_client:
            raise UsageError("only a serve token has a client", hint="give --for serve")
        audience = Audience.SERVE if is_client else Audience.ADMIN
        role = None if is_client else Role(kind)
        record, secret = access.create_token(slug(name), audience, role=role, client=slug(client or ""), days=days)
        add_audit_entry(store, "createToken", record)
        description = f"a token for {name} ({kind}) of the gateway whose database is {path}; it is shown this once:"
        deliver_secret(secret, token_file, description, SERVE_TOKEN if is_client else TOKEN)
    finally:
        store.close()


def add_audit_entry(store: GatewayStore, action: str, token: TokenRecord) -> None:
    """Add an entry to the gateway's audit log, as changes over HTTP do."""
    from nlapi.gateway.access import describe_token, utc_now, format_time
    from nlapi.gateway.kept import AuditEntry

    entry = AuditEntry(at=format_time(utc_now()), who=COMMAND_LINE, action=action, target="", outcome="done", detail=describe_token(token))
    store.add_audit_entry(entry)


def database_file(path: Path | None) -> Path:
    if path is not None:
        return path
    folder = user_folder("data")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "gateway.db"
