"""Reads the workflow documents that a registered API has."""

from __future__ import annotations

from nlapi.errors import UsageError
from nlapi.registry import find_registration
from nlapi.workflows.model import SourceKind, WorkflowDocument
from nlapi.workflows.read import read_document
from nlapi.workflows.sources import LinkedDocument, Loader, link


def registered_workflows(name: str) -> tuple[WorkflowDocument, ...]:
    """Return the documents that `nlapi api add NAME SOURCE --workflows FILE` registered, read anew.

    UsageError for a name that is not registered, DescriptionError for a document that can no longer be read.
    """
    registration = find_registration(name)
    if registration is None:
        raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
    return tuple(map(read_document, registration.workflows))


def linked_workflows(name: str, loader: Loader) -> tuple[LinkedDocument, ...]:
    """Return the documents of a registered API, linked with it: it is the source where a document has one."""
    return tuple(
        link(document, sources=source_of(document, name), loader=loader) for document in registered_workflows(name)
    )


def source_of(document: WorkflowDocument, name: str) -> dict[str, str]:
    """Return where the source of a document is, by its name: the API `name`, where the document has one alone."""
    descriptions = [source for source in document.sources if source.kind is SourceKind.OPENAPI]
    return {descriptions[0].name: name} if len(descriptions) == 1 else {}
