"""A Spec in, a Claude Code plugin out, as a mapping of paths to their bytes."""

from __future__ import annotations

from nlapi.plugin.build import Options, Plugin, build

__all__ = ["Options", "Plugin", "build"]
