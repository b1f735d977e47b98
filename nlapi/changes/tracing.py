"""Traces each value of a call that a model wrote to the user, to an answer, or to nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

from nlapi.changes.lookups import (
    find_match,
    find_prefix_match,
    find_repeated_item,
    find_same_field,
    find_superlative_match,
    has_answers,
    is_in_answers,
)
from nlapi.changes.mentions import Mention, SentenceWord, UserSentence, has_other_case
from nlapi.changes.sentences import (
    build_case,
    check_condition,
    check_is_command,
    check_negation,
    commanded_length,
    opening_length,
)
from nlapi.changes.value_mentions import (
    CURRENCIES,
    equals_number,
    find_choice,
    find_day,
    find_duration,
    find_numbers,
    parse_number,
)
from nlapi.english.words import name_key, singular, split_words, stem
from nlapi.openapi.hints import SCALES
from nlapi.resources.lexicon import is_verb, parse_command
from nlapi.resources.naming import STOPWORDS, VERBS, Intent
from nlapi.resources.nouns import is_id_argument
from nlapi.tools.arguments import argument_schema, property_schema
from nlapi.tools.idempotency import key_argument
from nlapi.tools.plan import Conversation, Step, is_remembered
from nlapi.tools.tool import TRUSTED_ORIGINS, Account, Call, Origin, ValueSource
from nlapi.tools.unit_evidence import read_unit

# The start of another command: a conjunction or a stop before a verb.
_CLAUSE_START = re.compile(r"(?:,?\s+(?:and then|and|then)\s+|\s*;\s*|\.\s+|,\s+)(?=(?:please\s+|also\s+)?([A-Za-z]+))")

# Checks whose words are about all clauses, at any position: `pause A and delete B, but not yet`.
_SENTENCE_CHECKS = (check_is_command, check_negation, check_condition)
# A clause that only points to an earlier one: `pause it`.
_POINTING_CLAUSE = re.compile(r"\W*[A-Za-z]+ (?:it|them|that|this|that one|this one|those)\b[^,;]*", re.IGNORECASE)

# A bare agreement, which is about the change of the question before.
_CONFIRMATION = re.compile(
    r"\W*(?:(?:yes|yeah|yep|ok|okay|sure|please|do (?:it|that|so)|go ahead|go on|confirm(?:ed)?|send it|i agree)\W*)+",
    re.IGNORECASE,
)
MAX_LEAVES = 400
"""Values of one call that are traced; those behind count as said by nobody, so that the change asks."""


def _find_unused_words(
    sentence: UserSentence, call: Call, used_sources: Iterable[ValueSource], call_sources: Iterable[ValueSource]
) -> tuple[str, ...]:
    """Return the quoted texts, numbers, ids and names that no source in `used_sources` has, as they are written.

    A clause that begins with a verb of its own, and of which `call_sources` have no word, is another change with its
    own values.
    """
    spans = [(source.start, source.end) for source in used_sources if source.start >= 0]
    call_spans = [(source.start, source.end) for source in call_sources if source.start >= 0]
    call_stems = _call_stems(call)
    clauses = _split_clauses(sentence.text)
    unrelated_clauses = (
        [span for span in clauses[1:] if not _overlaps_any(span, call_spans)]
        if _overlaps_any(clauses[0], call_spans)
        else []
    )
    unrelated_clauses += (
        [clauses[0]] if call_spans and len(clauses) > 1 and not _overlaps_any(clauses[0], call_spans) else []
    )
    unused = []
    for index, word in enumerate(sentence.words):
        if _overlaps_any((word.start, word.end), spans) or _overlaps_any((word.start, word.end), unrelated_clauses):
            continue
        if _is_value_word(word, index, call_stems):
            unused.append(word.text)
    return tuple(dict.fromkeys(unused))


def _is_value_word(word: SentenceWord, index: int, call_stems: frozenset[str]) -> bool:
    """Return whether a word is a value: quoted, with a figure in it, or written as a name."""
    if word.is_quoted:
        return any(map(str.isalnum, word.text))
    lower = word.text.lower().removesuffix("'s")
    if any(map(str.isdigit, lower)):
        return parse_number(word) is not None or len(lower) > 1
    if lower in STOPWORDS or not any(map(str.isalpha, lower)):
        return False
    if re.search(r"\w[@/:._-]\w", word.text) or word.text[0] in "#@":
        return not {stem(piece) for piece in split_words(lower)} <= call_stems
    stems = {stem(piece) for piece in split_words(lower)}
    # A capital at the start of a sentence, or of the verb behind `Please`, is no mark of a name.
    is_name = word.text[:1].isupper() and index > 0 and word.text not in ("I", "API", "PM", "AM")
    return is_name and not stems <= call_stems and not (is_verb(stem(lower)) and index <= 1)


def _call_stems(call: Call) -> frozenset[str]:
    """Return the stems of the names of the operation, its API and its arguments."""
    operation = call.tool.operation
    names = (operation.id, operation.summary, operation.path, *operation.tags, operation.spec.title, *call.tool.places)
    words = {piece for name in names for piece in split_words(name)}
    return frozenset(stem(form) for word in words for form in (word, singular(word)))


def _split_clauses(text: str) -> list[tuple[int, int]]:
    """Return the positions of the clauses of a text that begin with a verb of their own."""
    matches = _CLAUSE_START.finditer(text, 0, commanded_length(text))
    cuts = [match.end() for match in matches if is_verb(stem(match[1].lower()))]
    return list(pairwise([0, *cuts, len(text)]))


def _overlaps_any(span: tuple[int, int], spans: Iterable[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in spans)


def _select_clause(call: Call, account: Account, text: str) -> Account:
    """Return the account with one clause of `text` as its sentence, the clause with the call's words.

    `pause A and delete B` is two commands, each with a verb of its own. In `find A and pause it` the second clause is
    the command, and the words for A have no position in it. A sentence that asks, rules out or makes a condition stays
    whole.
    """
    full_account = replace(account, sentence=text)
    clauses = _split_clauses(text)
    if len(clauses) < 2 or any(True for check in _SENTENCE_CHECKS for _ in check(build_case(call, full_account, text))):
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
    if number + 1 < len(clauses) and _is_read(text[start:end]):
        following = text[slice(*clauses[number + 1])]
        if _POINTING_CLAUSE.fullmatch(following.strip()):
            start, end = clauses[number + 1]
    sources = tuple(_shift_sources(account.sources, start, end))
    return replace(account, sources=sources, sentence=text[start:end])


def _is_read(clause: str) -> bool:
    return VERBS.get(parse_command(clause[opening_length(clause) :].lower().split())[0]) is Intent.READ


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
    tracer = _Tracer(
        call=call,
        sentences=tuple(UserSentence(text=turn.question) for turn in reversed(conversation.turns)),
        known_values=conversation.known_values,
        steps=steps,
        sibling_values=frozenset(str(leaf.value).lower() for leaf in leaves),
        today=today or date.today(),
    )
    sources = tracer.sources(leaves[:MAX_LEAVES])
    sources += tuple(_build_source(leaf, Origin.NOBODY) for leaf in leaves[MAX_LEAVES:])
    current = (*conversation.current.steps, *round_steps)
    used_sources = (*sources, *(source for step in current for source in tracer.step_sources(step)))
    unused_texts = _find_unused_words(tracer.sentences[0], call, used_sources, sources)
    account = Account(sources=sources, unused=unused_texts, traced=True, answered=has_answers(steps))
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
    """A value that is no object or list, or an empty one, with its schema in the description."""

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
            if not inner and not _is_argument_name(argument, str(key)):
                yield _Leaf(argument=f"{argument}.{key}", value=str(key), schema={})
            yield from _nested_leaves(call, f"{argument}.{key}", item, inner)
    elif isinstance(value, list | tuple) and value:
        # Each entry is traced alone: of three recipients two may be the user's.
        items = spec.follow(schema.get("items", {})) if isinstance(schema, Mapping) else {}
        for item in value:
            yield from _nested_leaves(call, argument, item, items if isinstance(items, Mapping) else {})
    else:
        yield _Leaf(argument=argument, value=value, schema=schema if isinstance(schema, Mapping) else {})


def _is_argument_name(argument: str, key: str) -> bool:
    return name_key(key) == name_key(argument.rpartition(".")[2])


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
    today: date

    def sources(self, leaves: Iterable[_Leaf]) -> tuple[ValueSource, ...]:
        """Return the source of each value; repeated values of an update come last, as they need its target."""
        sources = list(self._find_sources(leaves))
        # A PUT has to repeat every field, so that values copied from its own target are no choice of the model.
        targets = [
            str(source.value)
            for _, source in sources
            if source.origin in TRUSTED_ORIGINS and self._is_in_path(source.argument)
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
            named = setting_source if str(leaf.value) in worded else None
            source = named or self._find_source(leaf, setting_source)
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
            names = frozenset(map(stem, split_words(leaf.argument)))
            mention = (
                sentence.find_mention(value, names, self.sibling_values)
                or _currency_mention(leaf.argument, value, sentence)
                or find_day(value, sentence, self.today)
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
        if not isinstance(start, str) or find_day(start, sentence, self.today) is None:
            return None
        return find_duration(start, str(leaf.value), sentence)

    def _find_number(self, leaf: _Leaf, sentence: UserSentence) -> tuple[Origin, Mention] | None:
        read = read_unit(leaf.argument.rpartition(".")[2], [leaf.schema])
        unit = read.name if read is not None and read.name in SCALES else ""
        description = f"{' '.join(split_words(leaf.argument))} {leaf.schema.get('description', '')}"
        # `web-2` and `v1.2` have figures and are no numbers.
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
            and any(_equals(item, leaf.value) for item in _values(setting))
        ):
            return _build_source(leaf, Origin.REPLY if is_remembered(self.known_values, top) else Origin.SETTING)
        return None

    def _from_lookup(self, leaf: _Leaf) -> ValueSource | None:
        if not isinstance(leaf.value, str | int) or leaf.value == "":
            return None
        for number, sentence in enumerate(self.sentences):
            match = (
                find_match(leaf.argument, leaf.value, self.call, self.steps, sentence)
                or find_same_field(leaf.argument, leaf.value, self.call, self.steps, sentence)
                or find_prefix_match(leaf.argument, leaf.value, self.call, self.steps, sentence)
                or find_superlative_match(leaf.argument, leaf.value, self.call, self.steps, sentence)
            )
            if match is not None:
                return _build_source(leaf, Origin.LOOKUP, match.mention, current=number == 0, name=match.name)
        return None

    def _with_repetition(self, leaf: _Leaf, source: ValueSource, targets: Iterable[str]) -> ValueSource:
        if source.origin is not Origin.ANSWER:
            return source
        name = find_repeated_item(leaf.argument, leaf.value, self.call, self.steps, targets)
        return _build_source(leaf, Origin.LOOKUP, name=name) if name else source

    def _is_in_path(self, argument: str) -> bool:
        return self.call.tool.places.get(argument, ("body", ""))[0] == "path"


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


def _values(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item)
    else:
        yield value
