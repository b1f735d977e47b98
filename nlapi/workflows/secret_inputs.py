"""Names the inputs of a workflow that no transcript may have, and keeps their values out of what is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from nlapi.client.auth import secret_parts
from nlapi.client.masking import MASK, MIN_SECRET_LENGTH, redact, secret_mask
from nlapi.client.message import File
from nlapi.openapi.spec import Spec
from nlapi.workflows.model import ArazzoWorkflow
from nlapi.workflows.outline import WorkflowOutline, outline
from nlapi.workflows.snapshot import Unstored
from nlapi.workflows.sources import LinkedDocument


def secret_names(workflow: ArazzoWorkflow) -> frozenset[str]:
    """Return the inputs that are secret by their schema (`format: password`, `writeOnly`)."""
    return frozenset(
        name
        for name, schema in workflow.input_schemas.items()
        if isinstance(schema, Mapping) and (schema.get("format") == "password" or schema.get("writeOnly") is True)
    )


def unstored_names(workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> frozenset[str]:
    """Return those of `inputs` that no transcript has: secrets, and files."""
    files = {name for name, value in inputs.items() if isinstance(value, File)}
    return frozenset(name for name in secret_names(workflow) | files if name in inputs)


def secret_texts(workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts of the secret inputs that were given, those inside an object or a list too."""
    texts: list[str] = []
    nodes = [inputs[name] for name in secret_names(workflow) if name in inputs]
    while nodes:
        node = nodes.pop()
        if isinstance(node, Mapping):
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
        elif not isinstance(node, (File, bool, type(None))):
            texts.append(str(node))
    return tuple(texts)


def unmaskable_name(workflow: ArazzoWorkflow, inputs: Mapping[str, Any]) -> str:
    """Return a secret input that is too short to be masked in a transcript or in events; "" for none."""
    for name in secret_names(workflow):
        texts = secret_texts(workflow, {name: inputs[name]}) if name in inputs else ()
        if any(len(text) < MIN_SECRET_LENGTH for text in texts):
            return name
    return ""


def masked_texts(workflow: ArazzoWorkflow, inputs: Mapping[str, Any], credentials: Iterable[str]) -> tuple[str, ...]:
    """Return what is masked in all that is written of a run: credentials, and secret inputs."""
    parts = (part for credential in credentials for part in secret_parts(credential))
    return (*parts, *secret_texts(workflow, inputs))


def unstored_values(workflow: ArazzoWorkflow, inputs: Mapping[str, Any], credentials: Iterable[str]) -> Unstored:
    """Return the values of a run that no transcript has."""
    names = unstored_names(workflow, inputs)
    mask = secret_mask(masked_texts(workflow, inputs, credentials))
    return Unstored(inputs={name: inputs[name] for name in names}, mask=mask)


def masked_outline(
    linked: LinkedDocument,
    workflow: ArazzoWorkflow,
    inputs: Mapping[str, Any],
    *,
    defaults: Mapping[Spec, Mapping[str, Any]] | None = None,
    strict: bool = False,
) -> WorkflowOutline:
    """Return the tree of a workflow, with `***` for secret inputs."""
    tree = outline(linked, workflow, inputs, defaults=defaults, strict=strict)
    secrets = secret_texts(workflow, inputs)
    if not secrets:
        return tree
    masked_inputs = {**inputs, **{name: MASK for name in secret_names(workflow) if name in inputs}}
    shown = outline(linked, workflow, masked_inputs, defaults=defaults, strict=strict)

    def mask(fault: str) -> str:
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            fault = fault.replace(secret, MASK)
        return redact(fault, secrets)

    # The faults are those of the values themselves: `***` may fit where they do not, and the other way round.
    pairs = zip(shown.entries, tree.entries, strict=True)
    return replace(shown, entries=tuple(replace(entry, fault=mask(real.fault)) for entry, real in pairs))
