"""The consent panel in Chromium, by the bridge that hosts use."""
