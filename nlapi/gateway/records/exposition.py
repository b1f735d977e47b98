"""The Prometheus text format 0.0.4: headers and labels."""

from __future__ import annotations

from collections.abc import Iterator

from nlapi.routing.model import VersionRef

# Each client is three time series and more in Prometheus, for ever. Those beyond this number are one label value.
MAX_CLIENT_LABELS = 200
OTHER_CLIENTS = "other"


def header_lines(name: str, kind: str, help_text: str) -> Iterator[str]:
    """Yield the two lines before the samples of a metric; `kind` is counter, gauge or histogram."""
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"


def escape_label(text: str) -> str:
    """Return a text as it stands between the quotes of a label."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def version_labels(objective: str, version: VersionRef) -> str:
    """Return the labels of an objective and a version."""
    return (
        f'objective="{escape_label(objective)}",model="{escape_label(version.model)}",'
        f'version="{escape_label(version.version)}"'
    )


class ClientLabels:
    """The label values of a metric's clients: the first `MAX_CLIENT_LABELS` names, and one value for all others."""

    def __init__(self) -> None:
        self._labels: set[str] = set()

    def label(self, client: str) -> str:
        """Return the label value of a client."""
        if client not in self._labels:
            if len(self._labels) >= MAX_CLIENT_LABELS:
                return OTHER_CLIENTS
            self._labels.add(client)
        return client
