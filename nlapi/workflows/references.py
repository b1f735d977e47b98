"""Mends references to the outputs of steps: to where the answer has the value, and to the part that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.english.words import name_words, singular_words
from nlapi.openapi.spec import Operation
from nlapi.resources.nouns import ID_WORDS, singular_noun
from nlapi.resources.paths import Place
from nlapi.resources.schemas import ref_of
from nlapi.workflows.expressions import (
    EACH,
    Accessors,
    Expression,
    ExpressionError,
    Root,
    expressions_in,
    parse_expression,
    pointer,
    split_name,
)
from nlapi.workflows.model import ArazzoWorkflow, WorkflowStep
from nlapi.workflows.repairs import Note, RepairKind
from nlapi.workflows.tree_nodes import step_node
from nlapi.workflows.value_schemas import ValueSchema, ValueSchemas
from nlapi.workflows.value_search import entry_of, find_argument_value, find_named, has_same_words, suffix_field


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReferences:
    """The references in one step of a workflow; "" for `step_id` in the outputs of the workflow."""

    schemas: ValueSchemas
    workflow: ArazzoWorkflow
    step_id: str
    note: Note
    tree: Mapping[str, Any]
    """the document that is edited"""

    def elsewhere(
        self, value: ValueSchema, accessors: Accessors, operation: Operation | None = None
    ) -> Accessors | None:
        """Return where a value has the part that wrong accessors mean: in its item, else at the nearest such name."""
        base, entry = entry_of(value)
        if value.is_scalar:
            return ()
        texts = (part for step in accessors for part in str(step).split("."))
        names = tuple(text for text in texts if not text.isdecimal())
        for candidate in (accessors, names):
            if candidate and not entry.part(candidate).fault and entry.part(candidate).is_described:
                return (*base, *candidate)
        # `#/0/code` of a list of codes is the code itself.
        prefixes = (accessors[:end] for end in range(len(accessors) - 1, 0, -1))
        prefix = next((prefix for prefix in prefixes if value.part(prefix).is_scalar), None)
        if prefix is not None or not names:
            return prefix
        found = find_named(value, str(names[-1]))
        # `product.custom_fields[0].id` is not the product's own id.
        if found is not None and len(names) > 1 and name_words(names[-1])[-1:][0] in ID_WORDS:
            found = found if names[-2] in found else None
        if found is not None or operation is None or len(names) != 1:
            return found
        whole = self._named_whole(value, names[0], operation)
        noun = singular_noun(operation)
        if whole is not None or not noun or noun[-1] not in name_words(names[0])[:-1]:
            return whole
        # `offering_id` of a list of offerings is the `id` of its first one.
        suffix = suffix_field(entry, names[0])
        return (*base, suffix) if suffix is not None else None

    def _named_whole(self, value: ValueSchema, name: str, operation: Operation) -> Accessors | None:
        """Return the way to the list or the item of an answer that is called by its noun, or by its schema's name."""
        noun = singular_noun(operation)
        is_whole = ref_of(value.schema).rpartition("/")[2] == name
        if not is_whole and (not noun or singular_words(name)[-1:] != noun[-1:]):
            return None
        base, _ = entry_of(value)
        return () if is_whole else base[:-1] if base and base[-1] == 0 else base

    def argument(
        self, node: Any, operation: Operation, place: Place, where: str, target: ValueSchema | None = None
    ) -> Any:
        """Return the repaired value of an argument; None where nothing is to be repaired, or can be.

        `target` is the schema of a field inside of an argument.
        """
        target = target or self.schemas.argument(operation, *place)
        fixed = self.mend(node, where, target)
        node = fixed if fixed is not None else node
        value = self.schemas.of(node, self.workflow) if isinstance(node, str) else ValueSchema()
        if value.fault and (moved := self._moved_output(node, operation, place, where)):
            return moved
        # One value stands for a list of one.
        if target is not None and target.types == ("array",):
            if value.part((0,)).is_scalar:
                return fixed
            target = target.part((0,))
        if target is None or value.fault or not target.is_scalar or not value.is_described:
            return fixed
        if set(value.types) & {"string", "number", "integer", "boolean"} or not _is_step_reference(node):
            return fixed
        output = node.rpartition(".")[2].partition("#")[0]
        source = self._source_operation(node)
        found = find_argument_value(value, source, operation, place, hint=output)
        if not found:
            return fixed
        after = f"{node.partition('#')[0]}{pointer((*_pointer_of(node), *found))}"
        self.note(RepairKind.TAKE, where, node, after, f"{place[1]} takes {' or '.join(target.types)}")
        return after

    def _moved_output(self, node: Any, operation: Operation, place: Place, where: str) -> str | None:
        """Return a reference whose output, which the answer does not have, is set to what the argument wants of it."""
        expression = _parse(node)
        step = self.workflow.step(expression.owner) if expression is not None else None
        source = self.schemas.linked.target(step).operation if step is not None else None
        if expression is None or step is None or source is None or self._runs_later(node):
            return None
        found = split_name(expression.name, step.outputs)
        if found is None or not self.schemas.of(step.outputs[found[0]], self.workflow, step).fault:
            return None
        accessors = find_argument_value(self.schemas.answer(source), source, operation, place, hint=found[0])
        if not accessors:
            return None
        before, after = step.outputs[found[0]], f"$response.body{pointer(accessors)}"
        reference = f"$steps.{step.id}.outputs.{found[0]}"
        outputs = step_node(self.tree, self.workflow.id, step.id)["outputs"]
        if outputs[found[0]] == after:
            return reference
        # Another argument of this step has moved it already.
        if outputs[found[0]] != before:
            return None
        outputs[found[0]] = after
        place_of_output = f"workflows.{self.workflow.id}.steps.{step.id}.outputs.{found[0]}"
        self.note(RepairKind.FIND, place_of_output, before, after, f"{place[1]} of {self.step_id} wants it")
        if reference != node:
            self.note(RepairKind.FIND, where, node, reference, "the output is the value itself")
        return reference

    def mend(self, node: Any, where: str, target: ValueSchema | None = None) -> str | None:
        """Return a reference to a step's output with its accessors mended; None where it is right, or cannot be."""
        expression = _parse(node)
        step = self.workflow.step(expression.owner) if expression is not None else None
        if expression is None or step is None:
            return None
        found = split_name(expression.name, step.outputs)
        if found is None:
            return self._renamed(node, expression.owner, expression.name, step, where)
        name, accessors, bend = found
        base = f"$steps.{step.id}.outputs.{name}"
        value = self.schemas.of(base, self.workflow)
        if value.fault:
            return None
        part = value.part(accessors)
        if part.fault:
            elsewhere = self.elsewhere(value, accessors)
            if elsewhere is None:
                # The output may be the value itself: `outputs.user_id.id` of a text.
                if value.is_scalar and (target is None or target.is_scalar):
                    self.note(RepairKind.FIND, where, node, base, part.fault)
                    return base
                return None
            after = f"{base}{pointer(elsewhere)}"
            self.note(RepairKind.FIND, where, node, after, part.fault)
            return after
        if bend and EACH not in accessors:
            after = f"{base}{pointer(accessors)}"
            self.note(RepairKind.FORM, where, node, after, bend)
            return after
        return None

    def _renamed(self, node: str, owner: str, text: str, step: WorkflowStep, where: str) -> str | None:
        """Return a reference to the output of a step that has nearly the name; None for none, or several."""
        name = text.partition("#")[0].partition(".")[0]
        similar = [output for output in step.outputs if has_same_words(output, name)]
        if len(similar) != 1 and len(step.outputs) == 1:
            similar = list(step.outputs)
        if len(similar) != 1:
            return None
        renamed = f"{similar[0]}{text[len(name) :]}"
        if split_name(renamed, step.outputs) is None:
            return None
        after = f"$steps.{owner}.outputs.{renamed}"
        self.note(RepairKind.FIND, where, node, after, f"{owner} has no output {name}")
        return self.mend(after, where) or after

    def lost_reason(self, node: Any) -> str:
        for text in expressions_in(node):
            fault = self.schemas.of(text, self.workflow).fault
            if fault:
                return fault
            if earlier := self._runs_later(text):
                return earlier
        return ""

    def unfit_reason(self, node: Any, target: ValueSchema | None) -> str:
        """Return why a whole object or list cannot stand for one value; "" where it can, or nothing is known."""
        value = self.schemas.of(node, self.workflow) if _is_step_reference(node) else ValueSchema()
        if target is None or not target.is_scalar or not value.is_described or value.fault:
            return ""
        if set(value.types) & {"string", "number", "integer", "boolean"}:
            return ""
        return f"it is {' or '.join(value.types)}, and nothing in it is plainly the value"

    def _runs_later(self, text: str) -> str:
        try:
            expression = parse_expression(text)
        except ExpressionError:
            return ""
        ids = [step.id for step in self.workflow.steps]
        if expression is None or expression.root is not Root.STEPS or self.step_id not in ids:
            return ""
        is_later = expression.owner in ids and ids.index(expression.owner) >= ids.index(self.step_id)
        return f"{expression.owner} runs later" if is_later else ""

    def _source_operation(self, node: str) -> Operation | None:
        expression = _parse(node)
        step = self.workflow.step(expression.owner) if expression is not None else None
        return self.schemas.linked.target(step).operation if step is not None else None


def _parse(node: Any) -> Expression | None:
    """Return the expression that a reference to a step's output is; None for anything else."""
    try:
        return parse_expression(node) if _is_step_reference(node) else None
    except ExpressionError:
        return None


def _is_step_reference(node: Any) -> bool:
    return isinstance(node, str) and node.startswith("$steps.")


def _pointer_of(node: str) -> Accessors:
    _, mark, text = node.partition("#")
    if not mark:
        return ()
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.removeprefix("/").split("/"))
