"""Lists the POSTs of a description that are reads by evidence, and writes an overlay that states them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import yaml

from nlapi.openapi.overlay import operation_jsonpath
from nlapi.openapi.spec import EFFECTS_KEY, Effect, Operation, Spec
from nlapi.resources.effect import Basis, EffectEvidence, evidence_of

# The overlay is a proposal: a person reads it before it is accepted (docs/design/020-effects.md).
COMMENT = """\
# POST operations that nlapi takes for reads, by the evidence that stands at each: it sends them without a question.
# Read it, and remove each action whose operation changes something. Once it is accepted, no other POST is classified by
# evidence, however the description changes: a read is then what is stated, here or in the description itself.
"""
MAX_TITLE = 60


def reads_by_evidence(operations: Iterable[Operation]) -> tuple[tuple[Operation, EffectEvidence], ...]:
    """Return the POSTs that are reads by evidence, each with the evidence."""
    posts = (operation for operation in operations if operation.method == "POST" and operation.effect is Effect.READ)
    classified = ((operation, evidence_of(operation)) for operation in posts)
    return tuple(
        (operation, evidence)
        for operation, evidence in classified
        if evidence.effect is Effect.READ and evidence.basis is Basis.EVIDENCE
    )


def effect_overlay(operations: Iterable[Operation]) -> str:
    """Return an overlay, as YAML, that states the reads among operations of a Spec; "" where evidence gives none.

    An operation of a path item behind a `$ref` is left out, as no target of the overlay's JSONPath reaches it.
    """
    reads = [
        (operation, evidence) for operation, evidence in reads_by_evidence(operations) if _has_path_item(operation)
    ]
    if not reads:
        return ""
    title = " ".join(reads[0][0].spec.title.split())[:MAX_TITLE]
    head = {"overlay": "1.1.0", "info": {"title": f"Reads of {title}", "version": "1"}}
    # See `evidence_of`: with this statement at the root, evidence counts for no other POST.
    pin = {
        "target": "$",
        "description": "No other POST is classified by evidence.",
        "update": {EFFECTS_KEY: "stated"},
    }
    actions = [pin, *(_action(operation, evidence) for operation, evidence in reads)]
    document = {**head, "actions": actions}
    return COMMENT + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _action(operation: Operation, evidence: EffectEvidence) -> dict[str, object]:
    return {
        "target": operation_jsonpath(operation.path, operation.method),
        "description": "; ".join(evidence.reasons),
        "update": {"x-nlapi-effect": Effect.READ.value},
    }


def export_overlay(spec: Spec) -> dict[str, object]:
    """Return an Overlay 1.1 that states the effect of each operation for other programs, and for nlapi.

    `x-openai-isConsequential` is read by actions of ChatGPT and by Microsoft 365 Copilot, `x-mcp` has MCP's hints.
    """
    operations = [operation for operation in spec.operations if _has_path_item(operation)]
    title = " ".join(spec.title.split())[:MAX_TITLE]
    actions = [
        {"target": operation_jsonpath(operation.path, operation.method), "update": _statements(operation.effect)}
        for operation in operations
    ]
    return {"overlay": "1.1.0", "info": {"title": f"Effects of {title}", "version": "1"}, "actions": actions}


def _statements(effect: Effect) -> dict[str, object]:
    hints = {"readOnlyHint": effect is Effect.READ, "destructiveHint": effect is Effect.DESTROY}
    consequential = effect is not Effect.READ
    return {"x-openai-isConsequential": consequential, "x-mcp": {"annotations": hints}, "x-nlapi-effect": effect.value}


def _has_path_item(operation: Operation) -> bool:
    item = operation.spec.document.get("paths", {}).get(operation.path)
    return isinstance(item, Mapping) and isinstance(item.get(operation.method.lower()), Mapping)
