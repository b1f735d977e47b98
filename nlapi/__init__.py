"""Talk to any HTTP API in plain English, from its OpenAPI description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nlapi.version import __version__ as __version__

if TYPE_CHECKING:
    from nlapi import aio, testing
    from nlapi.agent.toolset.toolset import Toolset
    from nlapi.api import answer, build, call, load, plan, search, tools, toolset
    from nlapi.client.message import Request, Result
    from nlapi.errors import ArgumentError, ConsentError, CredentialError, Issue, NlapiError, SendError, UsageError
    from nlapi.openapi.spec import Effect, Operation, Spec
    from nlapi.tools.definitions.manifest import manifest
    from nlapi.tools.plan import Plan
    from nlapi.tools.repetition.ledger import Ledger
    from nlapi.tools.sending.run import Prepared
    from nlapi.tools.tool import Call, Tool

# A name's module is imported at its first use: `import nlapi` stays fast, and tests/cli check that help
# imports nothing heavy.
_HOMES = {
    **dict.fromkeys(("load", "build", "call", "answer", "plan", "search", "toolset"), "nlapi.api"),
    **dict.fromkeys(("Request", "Result"), "nlapi.client.message"),
    **dict.fromkeys(("Effect", "Operation", "Spec"), "nlapi.openapi.spec"),
    **dict.fromkeys(("Call", "Tool"), "nlapi.tools.tool"),
    **dict.fromkeys(
        ("ArgumentError", "ConsentError", "CredentialError", "Issue", "NlapiError", "SendError", "UsageError"),
        "nlapi.errors",
    ),
    "Ledger": "nlapi.tools.repetition.ledger",
    "manifest": "nlapi.tools.definitions.manifest",
    "Plan": "nlapi.tools.plan",
    "Prepared": "nlapi.tools.sending.run",
    "Toolset": "nlapi.agent.toolset.toolset",
}
_MODULES = ("aio", "testing", "tools")

__all__ = [
    "ArgumentError",
    "Call",
    "ConsentError",
    "CredentialError",
    "Effect",
    "Issue",
    "Ledger",
    "NlapiError",
    "Operation",
    "Plan",
    "Prepared",
    "Request",
    "Result",
    "SendError",
    "Spec",
    "Tool",
    "Toolset",
    "UsageError",
    "aio",
    "answer",
    "build",
    "call",
    "load",
    "manifest",
    "plan",
    "search",
    "testing",
    "tools",
    "toolset",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import nlapi` is fast. AttributeError for any other name."""
    from importlib import import_module

    if name not in _HOMES and name not in _MODULES:
        raise AttributeError(f"module 'nlapi' has no attribute {name!r}")
    value = import_module(f"nlapi.{name}") if name in _MODULES else getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
