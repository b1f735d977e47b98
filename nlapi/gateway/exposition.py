"""The Prometheus text format 0.0.4: headers and labels."""

from __future__ import annotations

from collections.abc import Iterator


def header_lines(name: str, kind: str, help_text: str) -> Iterator[str]:
    """Yield the two lines before the samples of a metric; `kind` is counter, gauge or histogram."""
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"


def escape_label(text: str) -> str:
    """Return a text as it stands between the quotes of a label."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
