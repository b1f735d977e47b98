"""Reads what people type by the habits of other command lines: an API, a URL or a method first, their own options."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from nlapi.cli.command_table import COMMANDS
from nlapi.errors import NlapiError, UsageError
from nlapi.suggestions import suggestion

COMMANDS_ELSEWHERE = {
    "add": "nlapi api add NAME SOURCE",
    "alias delete": "nlapi alias remove NAME",
    "aliases": "nlapi alias",
    "api configure": "nlapi api add NAME SOURCE, or nlapi setup",
    "api delete": "nlapi api remove NAME",
    "api sync": "nlapi api update NAME",
    "api-key": "nlapi auth login API",
    "browse": "nlapi describe API; a description does not say which page shows an item",
    "config": "nlapi doctor shows the settings; nlapi api edit, nlapi alias and nlapi policy change them",
    "configure": "nlapi setup",
    "edit": "nlapi call API OPERATION FIELD=VALUE sends only the fields that you name",
    "graphql": "nlapi call API OPERATION; only OpenAPI and Swagger descriptions are read",
    "init": "nlapi setup",
    "keys": "nlapi auth login API for an API; export ANTHROPIC_API_KEY=... for a model",
    "environment": "nlapi doctor -o json",
    "import": "nlapi api add NAME SOURCE",
    "links": "nlapi describe API --graph",
    "list": "nlapi api list",
    "login": "nlapi auth login API",
    "logout": "nlapi auth logout API",
    "logs": "nlapi log",
    "ls": "nlapi api list",
    "plugins": "nlapi plugin",
    "prompt": 'nlapi ask "QUESTION" -a API',
    "schemas": "nlapi describe API OPERATION -o json",
    "search": "nlapi find API WORDS",
    "secret": "nlapi auth login API",
    "similar": "nlapi find API WORDS",
    "status": "nlapi doctor",
    "sync": "nlapi api update NAME",
    "templates": "nlapi alias set NAME 'ask \"QUESTION\" -a API'",
    "update": "nlapi api update NAME",
    "variable": "nlapi api edit NAME --set NAME=VALUE",
    "version": "nlapi --version",
}
"""Command of another program -> the line that does it here."""

OPTIONS_ELSEWHERE = {
    "--body": "--raw-body -, or --raw-body @FILE",
    "--cache": "descriptions are cached, answers never are",
    "--check-status": "it is always on: the exit code is 3, 4 or 5 for 3xx, 4xx or 5xx",
    "--cid": 'nlapi log resume ID "QUESTION"',
    "--continue": 'nlapi log resume last "QUESTION"',
    "--data": "--args -, --args @FILE or KEY=VALUE; --raw-body for a body that is not checked",
    "--database": "nlapi log; NLAPI_STATE_DIR=FOLDER stores it elsewhere",
    "--download": "-o raw > FILE",
    "--field": "KEY=VALUE, without an option",
    "--follow": "reads follow redirects within the API; changes never do",
    "--form": "KEY=VALUE; the description says how the body is encoded",
    "--hostname": "--base-url URL",
    "--include": "-i",
    "--input": "--args @FILE or --args - (checked), --raw-body @FILE or --raw-body - (as it is)",
    "--insecure": "SSL_CERT_FILE=FILE names a certificate authority of your own",
    "--json": "-o json, or --columns A,B",
    "--key": "export ANTHROPIC_API_KEY=...",
    "--location": "reads follow redirects within the API; changes never do",
    "--max-time": "--timeout SECONDS",
    "--method": "nlapi call API METHOD /path",
    "--offline": "--dry-run",
    "--paginate": "--all",
    "--print": "-i for the answer's headers, -v for the request too",
    "--profile": "-a NAME@ACCOUNT",
    "--query": "KEY=VALUE, without an option",
    "--raw": "--raw-body TEXT, or -o raw for the answer",
    "--raw-field": "KEY=VALUE, without an option",
    "--request": "nlapi call API METHOD /path",
    "--rsh-header": "-H NAME:VALUE",
    "--rsh-insecure": "SSL_CERT_FILE=FILE names a certificate authority of your own",
    "--rsh-no-paginate": "one page is the default; --all reads the others",
    "--rsh-output-format": "-o FORMAT",
    "--rsh-profile": "-a NAME@ACCOUNT",
    "--rsh-server": "--base-url URL",
    "--rsh-verbose": "-v",
    "--save": "nlapi alias set NAME 'ask \"QUESTION\" -a API'",
    "--schema": "-o json; nlapi describe API OPERATION -o json has the schema",
    "--session": "nlapi api add NAME SOURCE keeps the address, the login and values",
    "--silent": "-q",
    "--slurp": "--all -o json",
    "--stream": "items are printed as they come; --events N stops after N",
    "--system": "a question alone; nlapi policy has rules, --set NAME=VALUE values",
    "--template": "--jq EXPR, --columns A,B or -o value",
    "--user": "--auth SCHEME=env:NAME",
    "--verify": "SSL_CERT_FILE=FILE names a certificate authority of your own",
    "--web": "a description does not say which page shows an item",
    "-F": "KEY=VALUE, without an option",
    "-a": "--auth SCHEME=env:NAME; the API is the first word",
    "-X": "nlapi call API METHOD /path",
    "-c": 'nlapi log resume last "QUESTION"',
    "-d": "--args -, --args @FILE or KEY=VALUE; --raw-body for a body that is not checked",
    "-f": "KEY=VALUE, without an option; --jq EXPR filters the answer",
    "-s": "-q",
    "-t": "nlapi alias set NAME 'ask \"QUESTION\" -a API'",
    "-u": "--auth SCHEME=env:NAME",
}
"""Option of another program -> what does it here."""


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
    from nlapi.tools.direct_request import METHODS

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
    from nlapi.tools.direct_request import base_urls

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
    if line := COMMANDS_ELSEWHERE.get(f"{group} {name.lower()}".strip()):
        return UsageError(f"nlapi has no command {f'{group} {name}'.strip()!r}; use this: {line}")
    if group:
        return None
    nearest = suggestion(name, COMMANDS, otherwise='nlapi ask "..." -a API asks a question;')
    return UsageError(f"nlapi has no command {name!r}", hint=f"{nearest} nlapi -h lists the commands")


def unknown_option(name: str, possible: Sequence[str]) -> str:
    """Return the message for an option that a command does not have."""
    if line := OPTIONS_ELSEWHERE.get(name):
        return f"this command has no option {name}; use this: {line}"
    return f"this command has no option {name}" + (f" (did you mean {', '.join(possible[:3])}?)" if possible else "")
