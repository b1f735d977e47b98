"""The extras of nlapi, and the message for a user who lacks one."""

from __future__ import annotations

from importlib.util import find_spec

from nlapi.errors import UsageError

MODULES = {
    "claude": "anthropic",
    "envoy": "grpc",
    "gateway": "jsonschema_rs",
    "login": "authlib",
    "mcp": "mcp",
    "postgres": "psycopg",
}
"""Extra -> the module that stands for it. `otel` and `models` are looked for where they are used."""


def has_extra(extra: str) -> bool:
    """Return whether an extra of MODULES is installed; nothing is imported."""
    # Nothing is imported, as most commands end without it.
    return find_spec(MODULES[extra]) is not None


def require_extra(extra: str, user: str) -> None:
    """UsageError with the command to type when `user`, the beginning of a sentence, needs an extra that is missing."""
    if not has_extra(extra):
        message = f"{user} needs {MODULES[extra].replace('_', '-')}, which is not installed"
        raise UsageError(message, hint=install_hint(extra))


def install_hint(extra: str) -> str:
    """Return the command that adds an extra. pip takes it for the nlapi that is installed, and fetches no other."""
    return f'pip install "nlapi[{extra}]"'
