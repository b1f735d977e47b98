"""Writes a workflow document to a file, with the places of its descriptions as seen from there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.cli import console
from nlapi.errors import UsageError
from nlapi.local_files import write_output
from nlapi.openapi.urls import is_http_url, redact_url

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.workflows.model import WorkflowDocument


def description_locations(names: Mapping[Spec, str], output: str) -> dict[Spec, str]:
    """Return where the description of each API is for a document at `output`, by the names that the user gave.

    A file is named by its path from the folder of the document, an API that is registered or bundled by its name.
    """
    folder = Path.cwd() if output == "-" else Path(output).resolve().parent
    return {spec: _location(name, folder) for spec, name in names.items()}


def _location(name: str, folder: Path) -> str:
    if is_http_url(name):
        return redact_url(name)
    path = Path(name)
    if name == "-":
        raise UsageError(
            "a description from standard input has no place that a workflow can name", hint="give the path of its file"
        )
    return Path(os.path.relpath(path.resolve(), folder)).as_posix() if path.is_file() else name


def write_document(document: WorkflowDocument, output: str) -> None:
    """Write a document: JSON for a file that ends in .json, else YAML. UsageError where it cannot be written."""
    from nlapi.workflows.write import DocumentFormat, render

    format = DocumentFormat.JSON if output.lower().endswith(".json") else DocumentFormat.YAML
    write_text(render(document, format), output)
    if output == "-":
        return
    workflow = document.workflows[0]
    console.note(f"{output}: workflow {workflow.id} of {console.count_noun(len(workflow.steps), 'step')}")


def write_text(text: str, output: str) -> None:
    """Write a text to a file, or to standard output for "-". UsageError where it cannot be written."""
    if output == "-":
        console.write(text, end="")
        return
    try:
        write_output(Path(output), text)
    except OSError as error:
        raise UsageError(
            f"cannot write {output}: {error.strerror}", hint="name a file in a folder that is there"
        ) from error
