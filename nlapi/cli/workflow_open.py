"""Opens a workflow document with its descriptions and the targets of their calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nlapi.cli import console
from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.tools.run import Target
    from nlapi.workflows.model import WorkflowDocument
    from nlapi.workflows.sources import LinkedDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDocument:
    """A document with its APIs: Targets, and the registered values of each by argument."""

    linked: LinkedDocument
    targets: Mapping[Spec, Target]
    defaults: Mapping[Spec, Mapping[str, Any]]

    @property
    def document(self) -> WorkflowDocument:
        return self.linked.document


def open_document(
    file: str,
    sources: list[str] | None,
    *,
    workflow_id: str = "",
    base_url: str | None = None,
    auth: list[str] | None = None,
    no_auth: bool = False,
) -> OpenedDocument:
    """Return a document with its sources opened. A source that cannot be is an Issue of it.

    `file` may be the name of a registered API: then it is the document of its that has the workflow `workflow_id`.
    """
    from nlapi.cli.target import open_target
    from nlapi.cli.workflow_registered import find_registered
    from nlapi.workflows.read import read_document
    from nlapi.workflows.registered import source_of
    from nlapi.workflows.sources import link

    targets: dict[Spec, Target] = {}
    defaults: dict[Spec, Mapping[str, Any]] = {}

    def load(source: str) -> Spec:
        target, values = open_target(source, base_url, auth, no_auth=no_auth)
        targets[target.spec], defaults[target.spec] = target, values
        return target.spec

    with console.show_progress("reading the workflow and its descriptions"):
        registered = find_registered(file, workflow_id)
        document = registered or read_document(file)
        known = source_of(document, file) if registered is not None else {}
        linked = link(document, sources={**known, **source_overrides(document, sources)}, loader=load)
    if len(targets) > 1 and (base_url or auth or no_auth):
        raise UsageError(
            "--base-url, --auth and --no-auth go with one API",
            hint="register each with `nlapi api add`, then name them with --source NAME=API",
        )
    return OpenedDocument(linked=linked, targets=targets, defaults=defaults)


def with_repairs(opened: OpenedDocument, *, only: str = "") -> OpenedDocument:
    """Return a document with its repairs; those of the workflow `only` are shown."""
    from nlapi.workflows.repair import repair as repair_document

    linked, repairs = repair_document(opened.linked)
    for entry in repairs:
        if only and entry.where.startswith(f"workflows.{only}."):
            console.note(str(entry))
    return replace(opened, linked=linked)


def source_overrides(document: WorkflowDocument, sources: list[str] | None) -> dict[str, str]:
    """Return where the sources of a document are, by name, as the user says."""
    overrides: dict[str, str] = {}
    names = [source.name for source in document.sources]
    for text in sources or ():
        name, mark, location = text.partition("=")
        if mark and name in names:
            overrides[name] = location
        elif len(names) == 1:
            overrides[names[0]] = text
        else:
            raise UsageError(f"--source {text} names none of the sources", hint=f"its sources: {', '.join(names)}")
    return overrides


def require_sources(opened: OpenedDocument) -> None:
    """Raise NlapiError for a source that cannot be opened."""
    if opened.linked.issues:
        issue = opened.linked.issues[0]
        raise NlapiError(f"{issue.where}: {issue.message}", hint=issue.hint)
