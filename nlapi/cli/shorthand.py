"""Reads what people type by the habits of other command lines: an API, a URL or a method first, their own options."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from nlapi.cli.command_table import COMMANDS
from nlapi.errors import NlapiError, UsageError
from nlapi.suggestions import suggestion


def expand(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with what stands before a command's name filled in.

    An alias becomes its command; `NAME OPERATION`, `NAME/path`, `METHOD URL` and a URL alone become `call`; the name of
    an API alone becomes `describe`, and a sentence in quotes `ask`. UsageError for a URL of no registered API.
    """
    if not words or words[0] in COMMANDS or words[0].startswith("-"):
        return list(words)
    from nlapi.cli.apis.aliases import expand_alias

    expanded = expand_alias(words)
    if expanded[0] in COMMANDS:
        return expanded
    if " " in words[0].strip():
        return ["ask", *words]
    return _method_call(words) or _api_call(words) or list(words)


def _method_call(words: Sequence[str]) -> list[str]:
    """Return `GET URL ...` and a URL alone as a call; [] for other words."""
    from nlapi.openapi.urls import is_http_url
    from nlapi.tools.sending.direct_request import METHODS

    if is_http_url(words[0]):
        words = ["GET", *words]
    method, *rest = words
    if method.upper() not in METHODS or not rest:
        return []
    location = rest[0]
    if is_http_url(location):
        return ["call", _api_at(location), method.upper(), location, *rest[1:]]
    name, slash, path = location.partition("/")
    return ["call", name, method.upper(), f"/{path}", *rest[1:]] if slash and _is_api(name) else []


def _api_call(words: Sequence[str]) -> list[str]:
    """Return `NAME ...` and `NAME/path` as a command; [] where the first word names no API."""
    first, *rest = words
    name, slash, path = first.partition("/")
    if not _is_api(name):
        return []
    if slash:
        return ["call", name, "GET", f"/{path}", *rest]
    if rest and not rest[0].startswith("-"):
        return ["call", name, *rest]
    return ["describe", name, *(word for word in rest if word not in ("-h", "--help"))]


def _is_api(name: str) -> bool:
    from nlapi import bundled, registry

    return bool(name) and (registry.find_registration(name) is not None or bundled.is_bundled(name))


def _api_at(url: str) -> str:
    """Return the name of the registered API that runs at a URL. UsageError where none does."""
    from nlapi import registry
    from nlapi.cli.target import load
    from nlapi.openapi.urls import parse_url
    from nlapi.tools.sending.direct_request import base_urls

    entries = registry.read_registrations()
    for name, entry in sorted(entries.items(), key=lambda item: item[1].base_url is None):
        with suppress(NlapiError):
            bases = [entry.base_url.rstrip("/")] if entry.base_url else list(base_urls(load(name), None))
            if any(url == base or url.startswith((f"{base}/", f"{base}?")) for base in bases):
                return name
    site = parse_url(url).site
    raise UsageError(f"no registered API runs at {site}", hint=f"`nlapi setup {site}` looks for its description there")


def unknown_command(name: str, group: str = "") -> UsageError | None:
    """Return the error for a word that is not a command, with the line to type in its place.

    None for a word that is not a command of a `group` and that no other program has there.
    """
    if group == "api" and name.startswith("/"):
        return UsageError("`nlapi api` registers APIs", hint=f"nlapi call API GET {name[:80]} sends a request")
    from nlapi.english.lexicon import table

    if line := table("cli/words", "commands").get(f"{group} {name.lower()}".strip()):
        return UsageError(f"nlapi has no command {f'{group} {name}'.strip()!r}; use this: {line}")
    if group:
        return None
    nearest = suggestion(name, COMMANDS, otherwise='nlapi ask "..." -a API asks a question;')
    return UsageError(f"nlapi has no command {name!r}", hint=f"{nearest} nlapi -h lists the commands")


def unknown_option(name: str, possible: Sequence[str]) -> str:
    """Return the message for an option that a command does not have."""
    from nlapi.english.lexicon import table

    if line := table("cli/words", "options").get(name):
        return f"this command has no option {name}; use this: {line}"
    return f"this command has no option {name}" + (f" (did you mean {', '.join(possible[:3])}?)" if possible else "")
