"""Traces each value of a call that a model wrote to the user, to an answer, or to nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from nlapi.changes.account import unused_values
from nlapi.changes.sentences import SENTENCE_CHECKS, Mention, UserSentence, build_case, has_other_case
from nlapi.changes.value_mentions import equals_number, find_choice, find_day, find_duration, find_numbers
from nlapi.english import lexicon
from nlapi.english.intents import Intent
from nlapi.english.words import name_key, split_words, stem, stems_of
from nlapi.openapi.spec import SCALES, UPDATE_METHODS, Effect, Spec
from nlapi.reading.clauses import command_intent, split_clauses
from nlapi.reading.numbers import CURRENCIES
from nlapi.resources.answers import extract_item, extract_list
from nlapi.resources.identity import FIELD_OBJECTS, IDS, NAMES, field_at, id_path, name_of, text_of
from nlapi.resources.nouns import is_id_argument, singular_noun, target_noun
from nlapi.resources.paths import segments
from nlapi.tools.answers.view import lowercase_headers
from nlapi.tools.arguments import argument_schema, plain_values, property_schema
from nlapi.tools.plan import Conversation, Outcome, Step, is_of_same_receiver, is_remembered
from nlapi.tools.quantities.unit_evidence import read_unit
from nlapi.tools.repetition.ledger import key_argument
from nlapi.tools.tool import TRUSTED_ORIGINS, Account, Call, Origin, ValueSource

_REVISION_NAMES = lexicon.words("changes/words", "revision_names")
# Fields that identify an item for people. Texts about an item are left out: any sentence may have a word of them.
_NAMING_FIELDS = (frozenset(NAMES) | frozenset(IDS)) - {"text", "hash", "digest", "summary", "code"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMatch:
    """An item of an answer that the user's words name: `name` is the item's, `mention` its position in the sentence."""

    item: Mapping[str, Any]
    id: Any
    name: str
    mention: Mention


def find_match(
    argument: str, value: Any, call: Call, steps: Iterable[Step], sentence: UserSentence
) -> ItemMatch | None:
    """Return the item whose id is `value` and which alone is named by the words of `sentence`; or None.

    Only answers of the same API count, and of them the entries or the item, not their texts. Where several items of one
    operation have the name, and where another sentence has it, nothing matches.
    """
    operation = call.tool.operation
    name = argument.rpartition(".")[2]
    place = call.tool.places.get(argument, ("body", name))
    noun = target_noun(operation, place)
    candidates: dict[Any, ItemMatch] = {}
    for step in _answered_steps(steps):
        if not is_of_same_receiver(step.call.tool.operation, operation):
            continue
        for item in answer_items(step):
            path = id_path(item, place[1] or name, noun)
            id = field_at(item, path) if path else None
            is_own_id = len(split_words(path)) == 1  # `id`, and not `owner.id`
            if id is None or (is_own_id and _is_of_other_kind(step, operation.spec, noun)):
                continue
            if (match := _match_by_name(item, id, path, sentence)) or (
                match := _match_by_filter(step, item, id, sentence)
            ):
                candidates[(step.call.operation_id, str(id))] = match
    id_matches = [(key, candidate) for key, candidate in candidates.items() if str(candidate.id) == str(value)]
    for (operation_id, id), candidate in id_matches:
        # Where two items have the same name, the id is the model's choice and not the user's.
        rivals = (
            key
            for key, rival in candidates.items()
            if key[0] == operation_id and key[1] != id and _overlaps(candidate, rival)
        )
        if next(rivals, None) is None:
            return candidate
    return None


def find_repeated_item(argument: str, value: object, call: Call, steps: Iterable[Step], ids: Iterable[str]) -> str:
    """Return the name of the item with one of `ids` that has `value` in the same field already; "" where none has.

    An update repeats fields that stay, or has the revision of the item. `ids` are those of the path that the user said,
    or that were looked up for his words.
    """
    operation, target_ids = call.tool.operation, set(ids)
    last = next((segment.parameter for segment in reversed(segments(operation.route)) if segment.parameter), None)
    noun = target_noun(operation, ("path", last)) if last else ()
    is_revision = name_key(argument.rpartition(".")[2]) in _REVISION_NAMES
    if not target_ids or (operation.method not in UPDATE_METHODS and not is_revision):
        return ""
    for step in _answered_steps(steps):
        is_own = is_of_same_receiver(step.call.tool.operation, operation)
        if not is_own or _is_of_other_kind(step, operation.spec, noun):
            continue
        for item in answer_items(step):
            id = field_at(item, id_path(item))
            if id is not None and str(id) in target_ids and _has_value(item, argument, value):
                return name_of(item) or str(id)
    return ""


class _ItemKinds:
    """The kinds of items that have their own ids in the paths of an API: `user` of /users/{id}."""

    def __init__(self, spec: Spec) -> None:
        places = (
            (operation, ("path", segment.parameter))
            for operation in spec.operations
            for segment in segments(operation.route)
            if segment.parameter
        )
        self.kinds = frozenset(noun[-1] for operation, place in places if (noun := target_noun(operation, place)))


def _is_of_other_kind(step: Step, spec: Spec, noun: Sequence[str]) -> bool:
    """Return whether the items of an answer are of another kind than `noun`: a channel's id is not a user's."""
    kind, kinds = singular_noun(step.call.tool.operation), spec.derive(_ItemKinds).kinds
    return bool(noun and kind) and noun[-1] != kind[-1] and noun[-1] in kinds and kind[-1] in kinds


def is_in_answers(value: object, steps: Iterable[Step]) -> bool:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    needle = text.casefold()
    return bool(needle) and any(
        needle in step.result.text.casefold() for step in _answered_steps(steps) if step.result is not None
    )


def _answered_steps(steps: Iterable[Step]) -> Iterator[Step]:
    return (step for step in steps if step.outcome is Outcome.ANSWERED and step.result is not None)


def answer_items(step: Step) -> Iterator[Mapping[str, object]]:
    """Yield the entries that an answer lists, or its one item."""
    if step.result is None or not step.result.ok:
        return
    answer_list = extract_list(step.result.data, step.call.tool.operation, lowercase_headers(step.result))
    entries = (
        answer_list.entries if answer_list is not None else (extract_item(step.result.data, step.call.tool.operation),)
    )
    yield from (entry for entry in entries if isinstance(entry, Mapping))


def _match_by_name(item: Mapping[str, object], id: object, path: str, sentence: UserSentence) -> ItemMatch | None:
    """Return the match of an item by the longest of its names that is in the sentence as a whole."""
    matches: list[ItemMatch] = []
    for key, field in _naming_fields(item):
        mention = sentence.find_mention(field) if key != path or field == str(id) else None
        if mention is not None and len(field) > 1:
            matches.append(ItemMatch(item=item, id=id, name=field, mention=mention))
    return max(matches, key=lambda match: len(match.name), default=None)


def _naming_fields(item: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, field in item.items():
        if name_key(str(key)) in _NAMING_FIELDS or name_key(str(key)).endswith("name"):
            text = text_of(field, str(key)) or (str(field) if type(field) is int else "")
            if text:
                yield str(key), text.removeprefix("/")
        elif name_key(str(key)) in FIELD_OBJECTS and isinstance(field, Mapping):
            yield from ((f"{key}.{inner}", text) for inner, text in _naming_fields(field))


def _match_by_filter(step: Step, item: Mapping[str, object], id: object, sentence: UserSentence) -> ItemMatch | None:
    """Return the only item of a list that was filtered by a text of the user's."""
    if step.call.effect is not Effect.READ or len(list(answer_items(step))) != 1:
        return None
    schemas = step.call.tool.input_schema.get("properties", {})
    for argument, value in step.call.arguments.items():
        location = step.call.tool.places.get(argument, ("body", argument))[0]
        schema = schemas.get(argument, {})
        # An id in the path or a choice selects many items alike, and names none.
        if location == "path" or not isinstance(value, str) or "enum" in schema or not any(map(str.isalpha, value)):
            continue
        if mention := sentence.find_mention(value):
            return ItemMatch(item=item, id=id, name=name_of(item), mention=mention)
    return None


def _overlaps(first: ItemMatch, second: ItemMatch) -> bool:
    """Return whether the same words name both; words of a longer name do not name the shorter one inside."""
    if first.mention.end <= second.mention.start or second.mention.end <= first.mention.start:
        return False
    return len(second.mention.words) >= len(first.mention.words)


def _has_value(item: Mapping[str, object], argument: str, value: object) -> bool:
    last_key = name_key(argument.rpartition(".")[2])
    field = field_at(item, argument)
    if field is None:
        fields = {name_key(str(key)): field_value for key, field_value in item.items()}
        field = fields.get(last_key) if "." not in argument else None
        if field is None and last_key in _REVISION_NAMES:
            field = next((field_value for key, field_value in fields.items() if key in _REVISION_NAMES), None)
    return field == value or (isinstance(field, list) and value in field)


_POINTING_CLAUSE = lexicon.pattern("changes/words", "pointing_clause", re.IGNORECASE)

# A bare agreement, which is about the change of the question before.
_CONFIRMATION = lexicon.pattern("changes/words", "confirmation", re.IGNORECASE)
MAX_LEAVES = 400
"""Values of one call that are traced; those behind count as said by nobody, so that the change asks."""


def _select_clause(call: Call, account: Account, text: str) -> Account:
    """Return the account with one clause of `text` as its sentence, the clause with the call's words.

    `pause A and delete B` is two commands, each with its own verb. In `find A and pause it` the second clause is
    the command, and the words for A have no position in it. A sentence that asks, rules out or makes a condition stays
    whole.
    """
    full_account = replace(account, sentence=text)
    clauses = split_clauses(text)
    if len(clauses) < 2 or any(True for check in SENTENCE_CHECKS for _ in check(build_case(call, full_account, text))):
        return full_account
    clause_numbers = {
        number
        for number, (start, end) in enumerate(clauses)
        for source in account.sources
        if start <= source.start < end
    }
    if len(clause_numbers) != 1:
        return full_account
    (number,) = clause_numbers
    start, end = clauses[number]
    if number + 1 < len(clauses) and command_intent(text[start:end]) is Intent.READ:
        following = text[slice(*clauses[number + 1])]
        if _POINTING_CLAUSE.fullmatch(following.strip()):
            start, end = clauses[number + 1]
    sources = tuple(_shift_sources(account.sources, start, end))
    return replace(account, sources=sources, sentence=text[start:end])


def _shift_sources(sources: Iterable[ValueSource], start: int, end: int) -> Iterable[ValueSource]:
    """Yield sources with positions in a clause; those outside of it have none (-1)."""
    for source in sources:
        is_inside = start <= source.start < end
        yield (
            replace(source, start=source.start - start, end=source.end - start)
            if is_inside
            else replace(source, start=-1, end=-1)
        )


def trace_call(
    call: Call, conversation: Conversation, round_steps: tuple[Step, ...] = (), *, today: date | None = None
) -> Account:
    """Return the account of `call`; `round_steps` are those of the current round so far.

    A value counts as said where a message of the user has it as whole words, in the forms that people write: $50 for
    50000000 micros, `paused` for PAUSED, tomorrow for a date. Any other value is from an answer, or from nobody. Days
    are relative to `today`, by default this machine's.
    """
    conversation = _without_confirmation(conversation)
    steps = (*(step for turn in conversation.turns for step in turn.steps), *round_steps)
    leaves = tuple(_leaves(call))
    day = today or date.today()
    tracer = _Tracer(
        call=call,
        sentences=tuple(UserSentence(text=turn.question, today=day) for turn in reversed(conversation.turns)),
        known_values=conversation.known_values,
        steps=steps,
        sibling_values=frozenset(str(leaf.value).lower() for leaf in leaves),
    )
    sources = tracer.sources(leaves[:MAX_LEAVES])
    sources += tuple(_build_source(leaf, Origin.NOBODY) for leaf in leaves[MAX_LEAVES:])
    current = (*conversation.current.steps, *round_steps)
    used_sources = (*sources, *(source for step in current for source in tracer.step_sources(step)))
    sentence = tracer.sentences[0]
    unused_texts = unused_values(sentence, call, split_clauses(sentence.text), used_sources, sources)
    # An answer may have told a model what to plan.
    answered = any(step.result is not None for step in steps)
    account = Account(sources=sources, unused=unused_texts, traced=True, answered=answered)
    return _select_clause(call, account, conversation.question)


def _without_confirmation(conversation: Conversation) -> Conversation:
    """Return the conversation without a last bare `yes, do it`, so that the question before is the current one."""
    *earlier, current = conversation.turns
    if not earlier or not _CONFIRMATION.fullmatch(current.question):
        return conversation
    merged = replace(earlier[-1], rounds=(*earlier[-1].rounds, *current.rounds))
    return _without_confirmation(replace(conversation, turns=(*earlier[:-1], merged)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """A value that is not an object or list, or an empty one, with its schema in the description."""

    argument: str
    value: Any
    schema: Mapping[str, Any]


def _leaves(call: Call) -> Iterator[_Leaf]:
    for name, value in call.arguments.items():
        if name not in call.tool.places and name not in call.tool.input_schema.get("properties", {}):
            yield _Leaf(argument=name, value=name, schema={})
        if name == key_argument(call.tool):
            continue  # which try it is says nothing of the change, and one that a model made up is not sent
        yield from _nested_leaves(call, name, value, argument_schema(call.tool, name))


def _nested_leaves(call: Call, argument: str, value: object, schema: Mapping[str, object]) -> Iterator[_Leaf]:
    spec = call.tool.operation.spec
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            inner = property_schema(spec, schema, str(key))
            # A key that the description does not have is free text of the model, and is traced like a value.
            if not inner and name_key(str(key)) != name_key(argument.rpartition(".")[2]):
                yield _Leaf(argument=f"{argument}.{key}", value=str(key), schema={})
            yield from _nested_leaves(call, f"{argument}.{key}", item, inner)
    elif isinstance(value, list | tuple) and value:
        # Each entry is traced alone: of three recipients two may be the user's.
        items = spec.follow(schema.get("items", {})) if isinstance(schema, Mapping) else {}
        for item in value:
            yield from _nested_leaves(call, argument, item, items if isinstance(items, Mapping) else {})
    else:
        yield _Leaf(argument=argument, value=value, schema=schema if isinstance(schema, Mapping) else {})


def _build_source(
    leaf: _Leaf, origin: Origin, mention: Mention | None = None, *, current: bool = True, name: str = ""
) -> ValueSource:
    if mention is None:
        return ValueSource(argument=leaf.argument, value=leaf.value, origin=origin, name=name)
    start, end = (mention.start, mention.end) if current else (-1, -1)
    return ValueSource(
        argument=leaf.argument, value=leaf.value, origin=origin, words=mention.words, start=start, end=end, name=name
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracer:
    """The texts in which a call's values are traced. `sentences` are the user's messages, the current one first."""

    call: Call
    sentences: tuple[UserSentence, ...]
    known_values: Mapping[str, Any]
    steps: tuple[Step, ...]
    sibling_values: frozenset[str]

    def sources(self, leaves: Iterable[_Leaf]) -> tuple[ValueSource, ...]:
        """Return the source of each value; repeated values of an update come last, as they need its target."""
        sources = list(self._find_sources(leaves))
        # A PUT has to repeat every field, so that values copied from its own target are not a choice of the model.
        targets = [
            str(source.value)
            for _, source in sources
            if source.origin in TRUSTED_ORIGINS
            and self.call.tool.places.get(source.argument, ("body", ""))[0] == "path"
        ]
        return tuple(self._with_repetition(leaf, source, targets) for leaf, source in sources)

    def step_sources(self, step: Step) -> tuple[ValueSource, ...]:
        """Return the sources of an earlier call of the same question, for its use of the words."""
        leaves = list(_leaves(step.call))[:MAX_LEAVES]
        return tuple(source for leaf in leaves if (source := self._from_sentences(leaf)) is not None)

    def _find_sources(self, leaves: Iterable[_Leaf]) -> Iterator[tuple[_Leaf, ValueSource]]:
        worded: set[str] = set()
        for leaf in leaves:
            setting_source = self._from_known_values(leaf)
            # Words are of one argument: another one with the same value has it by its name.
            same_name = setting_source if str(leaf.value) in worded else None
            source = same_name or self._find_source(leaf, setting_source)
            worded |= {str(leaf.value)} if source.words else set()
            yield leaf, source

    def _find_source(self, leaf: _Leaf, setting_source: ValueSource | None) -> ValueSource:
        source = self._from_sentences(leaf) or setting_source or _described_source(leaf) or self._from_lookup(leaf)
        if source is not None:
            return source
        return _build_source(leaf, Origin.ANSWER if is_in_answers(leaf.value, self.steps) else Origin.NOBODY)

    def _from_sentences(self, leaf: _Leaf) -> ValueSource | None:
        for number, sentence in enumerate(self.sentences):
            match = self._find_mention(leaf, sentence)
            if match is not None:
                return _build_source(leaf, match[0], match[1], current=number == 0)
        return None

    def _find_mention(self, leaf: _Leaf, sentence: UserSentence) -> tuple[Origin, Mention] | None:
        """Return the words of a sentence for a value, in any of the forms that people write."""
        value = leaf.value
        if isinstance(value, bool) or _is_choice(leaf):
            choice = find_choice(leaf.argument, value, sentence)
            if choice is not None or isinstance(value, bool):
                return choice
        if isinstance(value, str):
            names = stems_of(leaf.argument)
            mention = (
                sentence.find_mention(value, names, self.sibling_values)
                or _currency_mention(leaf.argument, value, sentence)
                or find_day(value, sentence)
                or self._find_end(leaf, sentence)
            )
            if mention is not None and not (self._is_id(leaf) and has_other_case(value, mention.words)):
                return Origin.WORDS, mention
        if isinstance(value, str | int | float):
            return self._find_number(leaf, sentence)
        return None

    def _is_id(self, leaf: _Leaf) -> bool:
        return is_id_argument(self.call.tool.places.get(leaf.argument, ("body", leaf.argument.rpartition(".")[2])))

    def _find_end(self, leaf: _Leaf, sentence: UserSentence) -> Mention | None:
        """Return the duration that leads from the start, which the sentence says, to an end: for one hour."""
        name = leaf.argument.lower()
        starts = (key for key in self.call.arguments if key.lower() == name.replace("end", "start", 1) != name)
        start = self.call.arguments.get(next(starts, ""))
        if not isinstance(start, str) or find_day(start, sentence) is None:
            return None
        return find_duration(start, str(leaf.value), sentence)

    def _find_number(self, leaf: _Leaf, sentence: UserSentence) -> tuple[Origin, Mention] | None:
        read = read_unit(leaf.argument.rpartition(".")[2], [leaf.schema])
        unit = read.name if read is not None and read.name in SCALES else ""
        description = f"{' '.join(split_words(leaf.argument))} {leaf.schema.get('description', '')}"
        # `web-2` and `v1.2` have figures and are not numbers.
        if isinstance(leaf.value, str) and not re.match(r"\W{0,3}\d", leaf.value):
            return None
        for number in find_numbers(sentence):
            if equals_number(leaf.value, number, unit, description):
                return Origin.WORDS, number.mention
        return None

    def _from_known_values(self, leaf: _Leaf) -> ValueSource | None:
        """Return the source of a value that the user set by name, or in a reply."""
        top, *nested_path = leaf.argument.split(".")
        keys = {name_key(leaf.argument), name_key(top) if not nested_path else name_key(leaf.argument)}
        for name, value in self.known_values.items():
            if name_key(name) in keys and _equals(value, leaf.value):
                return _build_source(leaf, Origin.REPLY if is_remembered(self.known_values, name) else Origin.SETTING)
        setting = self.known_values.get(top)
        if (
            nested_path
            and isinstance(setting, Mapping | list)
            and any(_equals(item, leaf.value) for item in plain_values(setting))
        ):
            return _build_source(leaf, Origin.REPLY if is_remembered(self.known_values, top) else Origin.SETTING)
        return None

    def _from_lookup(self, leaf: _Leaf) -> ValueSource | None:
        if not isinstance(leaf.value, str | int) or leaf.value == "":
            return None
        for number, sentence in enumerate(self.sentences):
            match = find_match(leaf.argument, leaf.value, self.call, self.steps, sentence)
            if match is not None:
                return _build_source(leaf, Origin.LOOKUP, match.mention, current=number == 0, name=match.name)
        return None

    def _with_repetition(self, leaf: _Leaf, source: ValueSource, targets: Iterable[str]) -> ValueSource:
        if source.origin is not Origin.ANSWER:
            return source
        name = find_repeated_item(leaf.argument, leaf.value, self.call, self.steps, targets)
        return _build_source(leaf, Origin.LOOKUP, name=name) if name else source


def _is_choice(leaf: _Leaf) -> bool:
    """Return whether a value is one of a closed list, or the state of an item."""
    last = split_words(leaf.argument)[-1:]
    return isinstance(leaf.value, str) and ("enum" in leaf.schema or last in (["status"], ["state"]))


def _described_source(leaf: _Leaf) -> ValueSource | None:
    """Return the source of a value that the description has: a constant, a default, the only choice."""
    schema = leaf.schema
    fixed_values = [schema[key] for key in ("const", "default") if key in schema]
    choices = schema.get("enum")
    fixed_values += choices if isinstance(choices, list) and len(choices) == 1 else []
    if any(_equals(fixed_value, leaf.value) for fixed_value in fixed_values):
        return _build_source(leaf, Origin.DESCRIPTION)
    return None


def _currency_mention(argument: str, value: str, sentence: UserSentence) -> Mention | None:
    """Return the figure whose currency has this code: EUR for 49.99 €."""
    if value not in CURRENCIES.values() or stem("currency") not in map(stem, split_words(argument)):
        return None
    return next((figure.mention for figure in find_numbers(sentence) if figure.currency == value), None)


def _equals(first: object, second: object) -> bool:
    return first == second or (
        str(first) == str(second) and not isinstance(first, bool) and not isinstance(second, bool)
    )
