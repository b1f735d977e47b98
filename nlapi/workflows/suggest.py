"""Proposes workflows for an API from its description alone, as Arazzo documents to edit and as recipes of plugins.

They are the chains that a person would ask for. One that nobody would ask for is worse than none, so each rule here
leaves something out (docs/design/081-plugin-recipes.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words, singular_words
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.collection_index import VAGUE_NOUNS
from nlapi.resources.grouping import Resource
from nlapi.resources.nouns import ID_WORDS
from nlapi.resources.paths import Place, segments
from nlapi.tools.compile import compile_tool
from nlapi.tools.quantities.units import unit_of
from nlapi.tools.texts.names import unique_name
from nlapi.workflows.chains import NAME_FIELDS, Chain, ChainFinder, ChainKind, ChainStep, with_article
from nlapi.workflows.draft import (
    AnswerValue,
    InputValue,
    ItemChoice,
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
    texts = (sentence(operation.summary or operation.description) for operation in chain.operations)
    return WorkflowDraft(
        id=unique_name(_slug(_workflow_id(chain)), taken),
        summary=chain.summary,
        description=" ".join(f"{text.rstrip('.')}." for text in filter(None, texts)),
        steps=_ChainDraft(finder=finder, chain=chain).steps(),
        locations={finder.index.spec: url} if url else {},
    )


@dataclass(slots=True, kw_only=True)
class _ChainDraft:
    """The steps of one chain as drafts; `inputs` has the input for each place, of a scope one for all steps."""

    finder: ChainFinder
    chain: Chain
    drafts: list[StepDraft] = field(default_factory=list)
    inputs: dict[tuple[str, Place], InputValue] = field(default_factory=dict)

    def steps(self) -> list[StepDraft]:
        for step in self.chain.steps:
            self.drafts.append(self._draft(step))
        return self.drafts

    def _draft(self, step: ChainStep) -> StepDraft:
        operation, tool = step.operation, compile_tool(step.operation)
        ids = [draft.id for draft in self.drafts]
        statuses = [response.status for response in operation.responses if response.status.startswith("2")]
        is_fact = {name: name_key(name) in ("valid", "isvalid", "ok") for name in step.outputs}
        draft = StepDraft(
            tool=tool,
            id=unique_name(_slug(f"{step.verb} {step.noun}"), ids),
            description=sentence(operation.summary or operation.description)
            or f"{step.verb} {with_article(step.noun)}".capitalize(),
            status=int(statuses[0]) if len(statuses) == 1 and statuses[0].isdecimal() else None,
            noun=field_name(step.answer_noun or step.noun),
            wait=step.wait,
            facts=tuple(keys for name, keys in step.outputs.items() if is_fact[name]),
        )
        arguments = {place: name for name, place in tool.places.items()}
        places = self._places(step)
        in_body = [place for place in places if place[0] == "body"]
        is_new = step.verb in ("create", "upload")
        body = operation.body
        is_whole = step.changes or not any(place not in step.values for place in in_body)
        draft.arguments = {
            arguments[place]: self._value(step, place)
            for place in places
            if place in arguments and (place[0] != "body" or not is_whole or place in step.values)
        }
        is_sent = body is not None and bool(in_body or body.required or step.changes or is_new)
        if body is not None and is_sent and is_whole and not any(place in step.values for place in in_body):
            draft.arguments[""] = self._whole_body(step, body.schema)
        is_last = step is self.chain.steps[-1]
        draft.results = tuple(
            self._answer(draft, step, keys)
            for name, keys in step.outputs.items()
            if is_last or set(name_words(name)) & ID_WORDS
        )
        return draft

    def _places(self, step: ChainStep) -> tuple[Place, ...]:
        required = self.finder.values.required_places(step.operation)
        return tuple(dict.fromkeys((*required, *step.values, *step.constants, *step.asked, *step.optional)))

    def _whole_body(self, step: ChainStep, schema: object) -> InputValue:
        """Return the input for a body none of whose fields is required, with all of them."""
        text = f"The fields of the {step.noun}{' to change' if step.changes else ''}"
        whole = {**input_schema(self.finder.values.reader, schema), "description": text, "minProperties": 1}
        return InputValue(name="changes" if step.changes else field_name(step.noun), schema=whole)

    def _value(self, step: ChainStep, place: Place) -> Any:
        if (value := step.values.get(place)) is not None:
            return self._answer(self.drafts[value.step], self.chain.steps[value.step], value.keys)
        if place in step.constants:
            return step.constants[place]
        parameter = step.operation.parameter(*place)
        if parameter is not None and "default" in parameter.schema and place not in step.asked:
            return parameter.schema["default"]
        return self._input(step, place)

    def _answer(self, draft: StepDraft, step: ChainStep, keys: Sequence[str]) -> AnswerValue:
        """Return a value of an answer; of a list, that of the chosen entry."""
        name = field_name(keys[-1])
        if not step.choose_by or step.list_keys is None:
            return AnswerValue(step=draft, keys=tuple(keys), name=name)
        choice = ItemChoice(keys=step.list_keys, field=(step.choose_by,), name=self._input(step, step.asked[0]))
        # Behind the list stands the number of an entry, which the choice is in the place of.
        return AnswerValue(step=draft, keys=tuple(keys[len(step.list_keys) + 1 :]), name=name, choice=choice)

    def _input(self, step: ChainStep, place: Place) -> InputValue:
        """Return the input for a place; a scope that several paths have, such as an account, is one input."""
        location, name = place
        # `id` and `name` of two things are two inputs, and the id of one scope is one.
        is_scope = location == "path" and not set(name_words(name)) <= ID_WORDS
        key = ("" if is_scope else step.noun, place)
        if key not in self.inputs:
            self.inputs[key] = InputValue(
                name=step.choose_by if place in step.asked and step.choose_by else name,
                noun="" if is_scope else field_name(step.noun),
                schema=self._schema(step, place),
                is_required=False,
            )
        self.inputs[key].is_required |= place not in step.optional
        return self.inputs[key]

    def _schema(self, step: ChainStep, place: Place) -> dict[str, Any]:
        values, parameter = self.finder.values, step.operation.parameter(*place)
        schema = values.place_schema(step.operation, place)
        unit = unit_of(schema, parameter.extensions if parameter is not None else {})
        text = parameter.description if parameter is not None else ""
        result = input_schema(values.reader, schema, text, unit=unit)
        # An input with this format is kept in no transcript.
        return {**result, "format": "password"} if values.is_secret(step.operation, place) else result


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

_MAX_OF_KIND = {
    ChainKind.PUBLISH: 3,
    ChainKind.CREATE: 3,
    ChainKind.WAIT: 3,
    ChainKind.REPORT: 2,
    ChainKind.CHANGE: 4,
}

# Recipes that are about one noun.
_MAX_OF_NOUN = 2

# Fields of one body that may be given beside those that it requires.
MAX_OPTIONAL = 30

# A resource below which so many operations are is there already: a workspace, a business, a service. Spotify's business
# has 35 % of the operations below it, Twilio Verify's service 60 %; of the bundled ads, a campaign has 20 %.
_SCOPE_SHARE, _SCOPE_OPERATIONS = 0.3, 12

# Comments on a thing, or its members, come later and separately, not when the thing is made.
_LATER_NOUNS = lexicon.words("workflows/words", "later_nouns")

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
        ranked = _ranked([*chains, *self._reports()])
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
        if any(operation.effect is Effect.DESTROY for operation in chain.operations):
            return False
        match chain.kind:
            case ChainKind.CREATE:
                return self._is_sensible_creation(chain)
            case ChainKind.CHANGE:
                return self._is_sensible_change(chain)
        return True

    def _has_plain_noun(self, step: ChainStep) -> bool:
        words = step.noun.split()
        return bool(words) and words[-1] not in VAGUE_NOUNS and all(word.isalpha() and len(word) > 1 for word in words)

    # --- creations

    def _is_sensible_creation(self, chain: Chain) -> bool:
        created = [self._resource(step.operation) for step in chain.steps]
        if any(resource is None or self._is_scope(resource) for resource in created):
            return False
        *earlier, last = chain.steps
        # An issue field and then a field: the same thing in two places.
        is_again = any(step.noun.split()[-1] == last.noun.split()[-1] for step in earlier)
        return not is_again and all(map(self._is_named, earlier)) and self._is_part(last)

    def _is_part(self, step: ChainStep) -> bool:
        """Return whether the last thing is a part of the others, which one makes with them."""
        noun = step.noun.split()
        if noun[-1] in _LATER_NOUNS:
            return False
        is_below = all(location == "path" for location, _ in step.values)
        return self._is_named(step) if is_below else True

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

    # --- changes

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


def _query(operation: Operation) -> Sequence[Place]:
    return [("query", parameter.name) for parameter in operation.parameters if parameter.location == "query"]


def _nouns(chain: Chain) -> set[str]:
    return {step.noun for step in chain.steps}


def _draft_nouns(chain: Chain) -> set[str]:
    """Return the nouns of the drafts of a chain, with those of the live things that they become."""
    nouns = {step.noun for step in chain.steps if step.verb == "create"}
    return nouns | {noun.removesuffix(" draft") for noun in nouns}
