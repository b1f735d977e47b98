"""A stateful stand-in server for any Spec, which refuses requests that the Spec forbids."""

from __future__ import annotations

from nlapi.sandbox.server import Running, Sandbox, running, serve

__all__ = ["Running", "Sandbox", "running", "serve"]
