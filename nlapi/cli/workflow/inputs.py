"""The options of `nlapi workflow`, and its inputs from the command line or from the person at the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from nlapi.cli.options import (
    Auth,
    BaseUrl,
    Deadline,
    Headers,
    NoAuth,
    NoLog,
    NoWait,
    Wait,
    Yes,
    argument,
    flag,
    is_interactive,
    option,
    parse_pairs,
)
from nlapi.cli.render import console
from nlapi.credential_references import VARIABLE, read_reference
from nlapi.errors import ArgumentError, MissingError, UsageError
from nlapi.json_text import parse_json

if TYPE_CHECKING:
    from nlapi.workflows.model import ArazzoWorkflow


def read_inputs(workflow: ArazzoWorkflow, texts: list[str] | None) -> dict[str, Any]:
    """Return the inputs of `NAME=VALUE` by the schemas of the workflow. UsageError for one that it does not have."""
    values: dict[str, Any] = {}
    for name, text in parse_pairs(texts, "--input").items():
        if name not in workflow.input_schemas:
            known = ", ".join(workflow.input_schemas) or "none"
            raise UsageError(f"{workflow.id} has no input {name}", hint=f"its inputs: {known}")
        schema = workflow.input_schemas[name]
        if text.startswith("@"):
            values[name] = _file_input(name, text[1:], schema if isinstance(schema, Mapping) else {})
            continue
        text = read_reference(text, f"--input {name}") if text.startswith(VARIABLE) else text
        values[name] = _coerced(name, text, schema)
    _check_inputs(workflow, values)
    return values


def _coerced(name: str, text: str, schema: object) -> Any:
    """Return a text as the value that the schema of an input wants, an amount with its unit in units of the wire.

    UsageError for an invalid schema, and for an amount that has no sure number.
    """
    from nlapi.tools.arguments import coerce
    from nlapi.tools.quantities.units import schema_to_wire_units

    try:
        return schema_to_wire_units(name, schema, coerce(text, schema if isinstance(schema, Mapping) else {}))
    except ArgumentError as error:
        raise UsageError(f"--input {error.message}", hint=error.hint) from None
    except (TypeError, AttributeError, ValueError) as fault:
        raise UsageError(f"the schema of the input {name} cannot be used: {fault}") from None


def _file_input(name: str, path: str, schema: Mapping[str, Any]) -> Any:
    """Return the content of a file as an input: JSON for an object or a list, text where it is one, else the file."""
    from nlapi.cli.call.arguments import read_file_argument
    from nlapi.resources.schemas import schema_types

    file = read_file_argument(path)
    types = schema_types(schema)
    if types and "string" not in types:
        try:
            return parse_json(file.data)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"--input {name}: {path} is not JSON: {error}") from None
    try:
        text = file.data.decode("utf-8")
    except UnicodeDecodeError:
        return file
    return file if schema.get("format") == "binary" or "contentMediaType" in schema else text


def _check_inputs(workflow: ArazzoWorkflow, values: Mapping[str, Any]) -> None:
    from nlapi.client.message import File
    from nlapi.schema_validator import VALIDATOR

    schema = {key: value for key, value in workflow.inputs.items() if key != "required"}
    checked = {name: value for name, value in values.items() if not isinstance(value, File)}
    try:
        error = next(iter(VALIDATOR(schema).iter_errors(checked)), None) if schema else None
    except Exception as fault:  # jsonschema raises any of its causes: an unknown type, a reference into nothing
        message = str(fault).partition("\n")[0][:200] or type(fault).__name__
        raise UsageError(f"the schema of the inputs of {workflow.id} cannot be used: {message}") from None
    if error is not None:
        name = str(error.absolute_path[0]) if error.absolute_path else "inputs"
        raise UsageError(f"--input {name}: {error.message[:200]}")


def ask_for_inputs(workflow: ArazzoWorkflow, values: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs with those that are required and missing, which a person is asked for."""
    from nlapi.cli.ask.prompts import read_line

    schemas = workflow.input_schemas
    missing = [
        name for name in workflow.required_inputs if name not in values and "default" not in (schemas.get(name) or {})
    ]
    if missing and not is_interactive():
        options = " ".join(f"--input {name}=..." for name in missing)
        raise MissingError(f"{workflow.id} needs {', '.join(missing)}", hint=f"add {options}")
    for name in missing:
        schema = schemas.get(name) or {}
        if text := schema.get("description"):
            console.note(str(text))
        typed = (read_line(f"{name}: ") or "").strip()
        if not typed:
            raise MissingError(f"{workflow.id} needs {name}", hint=f"add --input {name}=...")
        values[name] = _coerced(name, typed, schema)
    _check_inputs(workflow, values)
    return values


def require_maskable(workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> None:
    """Raise UsageError for a secret input that is too short to be masked in a transcript or in events."""
    from nlapi.client.masking import MIN_SECRET_LENGTH
    from nlapi.workflows.outline import unmaskable_name

    if name := unmaskable_name(workflow, inputs):
        raise UsageError(
            f"the secret input {name} has fewer than {MIN_SECRET_LENGTH} characters, which cannot be masked",
            hint="--no-log with -o text or json writes it nowhere, and the run cannot be resumed",
        )


File = Annotated[
    str,
    argument("FILE", "An Arazzo document: a path, a URL, or - for standard input; or an API that has one registered."),
]
WorkflowId = Annotated[str, argument("ID", "Its workflowId. Needed only if the document has several.")]
SourceOverrides = Annotated[
    list[str] | None,
    option(
        "--source [NAME=]SOURCE",
        "Where a description is: a path, a URL or a registered API. Without NAME for the only one.",
    ),
]
Inputs = Annotated[
    list[str] | None, option("--input -i NAME=VALUE", "An input; NAME=@FILE reads a file, NAME=env:VAR too.")
]
Strict = Annotated[bool, flag("--strict", "Follow the standard to the letter; deviations fail.")]


class RunOutput(StrEnum):
    """The output formats of a run."""

    TEXT = "text"
    JSON = "json"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a run, one field each, in the order of the help text."""

    yes: Yes = False
    values: Annotated[
        list[str] | None,
        option("--set STEP.ARGUMENT=VALUE", "A value for a step whose source answer does not provide it."),
    ] = None
    until: Annotated[str, option("--until STEP", "Stop after this step.")] = ""
    sources: SourceOverrides = None
    base_url: BaseUrl = None
    auth: Auth = field(default=None, repr=False)
    headers: Headers = field(default=None, repr=False)
    no_auth: NoAuth = False
    timeout: Deadline = None
    wait: Wait = None
    no_wait: NoWait = False
    strict: Strict = False
    repair: Annotated[bool, flag("--repair", "Run the document with its repairs, after showing them.")] = False
    no_log: NoLog = False
    output: Annotated[
        RunOutput | None, option("-o --output", "Default: text on a terminal, else json; ndjson prints each event.")
    ] = None
