"""Finds chains of operations that belong together by a description: what one answers, the next one takes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from nlapi.english import lexicon
from nlapi.english.intents import IMPERATIVES, VERBS, Intent
from nlapi.english.words import name_key, name_words, singular, singular_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.credential_parameters import is_unspoken
from nlapi.openapi.spec import Effect, Operation, Schema, Spec, is_form, is_json
from nlapi.resources.collection_index import name_filter
from nlapi.resources.grouping import Resource
from nlapi.resources.id_sources import id_sources
from nlapi.resources.nouns import is_id_argument, noun_in_name, target_noun
from nlapi.resources.paths import Path, Place, segments
from nlapi.resources.semantics import OperationKind, semantics_of
from nlapi.tools.compile import compile_tool
from nlapi.tools.quantities.units import unit_of
from nlapi.workflows.draft import (
    AnswerValue,
    InputValue,
    ItemChoice,
    Keys,
    StateWait,
    StepDraft,
    field_name,
    input_schema,
)

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
    if len(words) != 1 or singular(words[0]) != words[0] or operation.effect is not Effect.WRITE:
        return False
    return stem(words[0]) in IMPERATIVES or VERBS.get(stem(words[0])) in (Intent.CREATE, Intent.UPDATE)


def spoken_state(state: str) -> str:
    """Return a state as a person says it: `IN_PROGRESS` is in progress."""
    words = " ".join(name_words(state))
    return "successful" if words in ("success", "succeeded") else words


class ChainKind(IntEnum):
    """The kind of a chain, the most useful first."""

    CREATE = 0
    PUBLISH = 1
    WAIT = 2
    CHANGE = 3
    REPORT = 4
    READ_BACK = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Steps that belong together, and the sentence of a person who wants them."""

    kind: ChainKind
    summary: str
    steps: tuple[StepDraft, ...]
    weight: float = 0.0
    """how central the resources are in the API: the number of operations on them"""

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(step.operation for step in self.steps)


# How a word begins that is spoken with a vowel: an upload and an urgent order, but a URL, a user, a unit and a euro.
_VOWEL = lazy_pattern(r"(?i)[ai]|e(?!u)|o(?!ne\b)|u[lmnp](?!i)|ur[gb]|hour|honest")


def with_article(noun: str) -> str:
    """Return a noun behind `a` or `an`."""
    return f"{'an' if _VOWEL.match(noun) else 'a'} {noun}"


def first_field(names: Iterable[str], keys: Sequence[str]) -> str:
    """Return the name that is the first one of some keys, however it is written; "" for none."""
    by_key = {name_key(name): name for name in reversed(list(names))}
    return next((by_key[key] for key in keys if key in by_key), "")


def is_fact(name: str) -> bool:
    """Return whether a field says that all is well."""
    return name_key(name) in ("valid", "isvalid", "ok")


# Creations in one chain: more is not a task of one sentence.
MAX_CREATIONS = 4

# Inputs of one step: with more, nobody fills the workflow in.
MAX_STEP_INPUTS = 12

# Inputs of an action on an item beside the item: an action with more is a separate task.
MAX_ACTION_INPUTS = 4

# A resource below which so many operations are is there already: a workspace, a business, a service. Spotify's business
# has 35 % of the operations below it, Twilio Verify's service 60 %; of the bundled ads, a campaign has 20 %.
_SCOPE_SHARE, _SCOPE_OPERATIONS = 0.3, 12

# Comments on a thing, or its members, come later and separately, not when the thing is made.
_LATER_NOUNS = lexicon.words("workflows/words", "later_nouns")

_REPORT_NOUNS = lexicon.words("workflows/words", "report_nouns")
_START_WORDS, _END_WORDS, _CHOICE_WORDS = (
    lexicon.ordered("workflows/words", name) for name in ("period_starts", "period_ends", "report_choices")
)


class ChainFinder:
    """The search for chains in one Spec. `values` is the flow of values between its operations."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.values = ValueFlow(spec)
        self.semantics = self.values.semantics
        self.operations = [
            operation for operation in spec.visible_operations if operation.usable and not operation.deprecated
        ]

    def chains(self) -> Iterator[Chain]:
        """Yield every chain that a person would ask for, but for those that read back what they made."""
        for resource, creation in self._creatable():
            yield from self._creations(resource, creation)
            yield from self._publications(resource, creation)
            yield from self._waits(resource, creation)
        for resource in self.by_resource:
            if is_named(resource):
                yield from self._findings(resource)
        yield from self._reports()

    def read_backs(self) -> Iterator[Chain]:
        """Yield the chains that make an item and show it, which is the least that one can do with it."""
        for resource, creation in self._creatable():
            start = self._creation_step(resource, creation)
            step = self._reading_step(resource, start, "get")
            if step is not None and step.operation.effect is Effect.READ:
                yield Chain(
                    kind=ChainKind.READ_BACK,
                    summary=f"{start.verb.title()} {with_article(resource.label)} and show it as it is stored",
                    steps=(start, step),
                    weight=self.weight(resource),
                )

    # --- operations by resource

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

    @cached_property
    def _counts_below(self) -> Counter[Resource]:
        """The number of operations below one item of each resource."""
        parents = (self.semantics.parents(segments(operation.route)) for operation in self.operations)
        return Counter(resource for path in parents for resource in {entry.resource for entry in path} if resource)

    def weight(self, *resources: Resource) -> float:
        return sum(
            sum(map(len, self.by_resource[resource].values())) + len(self.below_items.get(resource, ()))
            for resource in resources
        ) / max(1, len(resources))

    def _creatable(self) -> Iterator[tuple[Resource, Operation]]:
        """Yield the resources of which a person may want a new item, with the operation that creates one."""
        for resource in self.by_resource:
            creation = self._creation(resource)
            if creation is not None and may_create(resource):
                yield resource, creation

    def _creation(self, resource: Resource) -> Operation | None:
        """Return the operation that creates one item, the shortest path first; None without one."""
        candidates = [
            operation
            for operation in self.by_resource.get(resource, {}).get(OperationKind.CREATE, ())
            if operation.effect is Effect.WRITE and self.values.takes_one(operation)
        ]
        return min(candidates, key=lambda operation: len(segments(operation.route)), default=None)

    def _links(self, resource: Resource, creation: Operation) -> dict[Place, Resource]:
        """Return the places of a creation that take the id of another thing which can be created, with that thing."""
        links: dict[Place, Resource] = {}
        parents = {parent.parameter: parent.resource for parent in self.semantics.parents(segments(creation.route))}
        required = self.values.required_places(creation)
        # Where a body says what it requires, the rest is for those who know what they want.
        states_required = any(location == "body" for location, _ in required)
        names = self.values.body_properties(creation) if not states_required else ()
        for place in (*required, *(("body", name) for name in names)):
            location, name = place
            if not is_id_argument(place) or self.values.place_schema(creation, place).get("readOnly"):
                continue
            target = parents.get(name) if location == "path" else self._target_by_name(name, creation)
            if target is None or target is resource or target in links.values():
                continue
            # An optional id is that of the thing only where its name says exactly that.
            if place in required or noun_in_name(name) == target.noun:
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

    # --- create A -> create B

    def _creations(self, resource: Resource, creation: Operation) -> Iterator[Chain]:
        """Yield the chain that creates an item and, before it, its parents; drafts are published in the end."""
        steps, resources = self._created(resource, creation)
        if len(steps) < 2:
            return
        *earlier, last = (with_article(item_label(entry)) for entry in resources)
        is_one = len(earlier) == 1 and any(location == "path" for location, _ in steps[-1].values)
        ending = f"and {last} in it" if is_one else f"and then {last} with {'it' if len(earlier) == 1 else 'them'}"
        weight = self.weight(*resources) + len(steps)
        if not any(map(self._is_scope, resources)) and self._is_whole(steps):
            summary = f"Create {join_clauses(earlier)} {ending}"
            yield Chain(kind=ChainKind.CREATE, summary=summary, steps=tuple(steps), weight=weight)
        first = resources[0]
        if not is_draft(first):
            return
        # Other drafts of the same steps, as the last one has fewer results where something follows.
        steps, _ = self._created(resource, creation)
        if publication := self._publication_steps(first, steps[0]):
            objects = [f"the {first.label}", *("it" for _ in publication[1:])]
            commands = join_clauses([f"{step.verb} {text}" for step, text in zip(publication, objects, strict=True)])
            yield Chain(
                kind=ChainKind.PUBLISH,
                summary=f"Create {join_clauses([*earlier, last])}, and then {commands}",
                steps=(*steps, *publication),
                weight=weight + len(publication),
            )

    def _is_scope(self, resource: Resource) -> bool:
        """Return whether most of an API is below one item of a resource, so that nobody makes one for a task."""
        count = self._counts_below[resource]
        return count >= _SCOPE_OPERATIONS and count >= _SCOPE_SHARE * len(self.operations)

    def _is_whole(self, steps: Sequence[StepDraft]) -> bool:
        """Return whether the last thing is a part of the others, which one makes with them, each by its name."""
        *earlier, last = steps
        noun = last.noun.split()[-1]
        # An issue field and then a field: the same thing in two places.
        is_again = any(step.noun.split()[-1] == noun for step in earlier)
        is_below = all(location == "path" for location, _ in last.values)
        named = steps if is_below else earlier
        return not is_again and noun not in _LATER_NOUNS and all(map(self._is_given_name, named))

    def _is_given_name(self, step: StepDraft) -> bool:
        """Return whether a person gives the new thing a name."""
        places = (*self.values.required_places(step.operation), *self.values.name_places(step.operation))
        return any(
            location == "body" and set(name_words(name)) & {"name", "title", "subject"} for location, name in places
        )

    def _created(self, resource: Resource, creation: Operation) -> tuple[list[StepDraft], list[Resource]]:
        """Return the steps that create an item and its requirements, and of what; none where there are too many."""
        steps: list[StepDraft] = []
        resources: list[Resource] = []
        return (steps, resources) if self._add_creation(resource, creation, steps, resources, ()) else ([], [])

    def _add_creation(
        self,
        resource: Resource,
        creation: Operation,
        steps: list[StepDraft],
        resources: list[Resource],
        visited: tuple[Resource, ...],
    ) -> bool:
        """Add the steps that create an item and its requirements; False where a chain would be too long."""
        values: dict[Place, AnswerValue] = {}
        for place, target in self._links(resource, creation).items():
            parent = self._creation(target)
            if target in visited or parent is None or not may_create(target):
                continue
            keys = self.values.id_keys(parent, creation, place)
            if keys is None or len(self.values.required_places(parent)) > MAX_STEP_INPUTS:
                continue
            if target not in resources and not self._add_creation(
                target, parent, steps, resources, (*visited, resource)
            ):
                return False
            values[place] = steps[resources.index(target)].answer(keys)
        if len(steps) >= MAX_CREATIONS or (values and not self._is_sensible(creation, values)):
            return False
        steps.append(self._creation_step(resource, creation, values))
        resources.append(resource)
        return True

    def _is_sensible(self, creation: Operation, values: Collection[Place]) -> bool:
        """Return whether a creation with ids of new things can be right.

        What is below a new thing is new itself, and cannot be asked for. A body of ids alone creates nothing.
        """
        linked = [("path", segment.parameter) in values for segment in segments(creation.route) if segment.parameter]
        is_below_new = any(linked) and not all(linked[linked.index(True) :])
        body = [("body", name) for name in self.values.body_properties(creation)]
        prompted = {*self.values.required_places(creation), *self.values.name_places(creation)}.difference(values)
        is_of_ids = any(place in values for place in body) and prompted.isdisjoint(body)
        return not is_below_new and (not is_of_ids or all(place in values for place in body))

    def _creation_step(
        self, resource: Resource, creation: Operation, values: Mapping[Place, AnswerValue] = MappingProxyType({})
    ) -> StepDraft:
        return StepDraft(
            tool=compile_tool(creation),
            noun=item_label(resource),
            answer_noun=field_name(item_label(resource)),
            verb="upload" if self.values.is_upload(creation) else "create",
            values=values,
            prompted_places=self.values.name_places(creation),
            outputs=self.values.item_outputs(resource, creation),
        )

    # --- draft -> validate -> publish

    def _publications(self, resource: Resource, creation: Operation) -> Iterator[Chain]:
        first = self._creation_step(resource, creation)
        steps = self._publication_steps(resource, first)
        if not steps:
            return
        commands = join_clauses([f"{step.verb} it" for step in steps])
        separator = ", " if len(steps) > 1 else " and "
        yield Chain(
            kind=ChainKind.PUBLISH,
            summary=f"{first.verb.title()} {with_article(first.noun)}{separator}{commands}",
            steps=(first, *steps),
            weight=self.weight(resource) + 2 * (len(steps) - 1),
        )

    def _publication_steps(self, resource: Resource, creation: StepDraft) -> tuple[StepDraft, ...]:
        """Return the steps that check a new item, if the API can, and put it to use; () where nothing does."""
        below = self.below_items.get(resource, ())
        acts: list[tuple[str, Operation, Mapping[Place, str]]] = []
        if publications := operations_by_verb(below, PUBLISH_VERBS, Effect.WRITE):
            checks = operations_by_verb(below, CHECK_VERBS, None)[:1]
            acts = [(verb, operation, {}) for verb, operation in (*checks, publications[0])]
        for operation in self.by_resource[resource].get(OperationKind.ACT, ()):
            acts = acts or self._actions_in_body(operation)
        steps: list[StepDraft] = []
        for verb, operation, constants in acts:
            step = self._item_step(resource, creation, operation, verb)
            if step is None:
                return ()
            step.values = {**step.values, **constants}
            steps.append(step)
        return tuple(steps)

    def _actions_in_body(self, operation: Operation) -> list[tuple[str, Operation, Mapping[Place, str]]]:
        """Return the check and the publication that a field of one operation chooses: `action: VALIDATE | PUBLISH`."""
        for name, schema in self.values.body_properties(operation).items():
            choices = self.values.reader.flat(schema).get("enum") or () if name_key(name) in ACTION_NAMES else ()
            by_verb = {choice.lower(): choice for choice in choices if isinstance(choice, str)}
            verb = next((entry for entry in PUBLISH_VERBS if entry in by_verb), "")
            if verb:
                check = next((entry for entry in CHECK_VERBS if entry in by_verb), "")
                return [(entry, operation, {("body", name): by_verb[entry]}) for entry in (check, verb) if entry]
        return []

    def _item_step(self, resource: Resource, source: StepDraft, operation: Operation, verb: str) -> StepDraft | None:
        """Return the step of an operation on the item that an earlier step answers with.

        None where its id cannot be passed on.
        """
        path = segments(operation.route)
        place = ("path", next((segment.parameter for segment in reversed(path) if segment.parameter), None) or "")
        keys = self.values.id_keys(source.operation, operation, place)
        others = [entry for entry in self.values.required_places(operation) if entry != place]
        if keys is None or len(others) > MAX_ACTION_INPUTS:
            return None
        semantics = self.semantics.classify(operation)
        answered = semantics.created_resource or resource
        facts = self.values.fact_outputs(operation) if verb in (*CHECK_VERBS, *PUBLISH_VERBS) else {}
        return StepDraft(
            tool=compile_tool(operation),
            noun=resource.label,
            verb=verb,
            answer_noun=field_name(answered.label),
            values={place: source.answer(keys)},
            outputs=facts | self.values.item_outputs(answered, operation),
            facts=tuple(facts.values()),
        )

    def _reading_step(self, resource: Resource, creation: StepDraft, verb: str) -> StepDraft | None:
        """Return the step that reads a new item; None without one."""
        read = next(iter(self.by_resource[resource].get(OperationKind.READ, ())), None)
        return self._item_step(resource, creation, read, verb) if read is not None else None

    # --- upload -> wait -> use

    def _waits(self, resource: Resource, creation: Operation) -> Iterator[Chain]:
        """Yield the chain that starts work, waits until it is done, and uses what came of it."""
        start = self._creation_step(resource, creation)
        polling = self._reading_step(resource, start, "wait for")
        wait = self.values.state_wait(resource, polling.operation) if polling is not None else None
        if polling is None or wait is None:
            return
        polling.wait = wait
        begun = [start]
        opening = f"{start.verb.title()} {with_article(resource.label)}"
        upload = self._upload_step(resource, start) if start.verb == "create" else None
        if upload is not None:
            begun.append(upload)
            opening += ", upload its file"
        use, ending = next(self._uses(resource, start), (None, ""))
        joint = "," if use is not None else ", and" if upload is not None else " and"
        weight = self.weight(resource) + (start.verb == "upload")
        yield Chain(
            kind=ChainKind.WAIT,
            summary=f"{opening}{joint} wait until it is {spoken_state(wait.done)}{ending}",
            steps=(*begun, polling, *([use] if use is not None else [])),
            weight=weight + (3 if use is not None else len(begun) - 1),
        )

    def _upload_step(self, resource: Resource, creation: StepDraft) -> StepDraft | None:
        """Return the step that uploads the file of an item which was created without it; None where nothing does."""
        for text, operation in self.below_items.get(resource, ()):
            if name_words(text) == ("upload",) and operation.body is not None and self.values.is_upload(operation):
                step = self._item_step(resource, creation, operation, "upload")
                names = self.values.reader.flat(operation.body.schema).get("required") or ()
                # The path has the id of the item, and the body its file.
                if step is not None and names:
                    step.prompted_places = tuple(("body", name) for name in names)
                    return step
        return None

    def _uses(self, resource: Resource, creation: StepDraft) -> Iterator[tuple[StepDraft, str]]:
        """Yield the steps that use an item: a read of its result, or the creation of what takes its id."""
        for text, operation in self.below_items.get(resource, ()):
            is_result = operation.effect is Effect.READ and bool(RESULT_NOUNS & set(name_words(text)))
            step = self._item_step(resource, creation, operation, "get") if is_result else None
            if step is not None:
                step.noun, step.outputs = " ".join(name_words(text)), {}
                yield step, f" and get its {step.noun}"
        for other, target in self._creatable():
            links = self._links(other, target)
            place = next(
                (place for place, linked in links.items() if linked is resource and other is not resource), None
            )
            keys = self.values.id_keys(creation.operation, target, place) if place is not None else None
            if place is not None and keys is not None and len(self.values.required_places(target)) <= MAX_STEP_INPUTS:
                yield (
                    self._creation_step(other, target, {place: creation.answer(keys)}),
                    f" and use it in a new {other.label}",
                )

    # --- find -> change

    def _findings(self, resource: Resource) -> Iterator[Chain]:
        """Yield the chains that find an item by its very name, and change it."""
        operations = self.by_resource[resource]
        finding = next(filter(None, map(self._search_step, operations.get(OperationKind.LIST, ()))), None)
        if finding is None:
            return
        search_scopes = {segment.parameter for segment in segments(finding.operation.route)}
        ((_, name_filter), name_input), *_ = finding.values.items()
        name = "name" if "name" in name_words(name_filter) else " ".join(name_words(name_input.name))
        merges = [
            ("change", operation)
            for operation in operations.get(OperationKind.MERGE, ())[:1]
            if self.values.takes_one(operation)
        ]
        acts = [entry for entry in self.below_items.get(resource, ()) if is_act(*entry)]
        for text, operation in (*merges, *acts[:2]):
            start = replace(finding)
            step = self._item_step(resource, start, operation, " ".join(name_words(text)))
            if step is None or self.values.is_upload(operation):
                continue
            # A search over all repositories finds an issue of another one: its number means something else here.
            scopes = {segment.parameter for segment in segments(operation.route)} - {name for _, name in step.values}
            if scopes <= search_scopes:
                yield Chain(
                    kind=ChainKind.CHANGE,
                    summary=f"Find {with_article(resource.label)} by its {name} and {step.verb} it",
                    steps=(start, step),
                    weight=self.weight(resource) + (text != "change"),
                )

    def _search_step(self, listing: Operation) -> StepDraft | None:
        """Return the step that lists items by a filter and takes the one with the very name; None where none can."""
        semantics, part = self.semantics.classify(listing), self.values.answers.list_part(listing)
        if semantics.resource is None or part is None or part.entry_keys:
            return None
        name = name_filter(self._text_filters(listing))
        keys = self.values.answer_keys(listing, semantics.resource.id_path)
        fields = self.values.reader.properties(part.schema)
        # A filter that is a field of the items finds them by that field alone.
        choose_by = first_field([name] if name in fields else fields, NAME_FIELDS)
        others = [place for place in self.values.required_places(listing) if place != ("query", name)]
        if not name or not keys or not choose_by or any(location != "path" for location, _ in others):
            return None
        noun, place = semantics.resource.label, ("query", name)
        value = InputValue(name=choose_by, noun=field_name(noun), schema=self.values.input_schema(listing, place))
        return StepDraft(
            tool=compile_tool(listing),
            noun=noun,
            answer_noun=field_name(noun),
            verb="find",
            values={place: value},
            outputs={str(keys[-1]): keys},
            choice=ItemChoice(keys=part.keys, field=(choose_by,), name=value),
        )

    def _text_filters(self, listing: Operation) -> Iterator[str]:
        """Yield the parameters of a list that take a text."""
        for parameter in listing.parameters:
            types = self.values.reader.types(parameter.schema) or ("string",)
            if parameter.location == "query" and "string" in types:
                yield parameter.name

    # --- reports

    def _reports(self) -> Iterator[Chain]:
        """Yield reports: reads with a period, and with a choice of what is counted or how it is cut."""
        for operation in self.operations:
            path = segments(operation.route)
            text = next((segment.text for segment in reversed(path) if not segment.parameter), "")
            words = set(singular_words(text)) | set(name_words(text))
            if not words & _REPORT_NOUNS or operation.method != "GET":
                continue
            starts, ends, choices = (
                _query_places(operation, words) for words in (_START_WORDS, _END_WORDS, _CHOICE_WORDS)
            )
            required = [place for place in self.values.required_places(operation) if place[0] == "path"]
            if not starts or not ends or starts[0] == ends[0] or not choices or len(required) > 2:
                continue
            noun = " ".join(singular_words(text))
            noun = noun if words & {"report"} else f"{noun} report"
            tool, prompted = compile_tool(operation), (starts[0], ends[0], *choices[:3])
            step = StepDraft(tool=tool, noun=noun, verb="get", prompted_places=prompted)
            yield Chain(
                kind=ChainKind.REPORT,
                summary=f"Get {with_article(noun)} for a period",
                steps=(step,),
                weight=10.0 - len(path),
            )


def _query_places(operation: Operation, words: Collection[str]) -> list[Place]:
    """Return the parameters of a query that have one of some words in their name."""
    names = [parameter.name for parameter in operation.parameters if parameter.location == "query"]
    return [("query", name) for name in names if not set(words).isdisjoint(name_words(name))]


def join_clauses(parts: Sequence[str]) -> str:
    """Return parts as a sentence lists them: a, b and c."""
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
        schema, names = part.schema, path.split(".")
        for name in names:
            if name not in (properties := self.reader.properties(schema)):
                return None
            schema = properties[name]
        return (*part.keys, *(("0",) if part.is_list else ()), *names)

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
        return self.reader.flat(self.body_properties(operation).get(name, {}))

    def input_schema(self, operation: Operation, place: Place) -> dict[str, Any]:
        """Return the schema of the input for a place of an operation."""
        schema, parameter = self.place_schema(operation, place), operation.parameter(*place)
        unit = unit_of(schema, parameter.extensions if parameter is not None else {})
        text = parameter.description if parameter is not None else ""
        result = input_schema(self.reader, schema, text, unit=unit)
        # An input with this format is kept in no transcript.
        return {**result, "format": "password"} if self.is_secret(operation, place) else result

    def body_properties(self, operation: Operation) -> Mapping[str, Schema]:
        """Return the fields of the body of an operation."""
        return self.reader.properties(operation.body.schema) if operation.body is not None else {}

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
        properties = self.body_properties(operation).values()
        return any(self.reader.flat(schema).get("format") == "binary" for schema in properties)

    def name_places(self, operation: Operation) -> tuple[Place, ...]:
        """Return the place of the name of the new item, where the body does not require one."""
        names = self.body_properties(operation)
        name = first_field(names, NAME_FIELDS)
        schema = self.place_schema(operation, ("body", name)) if name else {}
        return (("body", name),) if name and not schema.get("readOnly") else ()

    def item_outputs(self, resource: Resource, operation: Operation) -> dict[str, Keys]:
        """Return the outputs of a step that answers with an item: its id and its state."""
        outputs: dict[str, Keys] = {}
        for path in (resource.id_path, *(name for name in resource.properties if name_key(name) in STATE_NAMES[:2])):
            if path and (keys := self.answer_keys(operation, path)) is not None:
                outputs[path.rpartition(".")[2]] = keys
        return outputs

    def fact_outputs(self, operation: Operation) -> dict[str, Keys]:
        """Return the outputs of a step whose answer says whether all is well."""
        properties = self.reader.properties(self.answers.entry_schema(operation))
        names = [name for name in properties if is_fact(name)]
        return {name: keys for name in names if (keys := self.answer_keys(operation, name)) is not None}

    def state_wait(self, resource: Resource, read: Operation) -> StateWait | None:
        """Return the wait for the work on an item, by the described choices of its state; None where it does none."""
        properties = self.reader.properties(self.answers.entry_schema(read))
        name = first_field(properties, STATE_NAMES)
        choices = self.reader.flat(properties.get(name, {})).get("enum") or ()
        states = {name_key(choice): choice for choice in choices if isinstance(choice, str)}
        done = next((key for key in _DONE_STATES if key in states), "")
        is_work = bool((_WORK_STATES & states.keys()) - {done})
        # No machine waits for what people bring about.
        is_human = bool(_HUMAN_STATES & states.keys()) or bool(_HUMAN_NOUNS & set(resource.noun[-1:]))
        keys = self.answer_keys(read, name) if done and is_work and not is_human else None
        failures = tuple(state for key, state in states.items() if key in FAILED_STATES)
        return StateWait(keys=keys, done=states[done], failures=failures) if keys is not None else None
