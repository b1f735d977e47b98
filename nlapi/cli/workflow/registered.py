"""Opens workflow documents with their descriptions and targets: of a file, registered, and beside a description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlapi import registry
from nlapi.cli.render import console
from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.tools.sending.run import Target
    from nlapi.workflows.model import WorkflowDocument
    from nlapi.workflows.sources import LinkedDocument
    from nlapi.workflows.workflow_tools import WorkflowSet


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedApi:
    """An API at hand: the name or source that the user gave, its Target, and its registered values by argument."""

    name: str
    target: Target
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class WorkflowOpener:
    """Opens workflow documents with the APIs at hand; other descriptions that they name are opened too."""

    apis: Sequence[OpenedApi]
    targets: dict[Spec, Target] = field(default_factory=dict)
    defaults: dict[Spec, Mapping[str, Any]] = field(default_factory=dict)
    _specs: dict[str, Spec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for api in self.apis:
            spec = api.target.spec
            self.targets[spec], self.defaults[spec] = api.target, api.values
            self._specs[api.name] = self._specs[_location(spec.source)] = spec

    def open(self, files: Mapping[str, Sequence[str]]) -> WorkflowSet:
        """Return the workflows of the files of each API, by its name. One that cannot run is named on standard error.

        NlapiError for a file that cannot be read.
        """
        from nlapi.workflows.workflow_tools import WorkflowSet, workflow_tools

        tools = workflow_tools(self._documents(files))
        for reason in tools.left_out:
            console.note(f"warning: {reason}")
        return WorkflowSet(tools=tools, targets=self.targets, defaults=self.defaults)

    def _documents(self, files: Mapping[str, Sequence[str]]) -> Iterator[LinkedDocument]:
        from nlapi.workflows.read import read_document
        from nlapi.workflows.sources import link, source_of

        for name, locations in files.items():
            for location in locations:
                document = read_document(location)
                yield link(document, sources=source_of(document, name), loader=self._load)

    def _load(self, source: str) -> Spec:
        from nlapi.cli.target import open_target

        key = source if source in self._specs else _location(source)
        if key not in self._specs:
            target, values = open_target(source, None, None)
            self.targets[target.spec], self.defaults[target.spec] = target, values
            self._specs[key] = target.spec
        return self._specs[key]


def open_registered(apis: Sequence[OpenedApi]) -> WorkflowSet | None:
    """Return the registered workflows of APIs; None where they have none. Without a document that cannot be read."""
    files = {api.name: files for api in apis if (files := _registered_files(api.name))}
    if not files:
        return None
    try:
        return WorkflowOpener(apis=apis).open(files)
    except NlapiError as error:
        console.note(f"warning: the workflows of {', '.join(files)} are left out: {error}")
        return None


def with_registered(name: str, files: Sequence[str] | None) -> dict[str, list[str]]:
    """Return the documents of an API, by its name: those of `--workflows`, and the registered ones."""
    chosen = list(dict.fromkeys([*(files or ()), *_registered_files(name)]))
    return {name: chosen} if chosen else {}


def _registered_files(name: str) -> list[str]:
    registration = registry.find_registration(name)
    return list(registration.workflows) if registration is not None else []


def list_registered(names: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return a row for each workflow that is registered with these APIs, or with any; required inputs have a `*`."""
    from nlapi.cli.target import open_target

    rows: list[dict[str, Any]] = []
    for name in names or registry.read_registrations():
        files = _registered_files(name)
        if not files:
            if names and registry.find_registration(name) is None:
                raise UsageError(f"no API is registered as {name!r}", hint="`nlapi api list` shows them")
            continue
        target, values = open_target(name, None, None)
        opened = WorkflowOpener(apis=[OpenedApi(name=name, target=target, values=values)]).open({name: files})
        for entry in opened.tools:
            workflow, required = entry.workflow, entry.tool.required
            rows.append(
                {
                    "api": name,
                    "id": workflow.id,
                    "effect": str(entry.effect),
                    "calls": len(entry.calls),
                    "inputs": [f"{key}*" if key in required else key for key in workflow.input_schemas],
                    "summary": workflow.summary or workflow.description,
                    "file": entry.linked.document.location,
                }
            )
    return rows


def find_registered(name: str, workflow_id: str) -> WorkflowDocument | None:
    """Return the document of a registered API that has a workflow; None where `name` is not such an API.

    UsageError where no document has it, or where several documents are there and none is named.
    """
    from nlapi.workflows.sources import registered_workflows

    if Path(name).is_file() or not _registered_files(name):
        return None
    documents = registered_workflows(name)
    ids = [workflow.id for document in documents for workflow in document.workflows]
    if not workflow_id:
        if len(documents) == 1:
            return documents[0]
        raise UsageError(f"{name} has several documents, and no workflow is named", hint=_choices(ids))
    matches = [document for document in documents if document.find(workflow_id) is not None]
    if not matches:
        raise UsageError(f"{name} has no workflow {workflow_id}", hint=_choices(ids))
    if len(matches) > 1:
        places = ", ".join(document.location for document in matches)
        raise UsageError(f"several documents have a workflow {workflow_id}", hint=f"name one of {places}")
    return matches[0]


def _choices(ids: Sequence[str]) -> str:
    return f"its workflows: {', '.join(ids) or 'none'}"


def _location(source: str) -> str:
    """Return a source so that two ways to write the path of one file are equal."""
    path = Path(source).expanduser()
    return str(path.resolve()) if path.is_file() else source


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
    headers: list[str] | None = None,
    no_auth: bool = False,
) -> OpenedDocument:
    """Return a document with its sources opened. A source that cannot be is an Issue of it.

    `file` may be the name of a registered API: then it is the document of its that has the workflow `workflow_id`.
    """
    from nlapi.cli.target import open_target, with_headers
    from nlapi.workflows.read import read_document
    from nlapi.workflows.sources import link, source_of

    targets: dict[Spec, Target] = {}
    defaults: dict[Spec, Mapping[str, Any]] = {}

    def load(source: str) -> Spec:
        target, values = open_target(source, base_url, auth, no_auth=no_auth)
        target = with_headers(target, headers)
        targets[target.spec], defaults[target.spec] = target, values
        return target.spec

    with console.show_progress("reading the workflow and its descriptions"):
        registered = find_registered(file, workflow_id)
        document = registered or read_document(file)
        known = source_of(document, file) if registered is not None else {}
        linked = link(document, sources={**known, **source_overrides(document, sources)}, loader=load)
    if len(targets) > 1 and (base_url or auth or headers or no_auth):
        raise UsageError(
            "--base-url, --auth, -H and --no-auth go with one API",
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
