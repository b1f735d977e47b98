"""Proposes workflows for an API from its description alone, as Arazzo documents to edit and as recipes of plugins.

They are the chains that a person would ask for. One that nobody would ask for is worse than none, so each rule here
leaves something out (docs/design/081-plugin-recipes.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nlapi.english.words import name_words
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.nouns import ID_WORDS
from nlapi.resources.paths import Place
from nlapi.tools.texts.names import unique_name
from nlapi.workflows.chains import Chain, ChainFinder, ChainKind, ValueFlow, with_article
from nlapi.workflows.draft import (
    InputValue,
    StepDraft,
    WorkflowDraft,
    document_tree,
    field_name,
    input_schema,
    sentence,
)

MAX_WORKFLOWS = 8
"""workflows in one document: a handful is read, a catalogue is not"""

# Creations that are read back, where a description shows nothing better.
MAX_READ_BACKS = 3


def suggest(spec: Spec, *, url: str = "", limit: int = MAX_WORKFLOWS) -> dict[str, Any]:
    """Return the JSON tree of an Arazzo document with workflows that a description supports, the most useful first.

    `url` is the location of the description in the document, that of the Spec by default. NlapiError where no two of
    its operations belong together.
    """
    finder = ChainFinder(spec)
    chains = recipe_chains(finder, limit) or _ranked(finder.read_backs())[: min(limit, MAX_READ_BACKS)]
    if not chains:
        raise NlapiError(
            f"the description of {spec.title} shows no operations that belong together",
            hint="a workflow can be written by hand; `nlapi workflow check FILE` checks it",
        )
    drafts: list[WorkflowDraft] = []
    for chain in chains:
        drafts.append(chain_draft(finder, chain, [draft.id for draft in drafts], url=url))
    summary = "Proposed from the description of the API alone, to be read and edited before use."
    return document_tree(drafts, f"Workflows for {spec.title}", summary)


def _ranked(chains: Iterable[Chain]) -> list[Chain]:
    """Return chains by their weight, without those that are a part of another one of their kind or a better one."""
    ranked = sorted(chains, key=lambda chain: (-chain.weight, chain.summary))
    return [
        chain
        for chain in ranked
        if not any(chain is not other and chain.kind >= other.kind and _is_within(chain, other) for other in ranked)
    ]


def _is_within(chain: Chain, other: Chain) -> bool:
    """Return whether another chain has all operations of a chain, and more, or is of a better kind."""
    operations, others = set(chain.operations), set(other.operations)
    return operations < others or (operations == others and chain.kind > other.kind)


def chain_draft(finder: ChainFinder, chain: Chain, taken: Collection[str], *, url: str = "") -> WorkflowDraft:
    """Return the draft of the workflow that a chain is, with an id that is not among the `taken` ones."""
    texts = [sentence(operation.summary or operation.description) for operation in chain.operations]
    inputs = _ChainInputs(values=finder.values)
    for number, step in enumerate(chain.steps):
        step.id = unique_name(_slug(f"{step.verb} {step.noun}"), [earlier.id for earlier in chain.steps[:number]])
        step.arguments = inputs.arguments(step)
        step.description = texts[number] or f"{step.verb} {with_article(step.noun)}".capitalize()
        step.status = _only_success(step.operation)
        is_last = step is chain.steps[-1]
        names = [name for name in step.outputs if is_last or set(name_words(name)) & ID_WORDS]
        step.results = tuple(step.answer(step.outputs[name]) for name in names)
    return WorkflowDraft(
        id=unique_name(_slug(_workflow_id(chain)), taken),
        summary=chain.summary,
        description=" ".join(f"{text.rstrip('.')}." for text in filter(None, texts)),
        steps=chain.steps,
        locations={finder.spec: url} if url else {},
    )


def _only_success(operation: Operation) -> int | None:
    """Return the one status of success that an operation describes; None for another number of them."""
    statuses = [response.status for response in operation.responses if response.status.startswith("2")]
    return int(statuses[0]) if len(statuses) == 1 and statuses[0].isdecimal() else None


@dataclass(slots=True, kw_only=True)
class _ChainInputs:
    """The inputs of one chain: `inputs` has the input for each place, of a scope one for all steps."""

    values: ValueFlow
    inputs: dict[tuple[str, Place], InputValue] = field(default_factory=dict)

    def arguments(self, step: StepDraft) -> dict[str, Any]:
        """Return the arguments of a step: what is decided, and inputs for what else it requires or asks for."""
        required, body = self.values.required_places(step.operation), step.operation.body
        places = dict.fromkeys((*required, *step.values, *step.prompted_places, *step.optional))
        fields = {place for place in places if place[0] == "body"}
        is_change = step.verb == "change"
        # A body none of whose fields is required is one input, with all of them.
        left_out = fields - step.values.keys() if is_change or fields <= step.values.keys() else set()
        arguments = {
            name: self._value(step, place)
            for place in places
            for name, argument_place in step.tool.places.items()
            if argument_place == place and place not in left_out
        }
        is_creation = step.verb in _CREATION_VERBS
        is_sent = body is not None and (is_change or (not fields and (body.required or is_creation)))
        if body is not None and is_sent and fields.isdisjoint(step.values):
            text = f"The fields of the {step.noun}{' to change' if is_change else ''}"
            whole = {**input_schema(self.values.reader, body.schema), "description": text, "minProperties": 1}
            arguments[""] = InputValue(name="changes" if is_change else field_name(step.noun), schema=whole)
        return arguments

    def _value(self, step: StepDraft, place: Place) -> Any:
        if place in step.values:
            return step.values[place]
        parameter = step.operation.parameter(*place)
        if parameter is not None and "default" in parameter.schema and place not in step.prompted_places:
            return parameter.schema["default"]
        return self._input(step, place)

    def _input(self, step: StepDraft, place: Place) -> InputValue:
        """Return the input for a place; a scope that several paths have, such as an account, is one input."""
        location, name = place
        # `id` and `name` of two things are two inputs, and the id of one scope is one.
        is_scope = location == "path" and not set(name_words(name)) <= ID_WORDS
        key = ("" if is_scope else step.noun, place)
        if key not in self.inputs:
            noun, schema = "" if is_scope else field_name(step.noun), self.values.input_schema(step.operation, place)
            self.inputs[key] = InputValue(name=name, noun=noun, schema=schema, is_required=False)
        self.inputs[key].is_required |= place not in step.optional
        return self.inputs[key]


_CREATION_VERBS = ("create", "upload")


def _workflow_id(chain: Chain) -> str:
    """Return the id of the workflow that a chain is, in the words of its steps."""
    verbs = [f"{step.verb} {step.noun}" for step in chain.steps]
    if len(verbs) == 1:
        return verbs[0]
    if len({step.noun for step in chain.steps}) == 1:
        return " ".join([*(step.verb for step in chain.steps[:-1]), "and", verbs[-1]])
    return " and ".join((verbs[0], *(verbs[1:-1] if len(verbs) < 4 else ()), verbs[-1]))


def _slug(text: str) -> str:
    """Return a text as an id of the standard: letters, digits, `_` and `-`."""
    return "-".join(re.findall(r"[A-Za-z0-9_]+", text)).lower() or "value"


MAX_RECIPES = 12

_MAX_OF_KIND = {ChainKind.PUBLISH: 3, ChainKind.CREATE: 3, ChainKind.WAIT: 3, ChainKind.REPORT: 2, ChainKind.CHANGE: 4}

# Recipes that are about one noun.
_MAX_OF_NOUN = 2

# Fields of one body that may be given beside those that it requires.
MAX_OPTIONAL = 30


def recipe_chains(finder: ChainFinder, limit: int = MAX_RECIPES) -> list[Chain]:
    """Return the chains that are recipes, the most useful of each kind in turn; [] where none is sensible."""
    chains = list(finder.chains())
    publications = [chain for chain in chains if chain.kind is ChainKind.PUBLISH]
    created = {step.noun for chain in publications for step in chain.steps if step.verb == "create"}
    published = created | {noun.removesuffix(" draft") for noun in created}
    # What is checked before it is published is published by that recipe alone.
    checked = {chain.operations[-1] for chain in publications if len(chain.steps) > 2}
    ranked = _ranked(
        chain
        for chain in chains
        # Drafts before what is live, where the API has both.
        if not (chain.kind is ChainKind.CREATE and {step.noun for step in chain.steps} <= published)
        if not (chain.kind is ChainKind.CHANGE and chain.operations[-1] in checked)
    )
    result: list[Chain] = []
    nouns: Counter[str] = Counter()
    for turn in range(max(_MAX_OF_KIND.values())):
        for kind, most in _MAX_OF_KIND.items():
            candidates = [
                chain
                for chain in ranked
                if chain.kind is kind and chain not in result and nouns[chain.steps[-1].noun] < _MAX_OF_NOUN
            ]
            if turn < most and candidates:
                result.append(min(candidates, key=lambda chain: nouns[chain.steps[-1].noun]))
                nouns[result[-1].steps[-1].noun] += 1
    for step in (step for chain in result[:limit] for step in chain.steps if step.verb in _CREATION_VERBS):
        step.optional = tuple(_optional_places(step, finder.values))[:MAX_OPTIONAL]
    return result[:limit]


def _optional_places(step: StepDraft, values: ValueFlow) -> Iterator[Place]:
    """Yield what the body of a creation merely allows, for somebody who gives it."""
    taken = {*values.required_places(step.operation), *step.values, *step.prompted_places}
    for name in values.body_properties(step.operation):
        place = ("body", name)
        if place not in taken and not values.place_schema(step.operation, place).get("readOnly"):
            yield place
