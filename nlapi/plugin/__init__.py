"""A Spec in, a Claude Code plugin out, as a mapping of paths to their bytes: `nlapi.plugin.build`."""
