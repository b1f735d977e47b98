"""Finds chains of operations that belong together by a description: what one answers, the next one takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nlapi.english.words import name_key, name_words
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.collection_index import name_filter
from nlapi.resources.grouping import Resource
from nlapi.resources.paths import Place, segments
from nlapi.resources.semantics import OperationKind
from nlapi.workflows.chain_model import Chain, ChainAnswerValue, ChainKind, ChainStep, with_article
from nlapi.workflows.chain_resources import ResourceOperations
from nlapi.workflows.chain_words import (
    ACTION_NAMES,
    CHECK_VERBS,
    PUBLISH_VERBS,
    RESULT_NOUNS,
    is_act,
    is_draft,
    is_named,
    item_label,
    may_create,
    operations_by_verb,
    spoken_state,
)

# Creations in one chain: more is no task of one sentence.
MAX_CREATIONS = 4

# Inputs of one step: with more, nobody fills the workflow in.
MAX_STEP_INPUTS = 12

# Inputs of an action on an item beside the item: an action with more is a task of its own.
MAX_ACTION_INPUTS = 4


class ChainFinder:
    """The search for chains in one Spec."""

    def __init__(self, spec: Spec) -> None:
        self.index = ResourceOperations(spec)
        self.values = self.index.values
        self.semantics = self.index.semantics

    def chains(self) -> Iterator[Chain]:
        """Yield every chain that the description supports."""
        for resource, operations in self.index.by_resource.items():
            if not is_named(resource):
                continue
            creation = self.index.creation(operations)
            if creation is not None and may_create(resource):
                yield from self._creations(resource, creation)
                yield from self._publications(resource, creation)
                yield from self._waits(resource, creation)
                yield from self._read_backs(resource, creation)
            yield from self._findings(resource)

    # --- create A -> create B

    def _creations(self, resource: Resource, creation: Operation) -> Iterator[Chain]:
        """Yield the chain that creates an item and, before it, what it belongs to; drafts are published in the end."""
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
        """Add the steps that create an item and what it needs; False where a chain would be too long."""
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
        yield from self._look_ups(resource, finding, opening)

    def _look_ups(self, resource: Resource, finding: ChainStep, opening: str) -> Iterator[Chain]:
        """Yield the chains that find an item and show what is known of the first match: all of it, or a list below."""
        # A wrong match does no harm to a read, so that a list of several is no failure.
        search = replace(finding, list_keys=None)
        reads = [("show", read) for read in self.index.by_resource[resource].get(OperationKind.READ, ())]
        lists = [
            (f"list the {' '.join(name_words(text))} of", operation)
            for text, operation in self.index.below_items.get(resource, ())
            if operation.effect is Effect.READ and self.semantics.index.is_list(operation)
        ]
        for verb, operation in (*reads[:1], *lists[:1]):
            path = segments(operation.route)
            name = next((segment.parameter for segment in reversed(path) if segment.parameter), None)
            place = ("path", name or "")
            keys = self.values.id_keys(finding.operation, operation, place)
            if (
                operation.effect is Effect.READ
                and keys
                and len(self.values.required_places(operation)) <= MAX_ACTION_INPUTS
            ):
                is_show = verb == "show"
                step = ChainStep(
                    operation=operation,
                    noun=resource.label if is_show else " ".join(name_words(path[-1].text)),
                    verb="get" if is_show else "list",
                    values={place: ChainAnswerValue(step=0, name=keys[-1], keys=keys)},
                    outputs=self.values.item_outputs(resource, operation) if is_show else {},
                )
                yield Chain(
                    kind=ChainKind.LOOK_UP,
                    summary=f"{opening} and {verb} the first match",
                    steps=(search, step),
                    weight=self.index.weight(resource) + (not is_show),
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
