"""The settings of an MCP server: who consents to changes, and what is offered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nlapi.client.message import Limits
from nlapi.english import lexicon
from nlapi.errors import UsageError
from nlapi.openapi.spec import CONNECTION_HEADERS, TOKEN, TRANSPORT_HEADERS
from nlapi.tools.texts.names import MAX_LENGTH

# In characters: a hash of nine, and something to read.
MIN_NAME_LENGTH = 16

# Headers of the exchange between client and server. They say nothing of the caller, and would be wrong on another
# request.
EXCHANGE_HEADERS = lexicon.words("mcp/words", "exchange_headers")


class Consent(StrEnum):
    """The party that consents to a change."""

    ELICIT = "elicit"
    """the user, whom the server asks through the client; without such a client nothing is changed"""
    CLIENT = "client"
    """the client asks before it calls; the server sends"""
    NEVER = "never"
    """nobody: changes are not offered"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The choices for one server.

    `registered` are values by argument name that the user registered with the API, `stored` those of a plugin, which
    fill in what a call does not give. `pass_headers` are the names of
    headers that go from each HTTP request of a client on to the API.

    In the server of a team `prefix` is before the names of the operations of an API.
    """

    consent: Consent = Consent.ELICIT
    all_tools: bool = False
    name_length: int = MAX_LENGTH
    pass_headers: tuple[str, ...] = ()
    registered: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    prefix: str = ""


def check_pass_headers(names: tuple[str, ...], *, has_token: bool) -> tuple[str, ...]:
    """Return the names of headers to pass on, in lower case. UsageError for one that must not be passed on."""
    for name in names:
        if reason := _refusal(name.lower(), has_token=has_token):
            raise UsageError(f"--pass-header {name!r}: {reason}", hint="such as --pass-header Authorization")
    return tuple(dict.fromkeys(name.lower() for name in names))


def _refusal(name: str, *, has_token: bool) -> str:
    if not TOKEN.fullmatch(name):
        return "it is not the name of a header"
    if name in CONNECTION_HEADERS or name in TRANSPORT_HEADERS or name.startswith("proxy-"):
        return "it belongs to one connection"
    if name in EXCHANGE_HEADERS or name.startswith(("mcp-", "sec-", "x-forwarded-")):
        return "it belongs to the exchange between client and server"
    if name == "authorization" and has_token:
        return "with --token or --issuer it holds the token of this server, which is not for the API"
    return ""
