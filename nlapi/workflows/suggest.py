"""Proposes workflows for an API from its description alone, as Arazzo documents to edit and as recipes of plugins.

They are the chains that a person would ask for. One that nobody would ask for is worse than none, so each rule here
leaves something out (docs/design/081-plugin-recipes.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular_words
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Operation, Schema, Spec, escape_step
from nlapi.resources.collection_index import VAGUE_NOUNS
from nlapi.resources.grouping import Resource
from nlapi.resources.nouns import ID_WORDS
from nlapi.resources.paths import Place, segments
from nlapi.resources.schemas import SchemaReader
from nlapi.tools.names import unique_name
from nlapi.tools.quantities.units import unit_of
from nlapi.tools.text import first_sentence, plain_text
from nlapi.workflows.chains import (
    NAME_FIELDS,
    Chain,
    ChainAnswerValue,
    ChainFinder,
    ChainKind,
    ChainStep,
    pointer_text,
    with_article,
)
from nlapi.workflows.write import SELECTOR_VERSION

VERSION = "1.0.1"

MAX_WORKFLOWS = 8
"""workflows in one document: a handful is read, a catalogue is not"""

# Creations that are read back, where a description shows nothing better.
MAX_READ_BACKS = 3

# Levels of objects in the schema of an input.
MAX_DEPTH = 3

# Seconds between two looks at work, and looks: five minutes in all.
RETRY_AFTER, RETRY_LIMIT = 5, 60

MAX_TEXT = 200

_COPIED = (
    *("type", "format", "enum", "const", "default", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "multipleOf", "contentMediaType"),
)


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
    ids: list[str] = []
    for chain in chains:
        ids.append(unique_name(chain_id(chain), ids))
    return chain_document(
        finder,
        dict(zip(ids, chains, strict=True)),
        url=url or spec.registered or spec.source,
        title=f"Workflows for {spec.title}",
        summary="Proposed from the description of the API alone, to be read and edited before use.",
    )


def chain_document(
    finder: ChainFinder, chains: Mapping[str, Chain], *, url: str, title: str, summary: str = ""
) -> dict[str, Any]:
    """Return the JSON tree of the Arazzo document with chains as workflows, by their ids."""
    spec = finder.index.spec
    name = _slug(spec.registered or spec.title) or "api"
    has_choice = any(step.choose_by for chain in chains.values() for step in chain.steps)
    return {
        "arazzo": SELECTOR_VERSION if has_choice else VERSION,
        "info": {"title": title, **_filled(summary=summary), "version": "1.0.0"},
        "sourceDescriptions": [{"name": name, "url": url, "type": "openapi"}],
        "workflows": [
            _WorkflowBuilder(finder=finder, chain=chain, source=name).tree(id) for id, chain in chains.items()
        ],
    }


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


@dataclass(slots=True, kw_only=True)
class _WorkflowBuilder:
    """The making of one workflow; `inputs` grows with each step."""

    finder: ChainFinder
    chain: Chain
    source: str
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    names: dict[tuple[str, Place], str] = field(default_factory=dict)

    def tree(self, id: str) -> dict[str, Any]:
        step_ids: list[str] = []
        for step in self.chain.steps:
            step_ids.append(unique_name(_slug(f"{step.verb} {step.noun}"), step_ids))
        outputs = [self._outputs(number) for number in range(len(self.chain.steps))]
        steps = [self._step(step, step_ids, outputs[number]) for number, step in enumerate(self.chain.steps)]
        inputs = {"type": "object", "properties": self.inputs, "required": self.required}
        return {
            "workflowId": id,
            "summary": self.chain.summary,
            "description": self._description(),
            **({"inputs": inputs} if self.inputs else {}),
            "steps": steps,
            **_filled(outputs=self._results(step_ids, outputs)),
        }

    def _description(self) -> str:
        """Return what the steps do, in the words of the operations."""
        texts = (_sentence(operation.summary or operation.description) for operation in self.chain.operations)
        return " ".join(f"{text.rstrip('.')}." for text in filter(None, texts))

    def _outputs(self, number: int) -> dict[str, tuple[str, ...]]:
        """Return the outputs of a step: its own, and those that later steps use."""
        outputs = dict(self.chain.steps[number].outputs)
        for later in self.chain.steps[number + 1 :]:
            for value in later.values.values():
                if value.step == number and value.keys not in outputs.values():
                    outputs[unique_name(value.name, outputs)] = value.keys
        return outputs

    def _step(self, step: ChainStep, ids: Sequence[str], outputs: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        number = self.chain.steps.index(step)
        parameters = [
            {"name": place[1], "in": place[0], "value": self._value(step, place, ids)}
            for place in self._places(step)
            if place[0] != "body"
        ]
        return {
            "stepId": ids[number],
            "description": _sentence(step.operation.summary or step.operation.description)
            or f"{step.verb} {with_article(step.noun)}".capitalize(),
            **_target(step.operation, self.source),
            **_filled(parameters=parameters, requestBody=self._body(step, ids)),
            "successCriteria": [*_criteria(step), *self._choice_criteria(step, ids)],
            **_filled(onFailure=list(_failure_actions(step, ids[number]))),
            **_filled(outputs={_field(name): self._output(step, keys, ids) for name, keys in outputs.items()}),
        }

    def _output(self, step: ChainStep, keys: tuple[str, ...], ids: Sequence[str]) -> Any:
        """Return the expression of an output: a place in the answer, or in the entry that is chosen of its list."""
        if not step.choose_by or step.list_keys is None:
            return f"$response.body#{pointer_text(keys)}"
        # Behind the list stands the number of an entry, which the choice is in the place of.
        rest = "".join(f"['{key}']" for key in keys[len(step.list_keys) + 1 :])
        return {"context": "$response.body", "selector": f"{self._choice(step, ids)}{rest}", "type": "jsonpath"}

    def _choice(self, step: ChainStep, ids: Sequence[str]) -> str:
        """Return the JSONPath of the entries of a list that have the name which is asked for."""
        path = "".join(f"['{key}']" for key in step.list_keys or ())
        return f"${path}[?@['{step.choose_by}'] == '{{{self._value(step, step.asked[0], ids)}}}']"

    def _choice_criteria(self, step: ChainStep, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the criterion that exactly one entry has the name: a name that two have changes neither."""
        if step.choose_by:
            condition = f"$[?count({self._choice(step, ids)}) == 1]"
            yield {"context": "$response.body", "condition": condition, "type": "jsonpath"}

    def _places(self, step: ChainStep) -> tuple[Place, ...]:
        required = self.finder.values.required_places(step.operation)
        return tuple(dict.fromkeys((*required, *step.values, *step.constants, *step.asked, *step.optional)))

    def _body(self, step: ChainStep, ids: Sequence[str]) -> dict[str, Any]:
        body = step.operation.body
        places = [place for place in self._places(step) if place[0] == "body"]
        is_new = step.verb in ("create", "upload")
        if body is None or (not places and not body.required and not step.changes and not is_new):
            return {}
        if step.changes or not any(place not in step.values for place in places):
            payload: Any = self._whole_body(step, {place[1]: place for place in places if place in step.values}, ids)
        else:
            payload = {name: self._value(step, ("body", name), ids) for _, name in places}
        return {"contentType": body.content_type, "payload": payload}

    def _whole_body(self, step: ChainStep, linked: Mapping[str, Place], ids: Sequence[str]) -> Any:
        """Return the payload of a body none of whose fields is required: one input with all of them."""
        if linked:
            return {name: self._value(step, place, ids) for name, place in linked.items()}
        assert step.operation.body is not None
        reader = self.finder.values.reader
        schema = _input_schema(reader, step.operation.body.schema)
        name = "changes" if step.changes else unique_name(_field(step.noun), self.inputs)
        text = f"The fields of the {step.noun} to change" if step.changes else f"The fields of the {step.noun}"
        self.inputs[name] = {**schema, "description": text, "minProperties": 1}
        self.required.append(name)
        return f"$inputs.{name}"

    def _value(self, step: ChainStep, place: Place, ids: Sequence[str]) -> Any:
        if (value := step.values.get(place)) is not None:
            return f"$steps.{ids[value.step]}.outputs.{self._output_name(value)}"
        if place in step.constants:
            return step.constants[place]
        parameter = step.operation.parameter(*place)
        if parameter is not None and "default" in parameter.schema and place not in step.asked:
            return parameter.schema["default"]
        return f"$inputs.{self._input(step, place)}"

    def _output_name(self, value: ChainAnswerValue) -> str:
        outputs = self._outputs(value.step)
        return _field(next(name for name, keys in outputs.items() if keys == value.keys))

    def _input(self, step: ChainStep, place: Place) -> str:
        """Return the input for a place; a scope that several paths have, such as an account, is one input."""
        location, name = place
        # `id` and `name` of two things are two inputs, and the id of one scope is one.
        is_scope = location == "path" and not set(name_words(name)) <= ID_WORDS
        key = ("" if is_scope else step.noun, place)
        if key not in self.names:
            plain = _field(step.choose_by if place in step.asked and step.choose_by else name)
            others = [other for other in self.chain.steps if other.noun != step.noun and other is not step]
            is_shared = any(place in self._places(other) and place not in other.values for other in others)
            prefix = _field(step.noun)
            is_generic = set(name_words(name)) <= ID_WORDS or is_shared
            wanted = plain if is_scope or not is_generic else f"{prefix}_{plain}"
            self.names[key] = unique_name(wanted, self.inputs)
            self.inputs[self.names[key]] = self._place_schema(step, place)
        if place not in step.optional and self.names[key] not in self.required:
            self.required.append(self.names[key])
        return self.names[key]

    def _place_schema(self, step: ChainStep, place: Place) -> dict[str, Any]:
        location, name = place
        parameter = step.operation.parameter(location, name) if location != "body" else None
        schema = self.finder.values.place_schema(step.operation, place)
        extensions = parameter.extensions if parameter is not None else {}
        text = parameter.description if parameter is not None else ""
        result = _input_schema(self.finder.values.reader, schema, text, unit=unit_of(schema, extensions))
        # An input with this format is kept in no transcript.
        return {**result, "format": "password"} if self.finder.values.is_secret(step.operation, place) else result

    def _results(self, ids: Sequence[str], outputs: Sequence[Mapping[str, object]]) -> dict[str, str]:
        """Return the outputs of the workflow: those of the last step, and the ids of what earlier steps made."""
        results: dict[str, str] = {}
        for number, step in reversed(list(enumerate(self.chain.steps))):
            for name in outputs[number]:
                is_id = bool(set(name_words(name)) & ID_WORDS)
                label = f"{_field(step.answer_noun or step.noun)}_{_field(name)}"
                if (number == len(ids) - 1 or is_id) and label not in results:
                    results[label] = f"$steps.{ids[number]}.outputs.{_field(name)}"
        return dict(reversed(results.items()))


def _criteria(step: ChainStep) -> Iterator[dict[str, Any]]:
    """Yield the criteria of success: the described status, and the state that is waited for."""
    described = [response.status for response in step.operation.responses if response.status.startswith("2")]
    if len(described) == 1 and described[0].isdecimal():
        yield {"condition": f"$statusCode == {described[0]}"}
    else:
        yield {"condition": "$statusCode >= 200 && $statusCode < 300"}
    for name, keys in step.outputs.items():
        if name_key(name) in ("valid", "isvalid", "ok"):
            yield {"condition": f"$response.body#{pointer_text(keys)} == true"}
    if step.wait is not None:
        yield {"condition": f"$response.body#{pointer_text(step.wait.keys)} == '{step.wait.done}'"}


def _failure_actions(step: ChainStep, id: str) -> Iterator[dict[str, Any]]:
    """Yield the retries of a wait, which end where the work fails."""
    if step.wait is None:
        return
    place = f"$response.body#{pointer_text(step.wait.keys)}"
    going_on = [{"condition": f"{place} != '{state}'"} for state in step.wait.failures]
    first = next(iter(_criteria(step)))
    yield {
        "name": "look-again",
        "type": "retry",
        # A retry needs no step, but the published schema of 1.0 requires one.
        "stepId": id,
        "retryAfter": RETRY_AFTER,
        "retryLimit": RETRY_LIMIT,
        "criteria": [first, *going_on],
    }


def _target(operation: Operation, source: str) -> dict[str, str]:
    """Return the field that names the operation: by its operationId, or by its path where it has none."""
    if operation.node.get("operationId") == operation.id:
        return {"operationId": operation.id}
    pointer = f"/paths/{escape_step(operation.path)}/{operation.method.lower()}"
    return {"operationPath": f"{{$sourceDescriptions.{source}.url}}#{pointer}"}


def _input_schema(
    reader: SchemaReader, schema: object, text: str = "", *, unit: str = "", depth: int = MAX_DEPTH
) -> dict[str, Any]:
    """Return a schema without references, at most `depth` levels deep, with one sentence of description."""
    flat: Schema = reader.flat(schema)
    result: dict[str, Any] = {key: flat[key] for key in _COPIED if key in flat}
    unit = unit or unit_of(flat)
    sentence = _sentence(text or str(flat.get("description") or ""))
    if unit:
        sentence = f"{sentence} In {unit.replace('_', ' ')}.".strip()
    properties = reader.properties(flat)
    if properties and depth:
        result["type"] = result.get("type", "object")
        result["properties"] = {
            name: _input_schema(reader, inner, depth=depth - 1)
            for name, inner in properties.items()
            if not reader.flat(inner).get("readOnly")
        }
        required = [name for name in flat.get("required") or () if name in result["properties"]]
        result |= {"required": required} if required else {}
    if isinstance(flat.get("items"), Mapping) and depth:
        result["items"] = _input_schema(reader, flat["items"], depth=depth - 1)
    types = reader.types(flat)
    if "type" not in result and types:
        result["type"] = types[0] if len(types) == 1 else list(types)
    return {**_filled(description=sentence), **result, **({"x-nlapi": {"unit": unit}} if unit else {})}


def _sentence(text: str) -> str:
    """Return the first sentence of a text of the description, in one line."""
    line = " ".join(first_sentence(plain_text(text).strip()).split())
    return line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 1]}…"


def chain_id(chain: Chain) -> str:
    """Return the id of the workflow that a chain is, in the words of its steps."""
    return _slug(_workflow_id(chain))


def _workflow_id(chain: Chain) -> str:
    verbs = [f"{step.verb} {step.noun}" for step in chain.steps]
    if len(verbs) == 1:
        return verbs[0]
    if len({step.noun for step in chain.steps}) == 1:
        return " ".join([*(step.verb for step in chain.steps[:-1]), "and", verbs[-1]])
    return " and ".join((verbs[0], *(verbs[1:-1] if len(verbs) < 4 else ()), verbs[-1]))


def _slug(text: str) -> str:
    """Return a text as a name of the standard: letters, digits, `_` and `-`."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return text
    return "-".join(re.findall(r"[A-Za-z0-9_]+", text)).lower() or "value"


def _field(text: str) -> str:
    """Return a text as the name of an input or an output, in which a `-` would be read as a minus."""
    return _slug(text).replace("-", "_")


def _filled(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a content."""
    return {name: value for name, value in fields.items() if value}


MAX_RECIPES = 12

_MAX_OF_KIND = {
    ChainKind.PUBLISH: 3,
    ChainKind.CREATE: 3,
    ChainKind.WAIT: 3,
    ChainKind.REPORT: 2,
    ChainKind.CHANGE: 4,
}

# Recipes that are about one noun.
_MAX_OF_NOUN = 2

# Inputs that a person has to say: with more, the calls are made one by one.
MAX_INPUTS = 14

# Fields of one body that may be given beside those that it requires.
MAX_OPTIONAL = 30

# A resource below which so many operations are is there already: a workspace, a business, a service. Spotify's business
# has 35 % of the operations below it, Twilio Verify's service 60 %; of the bundled ads, a campaign has 20 %.
_SCOPE_SHARE, _SCOPE_OPERATIONS = 0.3, 12

# What is said about a thing, or who takes part in it, comes later and by itself, not when the thing is made.
_LATER_NOUNS = lexicon.words("workflows/words", "later_nouns")

# Whom one works for: they are there already when a task begins.
_EXISTING_NOUNS = lexicon.words("workflows/words", "recipe_chains_existing_nouns")

_REPORT_NOUNS = lexicon.words("workflows/words", "report_nouns")
_START_WORDS = frozenset("start from since begin after starting".split())
_END_WORDS = frozenset("end to until before ending".split())
_CHOICE_WORDS = frozenset("metric metrics field fields dimension dimensions granularity interval groupby group".split())


def recipe_chains(finder: ChainFinder, limit: int = MAX_RECIPES) -> list[Chain]:
    """Return the chains that are recipes, the most useful of each kind in turn; [] where none is sensible."""
    return _RecipeChoice(finder).chosen(limit)


class _RecipeChoice:
    def __init__(self, finder: ChainFinder) -> None:
        self.finder = finder
        self.spec: Spec = finder.index.spec
        self.values = finder.values

    def chosen(self, limit: int) -> list[Chain]:
        chains = [chain for chain in self.finder.chains() if self._is_sensible(chain)]
        published = {noun for chain in chains if chain.kind is ChainKind.PUBLISH for noun in _draft_nouns(chain)}
        # Drafts before what is live, where the API has both.
        chains = [chain for chain in chains if chain.kind is not ChainKind.CREATE or not _nouns(chain) <= published]
        # What is checked before it is published is published by that recipe alone.
        checked = {chain.operations[-1] for chain in chains if chain.kind is ChainKind.PUBLISH and len(chain.steps) > 2}
        chains = [
            chain for chain in chains if chain.kind is not ChainKind.CHANGE or chain.operations[-1] not in checked
        ]
        chains = [self._by_name(chain) if chain.kind is ChainKind.CHANGE else chain for chain in chains]
        chains = [self._with_addition(chain) for chain in chains] + [*self._reports()]
        ranked = _ranked(chains)
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
        return [replace(chain, steps=tuple(map(self._with_optional, chain.steps))) for chain in result[:limit]]

    def _with_optional(self, step: ChainStep) -> ChainStep:
        """Return a creation that takes what its body merely allows as well, if somebody gives it."""
        body = step.operation.body
        if step.verb not in ("create", "upload") or body is None:
            return step
        taken = {*self.values.required_places(step.operation), *step.values, *step.constants, *step.asked}
        names = self.values.reader.properties(body.schema)
        places = [place for place in (("body", name) for name in names) if place not in taken]
        writable = [place for place in places if not self.values.place_schema(step.operation, place).get("readOnly")]
        return replace(step, optional=tuple(writable[:MAX_OPTIONAL]))

    def _is_sensible(self, chain: Chain) -> bool:
        if not all(map(self._has_plain_noun, chain.steps)):
            return False
        if self._input_count(chain) > MAX_INPUTS or any(
            operation.effect is Effect.DESTROY for operation in chain.operations
        ):
            return False
        match chain.kind:
            case ChainKind.CREATE:
                return self._is_sensible_creation(chain)
            case ChainKind.WAIT:
                return self._is_sensible_wait(chain)
            case ChainKind.CHANGE:
                return self._is_sensible_change(chain)
        return True

    def _has_plain_noun(self, step: ChainStep) -> bool:
        words = step.noun.split()
        return bool(words) and words[-1] not in VAGUE_NOUNS and all(word.isalpha() and len(word) > 1 for word in words)

    def _input_count(self, chain: Chain) -> int:
        """Return the number of values that a person has to say: those above all paths are counted once."""
        places = {
            (place if place[0] == "path" else (step.noun, place))
            for step in chain.steps
            for place in (*self.values.required_places(step.operation), *step.asked)
            if place not in step.values and place not in step.constants
        }
        return len(places)

    # --- creations

    def _is_sensible_creation(self, chain: Chain) -> bool:
        created = [self._resource(step.operation) for step in chain.steps]
        if any(resource is None or self._is_scope(resource) for resource in created):
            return False
        *earlier, last = chain.steps
        # An issue field and then a field: the same thing in two places.
        is_again = any(step.noun.split()[-1] == last.noun.split()[-1] for step in earlier)
        is_existing = any(step.noun.split()[-1] in _EXISTING_NOUNS for step in earlier)
        return not is_again and not is_existing and all(map(self._is_named, earlier)) and self._is_part(last)

    def _is_part(self, step: ChainStep) -> bool:
        """Return whether the last thing is a part of the others, which one makes with them."""
        noun = step.noun.split()
        if noun[-1] in _LATER_NOUNS:
            return False
        is_below = all(location == "path" for location, _ in step.values)
        return self._is_named(step) or _adds(step) if is_below else True

    def _with_addition(self, chain: Chain) -> Chain:
        """Return a chain whose last step adds to the thing that was made, with a sentence that says so."""
        *earlier, last = chain.steps
        if chain.kind is not ChainKind.CREATE or len(earlier) != 1 or not _adds(last):
            return chain
        return replace(chain, summary=f"Create {with_article(earlier[0].noun)} and add {with_article(last.noun)} to it")

    def _is_named(self, step: ChainStep) -> bool:
        """Return whether a person gives the new thing a name."""
        places = (*self.values.required_places(step.operation), *self.values.name_places(step.operation))
        return any(
            location == "body" and set(name_words(name)) & {"name", "title", "subject"} for location, name in places
        )

    def _resource(self, operation: Operation) -> Resource | None:
        return self.finder.semantics.classify(operation).resource

    def _is_scope(self, resource: Resource) -> bool:
        """Return whether most of an API is below one item of a resource, so that nobody makes one for a task."""
        count = self._operations_below.get(resource, 0)
        return count >= _SCOPE_OPERATIONS and count >= _SCOPE_SHARE * len(self.finder.index.operations)

    @cached_property
    def _operations_below(self) -> Counter[Resource]:
        counts: Counter[Resource] = Counter()
        for operation in self.finder.index.operations:
            path = segments(operation.route)
            for parent in {
                entry.resource for entry in self.finder.semantics.parents(path) if entry.resource is not None
            }:
                counts[parent] += 1
        return counts

    # --- waits and changes

    def _is_sensible_wait(self, chain: Chain) -> bool:
        """Return whether a machine does the work: where the caller may set the state, it is a note of the caller's."""
        resource, wait = self._resource(chain.steps[0].operation), next(step.wait for step in chain.steps if step.wait)
        body = chain.steps[0].operation.body
        names = self.values.reader.properties(body.schema) if body is not None else {}
        is_set = name_key(wait.keys[-1]) in map(name_key, names)
        return resource is not None and not self._is_scope(resource) and not is_set

    def _is_sensible_change(self, chain: Chain) -> bool:
        """Return whether an item is found by its very name: a search may find another thing first."""
        finding, change = chain.steps
        scopes, known = (
            {segment.parameter for segment in segments(operation.route) if segment.parameter}
            for operation in (change.operation, finding.operation)
        )
        # A search over all repositories finds an issue of another one: its number means something else here.
        is_within = scopes - {name for _, name in change.values} <= known
        return is_within and bool(self._name_field(finding)) and not self.values.is_upload(change.operation)

    def _name_field(self, finding: ChainStep) -> str:
        """Return the field of the listed items with the name that is asked for; "" where they have none."""
        part = self.values.answers.list_part(finding.operation)
        if part is None or part.is_map or part.entry_keys or finding.list_keys is None:
            return ""
        names = self.values.reader.properties(part.schema)
        filter_name = finding.asked[0][1]
        if filter_name in names:
            return filter_name if {"name", "title"} & set(name_words(filter_name)) else ""
        return next((name for key in NAME_FIELDS for name in names if name_key(name) == key), "")

    def _by_name(self, chain: Chain) -> Chain:
        """Return a chain that finds an item by its very name, also where the list is filtered by a part of it."""
        finding = chain.steps[0]
        name = " ".join(name_words(self._name_field(finding)))
        summary = chain.summary.replace(" by a search ", f" by its {name} ")
        step = replace(finding, choose_by=self._name_field(finding))
        return replace(chain, summary=summary, steps=(step, *chain.steps[1:]))

    # --- reports

    def _reports(self) -> Iterator[Chain]:
        """Yield reports: reads with a period, and with a choice of what is counted or how it is cut."""
        for operation in self.finder.index.operations:
            path = segments(operation.route)
            text = next((segment.text for segment in reversed(path) if not segment.parameter), "")
            words = set(singular_words(text)) | set(name_words(text))
            if operation.effect is not Effect.READ or not words & _REPORT_NOUNS or operation.method != "GET":
                continue
            period, choices = self._period(operation), self._choices(operation)
            required = [place for place in self.values.required_places(operation) if place[0] == "path"]
            if not period or not choices or len(required) > 2:
                continue
            noun = " ".join(singular_words(text))
            noun = noun if words & {"report"} else f"{noun} report"
            step = ChainStep(operation=operation, noun=noun, verb="get", asked=(*period, *choices))
            yield Chain(
                kind=ChainKind.REPORT,
                summary=f"Get {with_article(noun)} for a period",
                steps=(step,),
                weight=10.0 - len(path),
            )

    def _period(self, operation: Operation) -> tuple[Place, ...]:
        """Return the parameters of the beginning and the end of a period; () without both."""
        starts = [place for place in _query(operation) if _START_WORDS & set(name_words(place[1]))]
        ends = [place for place in _query(operation) if _END_WORDS & set(name_words(place[1]))]
        return (starts[0], ends[0]) if starts and ends and starts[0] != ends[0] else ()

    def _choices(self, operation: Operation) -> tuple[Place, ...]:
        return tuple(place for place in _query(operation) if _CHOICE_WORDS & set(name_words(place[1])))[:3]


def _adds(step: ChainStep) -> bool:
    """Return whether an operation adds something that exists to a thing, by its own words: addTracksToPlaylist."""
    return step.operation.id.lower().startswith("add") and name_words(step.operation.id)[:1] == ("add",)


def _query(operation: Operation) -> Sequence[Place]:
    return [("query", parameter.name) for parameter in operation.parameters if parameter.location == "query"]


def _nouns(chain: Chain) -> set[str]:
    return {step.noun for step in chain.steps}


def _draft_nouns(chain: Chain) -> set[str]:
    """Return the nouns of the drafts of a chain, with those of the live things that they become."""
    nouns = {step.noun for step in chain.steps if step.verb == "create"}
    return nouns | {noun.removesuffix(" draft") for noun in nouns}
