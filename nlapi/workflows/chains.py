"""Finds chains of operations that belong together by a description: what one answers, the next one takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

from nlapi.english import lexicon
from nlapi.english.intents import IMPERATIVES, VERBS, Intent
from nlapi.english.words import name_key, name_words, singular, singular_words, stem
from nlapi.openapi.credential_parameters import is_unspoken
from nlapi.openapi.spec import Effect, Operation, Schema, Spec, is_form, is_json
from nlapi.resources.collection_index import name_filter
from nlapi.resources.grouping import Resource
from nlapi.resources.id_sources import id_sources
from nlapi.resources.nouns import is_id_argument, noun_in_name, target_noun
from nlapi.resources.paths import Path, Place, segments
from nlapi.resources.semantics import OperationKind, semantics_of

# Kinds of things that nobody has made at the beginning of a task: they are there already, and are asked for.
_EXISTING_NOUNS = lexicon.words("workflows/words", "existing_nouns")

# Kinds of things that are about access to the API itself.
_ACCESS_NOUNS = lexicon.words("workflows/words", "access_nouns")

_ACCESS_ENDINGS = ("key", "keys", "token", "tokens", "password", "secret")

# Ends of paths below one item that check it, and that put it to use, the likeliest first.
CHECK_VERBS = "validate check verify preview calculate simulate lint test".split()
PUBLISH_VERBS = "publish submit send activate launch deploy finalize confirm execute start release post".split()

# Names of the field that chooses what an operation does. Twilio's `Method` chooses between GET and POST.
ACTION_NAMES = frozenset(("action", "operation", "command"))

# Names of the field with the name of a new item, the likeliest first.
NAME_FIELDS = ("name", "title", "displayname", "friendlyname", "label", "subject")

# Names of the field with the state of an item.
STATE_NAMES = ("status", "state", "phase", "processingstatus", "jobstatus")

# States of work that a machine does, in the order in which they tell that it is done; and those before, and of failure.
_DONE_STATES = (
    *("completed", "complete", "succeeded", "success", "successful", "finished", "done", "processed", "generated"),
    *("ready", "available", "rendered", "built", "deployed", "imported", "exported", "online", "active", "running"),
)
_WORK_STATES = lexicon.words("resources/words", "work_states")
FAILED_STATES = lexicon.words("resources/words", "failed_states")
# States that a person brings about, for which no machine waits.
_HUMAN_STATES = lexicon.words("workflows/words", "human_states")

# Kinds of things that are over when people are done, whatever the names of their states.
_HUMAN_NOUNS = lexicon.words("workflows/words", "human_nouns")

# Ends of paths below an item whose work is done.
RESULT_NOUNS = frozenset("result results output download content file report document data transcript".split())


def is_named(resource: Resource) -> bool:
    """Return whether the things of a resource have a name that a person would say, and are not about access."""
    words = name_words(resource.label)
    is_access = any(word in _ACCESS_NOUNS or word.endswith(_ACCESS_ENDINGS) for word in words)
    return bool(words) and all(word.isalpha() for word in words) and not is_access


def may_create(resource: Resource) -> bool:
    """Return whether a person may want a new one at the beginning of a task."""
    return is_named(resource) and not _EXISTING_NOUNS & set(resource.noun[-1:])


def has_draft_segment(path: Path) -> bool:
    """Return whether a path leads through drafts: /drafts/campaigns."""
    return any(not segment.parameter and singular_words(segment.text) == ("draft",) for segment in path[:-1])


def is_draft(resource: Resource) -> bool:
    """Return whether the items of a resource are drafts of others, which are live."""
    return any(has_draft_segment(collection.path) for collection in resource.collections)


def item_label(resource: Resource) -> str:
    """Return the name of one item, for a person, that says of a draft that it is one."""
    return f"{resource.label} draft" if is_draft(resource) else resource.label


def operations_by_verb(
    below: Sequence[tuple[str, Operation]], verbs: Sequence[str], effect: Effect | None
) -> list[tuple[str, Operation]]:
    """Return the operations whose last segment begins with one of the verbs, in the order of these."""
    matches = [
        (verbs.index(name_words(text)[0]), " ".join(name_words(text)), operation)
        for text, operation in below
        if len(name_words(text)) == 1 and name_words(text)[0] in verbs and operation.method in ("POST", "PUT")
        if effect is None or operation.effect is effect
    ]
    return [(text, operation) for _, text, operation in sorted(matches, key=lambda match: match[0])]


def is_act(text: str, operation: Operation) -> bool:
    """Return whether the end of a path commands a change of the item, and no removal: /campaigns/{id}/pause."""
    words = name_words(text)
    if len(words) != 1 or singular(words[0]) != words[0] or operation.method not in ("POST", "PUT"):
        return False
    intent = VERBS.get(stem(words[0]))
    is_verb = stem(words[0]) in IMPERATIVES or intent in (Intent.CREATE, Intent.UPDATE)
    return is_verb and intent not in (Intent.READ, Intent.DELETE) and operation.effect is Effect.WRITE


def waited_states(resource: Resource, states: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the state in which the work on an item is done, and those in which it failed; "" where no machine works.

    `states` are the described choices of the state of an item.
    """
    by_key = {name_key(state): state for state in states}
    done = next((by_key[key] for key in _DONE_STATES if key in by_key), "")
    is_work = bool((_WORK_STATES & by_key.keys()) - {name_key(done)})
    is_human = bool(_HUMAN_STATES & by_key.keys()) or bool(_HUMAN_NOUNS & set(resource.noun[-1:]))
    failures = tuple(state for state in states if name_key(state) in FAILED_STATES)
    return (done, failures) if done and is_work and not is_human else ("", ())


def spoken_state(state: str) -> str:
    """Return a state as a person says it: `IN_PROGRESS` is in progress."""
    words = " ".join(name_words(state))
    return "successful" if words in ("success", "succeeded") else words


Keys = tuple[str, ...]
"""Names of properties and indexes that lead into an answer."""


class ChainKind(IntEnum):
    """The kind of a chain, the most useful first."""

    CREATE = 0
    PUBLISH = 1
    WAIT = 2
    CHANGE = 3
    REPORT = 4
    READ_BACK = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainAnswerValue:
    """A value in the answer of an earlier step of the chain, by the number of the step."""

    step: int
    name: str
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWait:
    """The wait for a state of an item: `keys` lead to it in the answer, `failures` end the wait."""

    keys: Keys
    done: str
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """An operation of a chain; `values` are its places with what earlier steps gave.

    `answer_noun` is the noun of its answer, where that is another. `asked` are optional places that the user is
    asked for as well, `optional` those that are taken where they are given. `list_keys` lead to the list that has to
    have one item, None where the answer needs no such check; with `choose_by` it is the one entry whose field has the
    very text that is asked for. `constants` are places with a value that makes the operation what
    it is here: the action `PUBLISH`. `changes` makes all fields of the body one input.
    """

    operation: Operation
    noun: str
    verb: str
    answer_noun: str = ""
    values: Mapping[Place, ChainAnswerValue] = field(default_factory=dict)
    constants: Mapping[Place, str] = field(default_factory=dict)
    asked: tuple[Place, ...] = ()
    optional: tuple[Place, ...] = ()
    outputs: Mapping[str, Keys] = field(default_factory=dict)
    list_keys: Keys | None = None
    choose_by: str = ""
    wait: StateWait | None = None
    changes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Steps that belong together, and the sentence of a person who wants them."""

    kind: ChainKind
    summary: str
    steps: tuple[ChainStep, ...]
    weight: float = 0.0
    """how central the resources are in the API: the number of operations on them"""

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(step.operation for step in self.steps)


def with_article(noun: str) -> str:
    """Return a noun behind `a` or `an`."""
    is_vowel = noun[:1].lower() in "aeiou" and not noun.lower().startswith(("uni", "use", "usa", "eu", "one"))
    return f"an {noun}" if is_vowel or noun.lower().startswith(("hour", "honest")) else f"a {noun}"


# Creations in one chain: more is not a task of one sentence.
MAX_CREATIONS = 4

# Inputs of one step: with more, nobody fills the workflow in.
MAX_STEP_INPUTS = 12

# Inputs of an action on an item beside the item: an action with more is a separate task.
MAX_ACTION_INPUTS = 4


class ChainFinder:
    """The search for chains in one Spec."""

    def __init__(self, spec: Spec) -> None:
        self.index = ResourceOperations(spec)
        self.values = self.index.values
        self.semantics = self.index.semantics

    def chains(self) -> Iterator[Chain]:
        """Yield every chain that the description supports, but for those that read back what they made."""
        for resource, operations in self.index.by_resource.items():
            if not is_named(resource):
                continue
            creation = self.index.creation(operations)
            if creation is not None and may_create(resource):
                yield from self._creations(resource, creation)
                yield from self._publications(resource, creation)
                yield from self._waits(resource, creation)
            yield from self._findings(resource)

    def read_backs(self) -> Iterator[Chain]:
        """Yield the chains that make an item and show it, which is the least that one can do with it."""
        for resource, operations in self.index.by_resource.items():
            creation = self.index.creation(operations)
            if creation is not None and may_create(resource):
                yield from self._read_backs(resource, creation)

    # --- create A -> create B

    def _creations(self, resource: Resource, creation: Operation) -> Iterator[Chain]:
        """Yield the chain that creates an item and, before it, its parents; drafts are published in the end."""
        steps: list[ChainStep] = []
        resources: list[Resource] = []
        if not self._add_creation(resource, creation, steps, resources, ()) or len(steps) < 2:
            return
        *earlier, last = (with_article(item_label(entry)) for entry in resources)
        is_one = len(earlier) == 1 and any(location == "path" for location, _ in steps[-1].values)
        ending = f"and {last} in it" if is_one else f"and then {last} with {'it' if len(earlier) == 1 else 'them'}"
        summary = f"Create {_join(earlier)} {ending}"
        weight = self.index.weight(*resources) + len(steps)
        yield Chain(kind=ChainKind.CREATE, summary=summary, steps=tuple(steps), weight=weight)
        first = resources[0]
        publication = self._publication_steps(first, steps[0].operation) if is_draft(first) else ()
        if publication:
            doing = _join(
                [
                    f"{step.verb} {f'the {first.label}' if number == 0 else 'it'}"
                    for number, step in enumerate(publication)
                ]
            )
            yield Chain(
                kind=ChainKind.PUBLISH,
                summary=f"Create {_join([*earlier, last])}, and then {doing}",
                steps=(*steps, *publication),
                weight=weight + len(publication),
            )

    def _add_creation(
        self,
        resource: Resource,
        creation: Operation,
        steps: list[ChainStep],
        resources: list[Resource],
        visited: tuple[Resource, ...],
    ) -> bool:
        """Add the steps that create an item and its requirements; False where a chain would be too long."""
        values: dict[Place, ChainAnswerValue] = {}
        for place, target in self.index.links(resource, creation).items():
            parent = self.index.creation(self.index.by_resource.get(target, {}))
            if target in visited or parent is None or not may_create(target):
                continue
            keys = self.values.id_keys(parent, creation, place)
            if keys is None or len(self.values.required_places(parent)) > MAX_STEP_INPUTS:
                continue
            if target not in resources and not self._add_creation(
                target, parent, steps, resources, (*visited, resource)
            ):
                return False
            values[place] = ChainAnswerValue(step=resources.index(target), name=keys[-1], keys=keys)
        if len(steps) >= MAX_CREATIONS or (values and not self._is_sensible(creation, values)):
            return False
        steps.append(self._creation_step(resource, creation, values))
        resources.append(resource)
        return True

    def _is_sensible(self, creation: Operation, values: Mapping[Place, ChainAnswerValue]) -> bool:
        """Return whether a creation with ids of new things can be right.

        What is below a new thing is new itself, and cannot be asked for. A body of ids alone creates nothing.
        """
        path = [("path", segment.parameter) for segment in segments(creation.route) if segment.parameter]
        linked = [place in values for place in path]
        is_below_new = any(linked) and not all(linked[linked.index(True) :])
        names = self.values.reader.properties(creation.body.schema) if creation.body is not None else {}
        body = [("body", name) for name in names]
        asked = {*self.values.required_places(creation), *self.values.name_places(creation)} - values.keys()
        is_of_ids = any(place in values for place in body) and asked.isdisjoint(body)
        return not is_below_new and (not is_of_ids or all(place in values for place in body))

    def _creation_step(
        self, resource: Resource, creation: Operation, values: Mapping[Place, ChainAnswerValue] | None = None
    ) -> ChainStep:
        return ChainStep(
            operation=creation,
            noun=item_label(resource),
            verb="upload" if self.values.is_upload(creation) else "create",
            values=values or {},
            asked=self.values.name_places(creation),
            outputs=self.values.item_outputs(resource, creation),
        )

    # --- draft -> validate -> publish

    def _publications(self, resource: Resource, creation: Operation) -> Iterator[Chain]:
        steps = self._publication_steps(resource, creation)
        if not steps:
            return
        first = self._creation_step(resource, creation)
        doing = _join([f"{step.verb} it" for step in steps])
        separator = ", " if len(steps) > 1 else " and "
        yield Chain(
            kind=ChainKind.PUBLISH,
            summary=f"{first.verb.title()} {with_article(first.noun)}{separator}{doing}",
            steps=(first, *steps),
            weight=self.index.weight(resource) + 2 * (len(steps) - 1),
        )

    def _publication_steps(self, resource: Resource, creation: Operation) -> tuple[ChainStep, ...]:
        """Return the steps that check a new item, if the API can, and put it to use; () where nothing does."""
        below = self.index.below_items.get(resource, ())
        acts: list[tuple[str, Operation, Mapping[Place, str]]] = []
        if publications := operations_by_verb(below, PUBLISH_VERBS, Effect.WRITE):
            checks = operations_by_verb(below, CHECK_VERBS, None)[:1]
            acts = [(verb, operation, {}) for verb, operation in (*checks, publications[0])]
        for operation in self.index.by_resource[resource].get(OperationKind.ACT, ()) if not acts else ():
            acts = acts or self._actions_in_body(operation)
        steps: list[ChainStep] = []
        for verb, operation, constants in acts:
            step = self._item_step(resource, creation, operation, verb)
            if step is None:
                return ()
            steps.append(replace(step, constants=constants))
        return tuple(steps)

    def _actions_in_body(self, operation: Operation) -> list[tuple[str, Operation, Mapping[Place, str]]]:
        """Return the check and the publication that a field of one operation chooses: `action: VALIDATE | PUBLISH`."""
        path = segments(operation.route)
        if operation.body is None or not path or not path[-1].parameter or operation.effect is not Effect.WRITE:
            return []
        properties = self.values.reader.properties(operation.body.schema)
        for name, schema in ((name, schema) for name, schema in properties.items() if name_key(name) in ACTION_NAMES):
            choices = [entry for entry in self.values.reader.flat(schema).get("enum") or () if isinstance(entry, str)]
            by_verb = {choice.lower(): choice for choice in choices}
            verb = next((entry for entry in PUBLISH_VERBS if entry in by_verb), "")
            if verb:
                check = next((entry for entry in CHECK_VERBS if entry in by_verb), "")
                return [(entry, operation, {("body", name): by_verb[entry]}) for entry in (check, verb) if entry]
        return []

    def _item_step(self, resource: Resource, creation: Operation, operation: Operation, verb: str) -> ChainStep | None:
        """Return the step of an operation on the item that a creation made; None where its id cannot be passed on."""
        path = segments(operation.route)
        name = next(segment.parameter for segment in reversed(path) if segment.parameter)
        place = ("path", name or "")
        keys = self.values.id_keys(creation, operation, place)
        if keys is None or len(self.values.required_places(operation)) > MAX_ACTION_INPUTS:
            return None
        outputs = {}
        for path_name in ("valid", "isvalid", "ok"):
            properties = self.values.reader.properties(self.values.answers.entry_schema(operation))
            found = next((entry for entry in properties if name_key(entry) == path_name), "")
            if found and (found_keys := self.values.answer_keys(operation, found)):
                outputs[found] = found_keys
        answered = self.semantics.classify(operation).created_resource
        if operation.effect is not Effect.READ:
            outputs |= self.values.item_outputs(answered or resource, operation)
        return ChainStep(
            operation=operation,
            noun=resource.label,
            verb=verb,
            answer_noun=answered.label if answered is not None else "",
            values={place: ChainAnswerValue(step=0, name=keys[-1], keys=keys)},
            outputs=outputs,
        )

    # --- upload -> wait -> use

    def _waits(self, resource: Resource, creation: Operation) -> Iterator[Chain]:
        """Yield the chain that starts work, waits until it is done, and uses what came of it."""
        read = next(iter(self.index.by_resource[resource].get(OperationKind.READ, ())), None)
        wait = self.values.state_wait(resource, read) if read is not None else None
        if read is None or wait is None:
            return
        polling = self._item_step(resource, creation, read, "wait for")
        if polling is None:
            return
        start = self._creation_step(resource, creation)
        poll = ChainStep(
            operation=read,
            noun=resource.label,
            verb="wait for",
            values=polling.values,
            outputs=self.values.item_outputs(resource, read),
            wait=wait,
        )
        is_upload = start.verb == "upload"
        opening = f"{start.verb.title()} {with_article(resource.label)}"
        weight = self.index.weight(resource)
        upload = self._upload_step(resource, creation) if not is_upload else None
        begun = (start,) if upload is None else (start, upload)
        opening, joint = (opening, " and") if upload is None else (f"{opening}, upload its file", ", and")
        for step, ending in self._uses(resource, creation):
            yield Chain(
                kind=ChainKind.WAIT,
                summary=f"{opening}, wait until it is {spoken_state(wait.done)} and {ending}",
                steps=(*begun, poll, step),
                weight=weight + 3 + is_upload,
            )
            return
        yield Chain(
            kind=ChainKind.WAIT,
            summary=f"{opening}{joint} wait until it is {spoken_state(wait.done)}",
            steps=(*begun, poll),
            weight=weight + is_upload + len(begun) - 1,
        )

    def _upload_step(self, resource: Resource, creation: Operation) -> ChainStep | None:
        """Return the step that uploads the file of an item which was created without it; None where nothing does."""
        for text, operation in self.index.below_items.get(resource, ()):
            if name_words(text) == ("upload",) and operation.body is not None and self.values.is_upload(operation):
                step = self._item_step(resource, creation, operation, "upload")
                names = self.values.reader.flat(operation.body.schema).get("required") or ()
                # The path has the id of the item, and the body its file.
                if step is not None and names:
                    return replace(step, asked=tuple(("body", name) for name in names))
        return None

    def _uses(self, resource: Resource, creation: Operation) -> Iterator[tuple[ChainStep, str]]:
        """Yield the steps that use an item: a read of its result, or the creation of what takes its id."""
        for text, operation in self.index.below_items.get(resource, ()):
            is_result = operation.effect is Effect.READ and bool(RESULT_NOUNS & set(name_words(text)))
            step = self._item_step(resource, creation, operation, "get") if is_result else None
            if step is not None:
                yield replace(step, noun=" ".join(name_words(text))), f"get its {' '.join(name_words(text))}"
        for other, operations in self.index.by_resource.items():
            target = self.index.creation(operations)
            if other is resource or target is None or not may_create(other):
                continue
            links = self.index.links(other, target)
            place = next((place for place, linked in links.items() if linked is resource), None)
            keys = self.values.id_keys(creation, target, place) if place is not None else None
            if place is not None and keys is not None and len(self.values.required_places(target)) <= MAX_STEP_INPUTS:
                value = ChainAnswerValue(step=0, name=keys[-1], keys=keys)
                yield self._creation_step(other, target, {place: value}), f"use it in a new {other.label}"

    # --- find -> change

    def _findings(self, resource: Resource) -> Iterator[Chain]:
        """Yield the chains that find an item by its name, and change it or show it."""
        operations = self.index.by_resource[resource]
        finding = next(filter(None, map(self._search_step, operations.get(OperationKind.LIST, ()))), None)
        if finding is None:
            return
        noun, (_, filter_name) = resource.label, finding.asked[0]
        opening = f"Find {with_article(noun)} by {'its name' if 'name' in name_words(filter_name) else 'a search'}"
        merges = [("change", operation) for operation in operations.get(OperationKind.MERGE, ())]
        acts = [entry for entry in self.index.below_items.get(resource, ()) if is_act(*entry)]
        for verb, operation in (*merges[:1], *acts[:2]):
            step = self._change_step(resource, finding, operation, " ".join(name_words(verb)))
            if step is not None:
                yield Chain(
                    kind=ChainKind.CHANGE,
                    summary=f"{opening} and {step.verb} it",
                    steps=(finding, step),
                    weight=self.index.weight(resource) + (verb != "change"),
                )

    def _search_step(self, listing: Operation) -> ChainStep | None:
        """Return the step that lists items by their name and takes the only one; None for a list without a filter."""
        semantics, part = self.semantics.classify(listing), self.values.answers.list_part(listing)
        if listing.effect is not Effect.READ or part is None or part.is_map or semantics.resource is None:
            return None
        texts = [
            parameter.name
            for parameter in listing.parameters
            if parameter.location == "query" and "string" in (self.values.reader.types(parameter.schema) or ("string",))
        ]
        name = name_filter(texts)
        keys = self.values.answer_keys(listing, semantics.resource.id_path) if semantics.resource.id_path else None
        if name is None or keys is None:
            return None
        if any(location != "path" for location, entry in self.values.required_places(listing) if entry != name):
            return None
        return ChainStep(
            operation=listing,
            noun=semantics.resource.label,
            verb="find",
            asked=(("query", name),),
            outputs={keys[-1]: keys},
            list_keys=part.keys,
        )

    def _change_step(self, resource: Resource, finding: ChainStep, operation: Operation, verb: str) -> ChainStep | None:
        """Return the step that changes the item which an earlier one found; None where its id cannot be passed on."""
        is_merge = verb == "change"
        if operation.effect is not Effect.WRITE or (is_merge and not self.values.takes_one(operation)):
            return None
        path = segments(operation.route)
        name = next((segment.parameter for segment in reversed(path) if segment.parameter), None)
        place = ("path", name or "")
        keys = self.values.id_keys(finding.operation, operation, place)
        others = [entry for entry in self.values.required_places(operation) if entry != place]
        if keys is None or len(others) > MAX_ACTION_INPUTS:
            return None
        answered = self.semantics.classify(operation).created_resource
        return ChainStep(
            operation=operation,
            noun=resource.label,
            verb=verb,
            answer_noun=answered.label if answered is not None else "",
            values={place: ChainAnswerValue(step=0, name=keys[-1], keys=keys)},
            outputs=self.values.item_outputs(answered or resource, operation),
            changes=is_merge,
        )

    # --- create -> read back

    def _read_backs(self, resource: Resource, creation: Operation) -> Iterator[Chain]:
        read = next(iter(self.index.by_resource[resource].get(OperationKind.READ, ())), None)
        step = self._item_step(resource, creation, read, "get") if read is not None else None
        if step is not None and read is not None and read.effect is Effect.READ:
            reading = ChainStep(
                operation=read,
                noun=resource.label,
                verb="get",
                values=step.values,
                outputs=self.values.item_outputs(resource, read),
            )
            start = self._creation_step(resource, creation)
            yield Chain(
                kind=ChainKind.READ_BACK,
                summary=f"{start.verb.title()} {with_article(resource.label)} and show it as it is stored",
                steps=(start, reading),
                weight=self.index.weight(resource),
            )


def _join(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""


class ValueFlow:
    """The values that go from one operation of a Spec to another."""

    def __init__(self, spec: Spec) -> None:
        self.semantics = semantics_of(spec)
        self.answers = self.semantics.answers
        self.reader = self.answers.reader
        self.sources = id_sources(spec)

    def answer_keys(self, operation: Operation, path: str) -> Keys | None:
        """Return the keys to a field of the item, or of the first entry, in an answer; None where it has no such."""
        list_part = self.answers.list_part(operation)
        part = list_part or self.answers.item_part(operation)
        if part is None or part.is_map:
            return None
        keys = (*part.keys, *(("0",) if part.is_list else ()))
        schema = part.schema
        inner = self.reader.properties(schema)
        if len(inner) == 1 and "object" in self.reader.types(next(iter(inner.values()))):
            keys, schema = (*keys, next(iter(inner))), next(iter(inner.values()))
        names = self._field_keys(schema, path)
        return (*keys, *names) if names else None

    def _field_keys(self, schema: object, path: str) -> Keys:
        """Return the names that a path such as `metadata.name` has in a schema; () where it has none such."""
        properties = self.reader.properties(schema)
        if path in properties:
            return (path,)
        head, _, rest = path.partition(".")
        if not rest or head not in properties:
            return ()
        inner = self._field_keys(properties[head], rest)
        return (head, *inner) if inner else ()

    def id_keys(self, answering: Operation, operation: Operation, place: Place) -> Keys | None:
        """Return the keys to the id, in the answer of one operation, that a place of another takes."""
        location, name = place
        parameter = operation.parameter(location, name) if location != "body" else None
        path = self.sources.argument_field(answering, name, target_noun(operation, place), parameter)
        return self.answer_keys(answering, path) if path and path != "uri" else None

    def place_schema(self, operation: Operation, place: Place) -> Schema:
        """Return the flat schema of a place of an operation."""
        location, name = place
        if location != "body":
            parameter = operation.parameter(location, name)
            return self.reader.flat(parameter.schema) if parameter is not None else {}
        properties = self.reader.properties(operation.body.schema) if operation.body is not None else {}
        return self.reader.flat(properties.get(name, {}))

    def required_places(self, operation: Operation) -> tuple[Place, ...]:
        """Return the places that a call has to fill, without the credentials that its security schemes provide."""
        stated = [(entry.location, entry.name) for entry in operation.parameters if entry.required]
        required = (*stated, *self.semantics.index.required(operation), *self._creation_places(operation))
        has_security = any(operation.security)
        return tuple(
            dict.fromkeys(
                place
                for place in required
                if not (has_security and self.is_secret(operation, place))
                and not (place[0] == "body" and self.place_schema(operation, place).get("readOnly"))
            )
        )

    def is_secret(self, operation: Operation, place: Place) -> bool:
        """Return whether a parameter authenticates the caller."""
        parameter = operation.parameter(*place)
        return parameter is not None and is_unspoken(
            parameter.name, parameter.location, parameter.schema, parameter.description
        )

    def _creation_places(self, operation: Operation) -> Iterator[Place]:
        """Yield what an optional body requires of a new item: without a body, nothing is created."""
        body = operation.body
        if body is not None and self.semantics.classify(operation).kind is OperationKind.CREATE:
            yield from (("body", name) for name in self.reader.flat(body.schema).get("required") or ())

    def takes_one(self, operation: Operation) -> bool:
        """Return whether the body is that of one item, in JSON or a form."""
        body = operation.body
        if body is None or not (is_json(body.content_type) or is_form(body.content_type)):
            return False
        return "object" in self.reader.types(body.schema) and bool(self.reader.properties(body.schema))

    def is_upload(self, operation: Operation) -> bool:
        properties = self.reader.properties(operation.body.schema) if operation.body is not None else {}
        return any(self.reader.flat(schema).get("format") == "binary" for schema in properties.values())

    def name_places(self, operation: Operation) -> tuple[Place, ...]:
        """Return the place of the name of the new item, where the body does not require one."""
        names = self.reader.properties(operation.body.schema) if operation.body is not None else {}
        name = next((name for key in NAME_FIELDS for name in names if name_key(name) == key), "")
        schema = self.place_schema(operation, ("body", name)) if name else {}
        return (("body", name),) if name and not schema.get("readOnly") else ()

    def item_outputs(self, resource: Resource, operation: Operation) -> dict[str, Keys]:
        """Return the outputs of a step that answers with an item: its id and its state."""
        outputs: dict[str, Keys] = {}
        for path in (resource.id_path, *(name for name in resource.properties if name_key(name) in STATE_NAMES[:2])):
            if path and (keys := self.answer_keys(operation, path)) is not None:
                outputs[path.rpartition(".")[2]] = keys
        return outputs

    def state_wait(self, resource: Resource, read: Operation) -> StateWait | None:
        """Return the wait for the work on an item, by the described choices of its state; None where it does none."""
        properties = self.reader.properties(self.answers.entry_schema(read))
        name = next((entry for key in STATE_NAMES for entry in properties if name_key(entry) == key), "")
        choices = self.reader.flat(properties.get(name, {})).get("enum") or ()
        done, failures = waited_states(resource, [choice for choice in choices if isinstance(choice, str)])
        keys = self.answer_keys(read, name) if done else None
        return StateWait(keys=keys, done=done, failures=failures) if keys is not None else None


class ResourceOperations:
    """The operations of one Spec by their resource. `values` is the flow of values between them."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.values = ValueFlow(spec)
        self.semantics = self.values.semantics
        self.operations = [
            operation for operation in spec.visible_operations if operation.usable and not operation.deprecated
        ]

    @cached_property
    def by_resource(self) -> Mapping[Resource, Mapping[OperationKind, list[Operation]]]:
        groups: dict[Resource, dict[OperationKind, list[Operation]]] = defaultdict(lambda: defaultdict(list))
        for operation in self.operations:
            semantics = self.semantics.classify(operation)
            if semantics.resource is not None and not semantics.resource.is_singleton:
                groups[semantics.resource][semantics.kind].append(operation)
        return groups

    @cached_property
    def below_items(self) -> Mapping[Resource, list[tuple[str, Operation]]]:
        """The operations right below one item, with the last segment of their path: /drafts/{id}/publish."""
        below: dict[Resource, list[tuple[str, Operation]]] = defaultdict(list)
        for operation in self.operations:
            path = segments(operation.route)
            is_below = len(path) > 2 and not path[-1].parameter and path[-2].parameter
            owner = self.semantics.resource_at(path[:-2]) if is_below else None
            if owner is not None:
                below[owner].append((path[-1].text, operation))
        return below

    def weight(self, *resources: Resource) -> float:
        return sum(
            sum(map(len, self.by_resource[resource].values())) + len(self.below_items.get(resource, ()))
            for resource in resources
        ) / max(1, len(resources))

    def creation(self, operations: Mapping[OperationKind, list[Operation]]) -> Operation | None:
        """Return the operation that creates one item, the shortest path first; None without one."""
        candidates = [
            operation
            for operation in operations.get(OperationKind.CREATE, ())
            if operation.effect is Effect.WRITE and self.values.takes_one(operation)
        ]
        return min(candidates, key=lambda operation: len(segments(operation.route)), default=None)

    def links(self, resource: Resource, creation: Operation) -> dict[Place, Resource]:
        """Return the places of a creation that take the id of another thing which can be created, with that thing."""
        links: dict[Place, Resource] = {}
        parents = {parent.parameter: parent.resource for parent in self.semantics.parents(segments(creation.route))}
        required = self.values.required_places(creation)
        names = self.values.reader.properties(creation.body.schema) if creation.body is not None else {}
        # Where a body says what it requires, the rest is for those who know what they want.
        states_required = any(location == "body" for location, _ in required)
        for place in (*required, *(("body", name) for name in names if not states_required)):
            location, name = place
            if not is_id_argument(place) or self.values.place_schema(creation, place).get("readOnly"):
                continue
            target = parents.get(name) if location == "path" else self._target_by_name(name, creation)
            if target is None or target is resource or target in links.values():
                continue
            # An optional id is that of the thing only where its name says exactly that.
            if place not in required and noun_in_name(name) != target.noun:
                continue
            links[place] = target
        return links

    def _target_by_name(self, name: str, creation: Operation) -> Resource | None:
        """Return the resource that a property of a creation refers to: a draft belongs to drafts."""
        target = self.semantics.resource_by_name(name)
        path = segments(creation.route)
        if target is None or has_draft_segment(path) == is_draft(target):
            return target
        same_noun = (entry for entry in self.by_resource if entry.noun == target.noun)
        return next((entry for entry in same_noun if is_draft(entry) == has_draft_segment(path)), None)
