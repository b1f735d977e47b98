"""Says what operations are about as people do: the things, what one does with them, and the words for each area."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from nlapi.english import lexicon
from nlapi.english.intents import IMPERATIVES, PLAIN_VERBS, STOPWORDS, VERBS
from nlapi.english.word_similarity import rarity
from nlapi.english.words import plural, singular, split_words, stem, stems_of
from nlapi.openapi.spec import READ_METHODS, Operation, Spec, as_list, as_map
from nlapi.plugin.markdown import inert_line
from nlapi.resources.answers import answer_schemas
from nlapi.resources.effect_arguments import VerbForm, parse_verb
from nlapi.resources.nouns import VERSION, noun_of, singular_noun
from nlapi.resources.paths import segments
from nlapi.resources.semantics import OperationKind, OperationSemantics, Semantics, semantics_of
from nlapi.tools.compile import compile_tool
from nlapi.tools.search.areas import Area
from nlapi.tools.tool import Tool

# Stems that tell no area of an API from another: those of lists, ids, formats and bookkeeping.
_COMMON_STEMS = lexicon.stems("plugin/words", "of_any_area")
# Share of the areas that have a word from which on it tells none of them.
MAX_AREA_SHARE = 0.3
MAX_PROPERTIES = 40
MAX_PHRASE = 2
# Rarity in English above which a word is one of programs, and not of people: `gte`, `ias`, `jitconfig`.
MAX_RARITY = 0.97
# A long word that the table does not have is one of the field (`salesforce`, `tagline`), a short one an abbreviation.
MIN_LONG = 6
# How much a word of an inner object, of a value and of a summary counts, next to a field of the thing itself.
_INNER_WEIGHT, _VALUE_WEIGHT, _SUMMARY_WEIGHT = 0.4, 1.0, 0.2
MAIN_WEIGHT = 3.0
MAX_SUMMARY = 100
# Rarity below which a word of a sentence is one of any sentence: another, back, see.
MIN_SUMMARY_RARITY = 0.5
# Names of arguments whose values are what is set off; and of such whose values every thing has.
_COMMANDS = (["type"], ["action"], ["event"])
_STATES = (["status"], ["statuses"], ["state"], ["states"])
_PLAIN_WORD = re.compile(r"[a-z]{3,24}")


class Keywords:
    """The words that distinguish each area of an API from the others."""

    def __init__(self, areas: Sequence[Area], main: Collection[Operation]) -> None:
        """Read the operations; those in `main` are about the first thing of their area, and count more."""
        self._phrases: dict[str, dict[str, float]] = {}
        for area in areas:
            weights: dict[str, float] = {}
            for operation in area.operations:
                factor = MAIN_WEIGHT if operation in main else 1.0
                for phrase, weight in _operation_phrases(operation).items():
                    weights[phrase] = weights.get(phrase, 0.0) + factor * weight
            self._phrases[area.slug] = weights
        self._areas = Counter(
            root
            for weights in self._phrases.values()
            for root in {stem(word) for phrase in weights for word in phrase.split()}
        )

    def of(self, area: Area, used_text: str) -> list[str]:
        """Return the phrases of an area that few others have, most telling first, each with a new word."""
        total = len(self._phrases)
        scores = {
            phrase: math.log(1 + weight) * min(self._telling(word, total) for word in phrase.split())
            for phrase, weight in self._phrases[area.slug].items()
        }
        known_stems = set(stems_of(used_text))
        chosen = []
        for phrase in sorted(scores, key=lambda phrase: (-scores[phrase], phrase)):
            roots = {stem(word) for word in phrase.split()}
            if scores[phrase] > 0 and not roots & known_stems:
                chosen.append(phrase)
                known_stems |= roots
        return chosen

    def _telling(self, word: str, total: int) -> float:
        """Return how much a word tells of an area: nothing where half of them have it."""
        count = self._areas[stem(word)]
        return math.log(1 + total / count) if count <= max(1, total * MAX_AREA_SHARE) else 0.0


def _operation_phrases(operation: Operation) -> dict[str, float]:
    """Return the phrases of an operation with their weights, each once."""
    weights: dict[str, float] = {}
    for phrase, weight in _weighted_phrases(operation):
        if phrase:
            weights[phrase] = max(weight, weights.get(phrase, 0.0))
    return weights


def _weighted_phrases(operation: Operation) -> Iterator[tuple[str, float]]:
    tool = compile_tool(operation)
    for name, (location, _) in tool.places.items():
        if location == "query":
            yield _phrase(name), 1.0
        # What is asked of a report is a value: impressions, spend, age.
        if operation.method in READ_METHODS and split_words(name)[-1:] not in _STATES:
            values = value_choices(tool, argument_definition(tool, name))
            yield from ((_phrase(value), _VALUE_WEIGHT) for value in values)
    for path, field in body_fields(operation):
        name = path.rpartition(".")[2]
        yield _phrase(name), 1.0
        # What is set off is a value as well: reboot, resize.
        if split_words(name)[-1:] in _COMMANDS:
            yield from ((_phrase(value), _VALUE_WEIGHT) for value in value_choices(tool, field))
        properties = answer_schemas(operation.spec).reader.properties(field)
        yield from ((_phrase(inner), _INNER_WEIGHT) for inner in list(properties)[:MAX_PROPERTIES])
    for word in _plain_words(split_words(operation.summary[:MAX_SUMMARY])):
        if rarity(stem(word)) >= MIN_SUMMARY_RARITY:
            yield word, _SUMMARY_WEIGHT


def body_fields(operation: Operation) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the fields of a body by path, of one that is a single object ({"data": {...}}) those of the object."""
    tool = compile_tool(operation)
    reader = answer_schemas(operation.spec).reader
    names = [name for name, (location, _) in tool.places.items() if location == "body"]
    for name in names:
        field = argument_definition(tool, name)
        inner = reader.properties(field) if len(names) == 1 else {}
        prefix = f"{name}." if tool.places[name][1] else ""
        yield from ((f"{prefix}{key}", as_map(value)) for key, value in inner.items())
        if not inner and prefix:
            yield name, field


def _phrase(name: str) -> str:
    """Return what a person says of a field: `bid_micro_amount` is a bid amount; "" where it is a word of programs."""
    words = split_words(name)
    plain = _plain_words(words)
    rest = [word for word in words if word not in plain and stem(word) not in _COMMON_STEMS]
    return "" if rest or len(plain) > MAX_PHRASE else " ".join(plain)


def _plain_words(words: Iterable[str]) -> list[str]:
    return [
        word
        for word in words
        if _PLAIN_WORD.fullmatch(word)
        and word not in STOPWORDS
        and stem(word) not in _COMMON_STEMS
        and (rarity(stem(word)) <= MAX_RARITY or len(word) >= MIN_LONG)
    ]


def value_choices(tool: Tool, schema: Mapping[str, object]) -> list[str]:
    """Return the texts that a value may be, or the items of its list."""
    items = definition(tool, schema.get("items"))
    values = [*as_list(schema.get("enum")), *as_list(items.get("enum"))]
    return [value for value in values if isinstance(value, str)][:MAX_PROPERTIES]


def argument_definition(tool: Tool, name: str) -> Mapping[str, object]:
    """Return the schema of an argument, of a reference that of its target."""
    return definition(tool, tool.input_schema["properties"].get(name))


def definition(tool: Tool, schema: object) -> Mapping[str, object]:
    """Return a schema of a tool, of a reference that of its target."""
    node = as_map(schema)
    target = str(node.get("$ref", "")).rpartition("/")[2]
    return {**as_map(as_map(tool.input_schema.get("$defs")).get(target)), **node} if target else node


_LISTS = frozenset((OperationKind.LIST, OperationKind.READ))
_CHANGES = frozenset((OperationKind.MERGE, OperationKind.REPLACE))
_REMOVALS = frozenset((OperationKind.DELETE, OperationKind.CLEAR))
# What one does most with a thing, in this order.
_KIND_VERBS = (
    (frozenset((OperationKind.CREATE,)), "create"),
    (_LISTS, "find"),
    (_CHANGES, "change"),
    (_REMOVALS, "remove"),
)
# Stems of words for reading what has been counted: such reads come before what is done seldom.
_REPORT_STEMS = lexicon.stems("plugin/words", "report_stems")
# The verbs of HTTP and of bare identifiers say nothing: POST /disputes/{dispute} changes a dispute.
_BARE_VERBS = frozenset("get post put patch head http do api".split())
# Words of summaries before or behind the noun: `Get multiple tasks`, `Get Campaign by ID`.
_NOUN_ENDS = lexicon.words("plugin/words", "noun_ends")
_ADJECTIVES = frozenset("multiple all new existing single specific certain list current full given several".split())
_MAX_PHRASE = 3
MAX_STATES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A kind of thing that operations are about, and them with what they do, in the order of their use.

    `key` is the noun of their path (`pull`), `noun` that of people in the singular (`pull request`), `name` as one
    speaks of them (`pull requests`, `change history`).
    """

    key: str
    noun: str
    name: str
    operations: tuple[tuple[str, Operation], ...]

    @property
    def verbs(self) -> list[str]:
        """What one does with it, each once, the usual first: `merge` goes before `update branch`."""
        return sorted(dict.fromkeys(verb for verb, _ in self.operations if verb), key=lambda verb: " " in verb)

    @property
    def weight(self) -> float:
        """How much of an area it is: what can be created and changed goes before what can only be read."""
        depth = min(operation.path.count("/") for _, operation in self.operations)
        current = [operation for _, operation in self.operations if not operation.deprecated]
        return len({verb for verb in self.verbs if verb != "find"}) + math.log(1 + len(current)) - 0.5 * depth


class _SubjectIndex:
    """A cache of the subjects of operations of one Spec, as every text about an area asks for them."""

    def __init__(self, spec: Spec) -> None:
        self.semantics = semantics_of(spec)
        self.by_area: dict[tuple[tuple[Operation, ...], str], list[Subject]] = {}


def subjects(operations: Sequence[Operation], label: str = "") -> list[Subject]:
    """Return what operations are about, the most prominent first; before these what `label` names."""
    index = operations[0].spec.derive(_SubjectIndex)
    key = (tuple(operations), label)
    if key not in index.by_area:
        index.by_area[key] = _find_subjects(operations, label, index.semantics)
    return index.by_area[key]


def _find_subjects(operations: Sequence[Operation], label: str, semantics: Semantics) -> list[Subject]:
    members: dict[str, list[tuple[str, Operation]]] = {}
    for operation in operations:
        meaning = semantics.classify(operation)
        members.setdefault(_key(meaning), []).append((_verb(meaning, semantics), operation))
    matches = [_subject(key, pairs, semantics) for key, pairs in members.items() if key]
    named = stems_of(label)
    weights = {subject.key: subject.weight for subject in matches}
    return sorted(matches, key=lambda subject: (not _is_named(subject, named), -weights[subject.key]))


def _subject(key: str, pairs: Sequence[tuple[str, Operation]], semantics: Semantics) -> Subject:
    noun = _noun(key, [operation for _, operation in pairs], semantics)
    is_kind = any(semantics.classify(operation).kind is not OperationKind.COMPUTE for _, operation in pairs)
    name = plural_noun(noun) if is_kind else _path_words(pairs[0][1], noun)
    usual = sorted(pairs, key=lambda pair: _usage_rank(semantics.classify(pair[1]).kind))
    return Subject(key=key, noun=noun, name=name, operations=tuple(usual))


def _usage_rank(kind: OperationKind) -> int:
    """Return the place of a kind of operation among what one does most: create, find, change, remove."""
    return next((place for place, (kinds, _) in enumerate(_KIND_VERBS) if kind in kinds), len(_KIND_VERBS))


def _path_words(operation: Operation, noun: str) -> str:
    """Return the last literal segment of a path where it ends in the noun: `change history` and not `history`."""
    literals = [segment.text for segment in segments(operation.route) if not segment.parameter]
    text = " ".join(split_words(literals[-1])) if literals else ""
    return inert_line(text, 40) if text.endswith(noun[-4:]) or not noun else " ".join(noun_of(operation)) or noun


def _is_named(subject: Subject, stems: Collection[str]) -> bool:
    """Return whether a label has the words of a subject: `ad-sets` are ad sets, `pulls` pull requests."""
    words = {stem(word) for word in subject.key.split()}
    return bool(words) and words <= set(stems)


def _key(meaning: OperationSemantics) -> str:
    """Return the noun of an operation in the singular: of its thing, else of its path."""
    if meaning.resource is not None and not meaning.resource.is_singleton and meaning.resource.label:
        return meaning.resource.label
    words = list(singular_noun(meaning.operation))
    # An id such as registry_get has a verb behind the noun.
    while len(words) > 1 and stem(words[-1]) in PLAIN_VERBS:
        words.pop()
    is_noun = bool(words) and words[-1] not in _NOUN_ENDS and words[-1] not in STOPWORDS
    return " ".join(words) if is_noun else ""


def _verb(meaning: OperationSemantics, semantics: Semantics) -> str:
    """Return what an operation does in a word or three: create, find, publish, mark uncollectible."""
    api_verb = _own_verb(meaning.operation)
    for kinds, verb in _KIND_VERBS:
        if meaning.kind in kinds:
            is_said = kinds not in (_LISTS, _CHANGES) and stem(api_verb) in VERBS
            return api_verb if is_said else verb
    if meaning.kind is OperationKind.COMPUTE:
        is_report = not _REPORT_STEMS.isdisjoint(stems_of(f"{meaning.operation.id} {meaning.verb}"))
        return "report" if is_report else api_verb if stem(api_verb) not in PLAIN_VERBS else "find"
    return _act(meaning, api_verb)


def _act(meaning: OperationSemantics, api_verb: str) -> str:
    """Return what an operation does by the end of its path, and by the verb of its summary or id."""
    words = [word for word in split_words(meaning.verb) if not VERSION.fullmatch(word)]
    first = "".join(words[:1])
    is_same_verb = not api_verb or stem(api_verb) == stem(first)
    if is_same_verb and len(words) <= _MAX_PHRASE and first not in _BARE_VERBS and _is_base(first):
        return " ".join(words)
    if not api_verb or first in _BARE_VERBS:
        return "change"
    # `suspend suspended` and `mark notifications` of notifications say one thing twice.
    used_stems = {stem(api_verb), *map(stem, _key(meaning).split())}
    is_said = not words or stem(words[-1]) in used_stems
    return api_verb if is_said else f"{api_verb} {' '.join(words[-2:])}".strip()


def _own_verb(operation: Operation) -> str:
    """Return the verb that a summary or an id begins with; "" without one."""
    for text in (operation.summary, re.split(r"[/.]", operation.id)[-1]):
        words = split_words(text[:60])
        if words and words[0] not in _BARE_VERBS and _is_verb(words[0]):
            verb = parse_verb(words[0])
            return verb.base if verb is not None and verb.form is VerbForm.THIRD else words[0]
    return ""


def _is_verb(word: str) -> bool:
    verb = parse_verb(word)
    return _is_base(word) or (verb is not None and verb.form is VerbForm.THIRD)


def _is_base(word: str) -> bool:
    """Return whether a word is a verb as one commands: `pause`, and neither `drafts` nor `suspended`."""
    verb = parse_verb(word)
    is_known = stem(word) in VERBS or stem(word) in IMPERATIVES
    return verb.form is VerbForm.BASE if verb is not None else is_known and singular(word) == word


def _noun(key: str, operations: Sequence[Operation], semantics: Semantics) -> str:
    """Return the noun as summaries have it (pull request), where two of them do; else that of the path (pull)."""
    usual = [
        operation
        for operation in operations
        if semantics.classify(operation).kind not in (OperationKind.ACT, OperationKind.COMPUTE)
    ]
    phrases = Counter(filter(None, map(_object_phrase, usual)))
    if key in phrases:
        return inert_line(key, 40)
    head = stem(key.split()[-1])
    best = next((phrase for phrase, count in phrases.most_common(3) if count > 1 and _shares(phrase, head)), "")
    return inert_line(best or key, 40)


def _shares(phrase: str, head: str) -> bool:
    """Return whether a phrase is another form of a noun: repository of repo, pull request of pull."""
    stems = [stem(word) for word in phrase.split()]
    return any(part.startswith(head) or head.startswith(part) or part.endswith(head) for part in stems)


def _object_phrase(operation: Operation) -> str:
    """Return the object of a summary in the singular: `List pull requests for a repository` -> pull request."""
    words = [word for word in split_words(operation.summary[:80]) if word not in ("a", "an", "the", "your", "s")]
    if not _is_verb("".join(words[:1])):
        return ""
    noun = [word for word in takewhile(lambda word: word not in _NOUN_ENDS, words[1:]) if word not in _ADJECTIVES]
    return " ".join([*noun[:-1], singular(noun[-1])]) if noun and len(noun) <= _MAX_PHRASE else ""


def plural_noun(noun: str) -> str:
    head, _, last = noun.rpartition(" ")
    return f"{head} {plural(last) if last.isalpha() else last}".strip()


def states(subject: Subject) -> list[tuple[str, Operation, str, object]]:
    """Return the verbs that set a state of a thing: (pause, its change, argument, value), by its enums and switches."""
    matches: dict[str, tuple[str, Operation, str, object]] = {}
    for verb, operation in subject.operations:
        if verb == "change":
            tool = compile_tool(operation)
            for name in (name for name, (location, _) in tool.places.items() if location == "body"):
                for value in _state_values(name, argument_definition(tool, name)):
                    if state_verb := _state_verb(str(name if value is True else value)):
                        matches.setdefault(state_verb, (state_verb, operation, name, value))
    return list(matches.values())[:MAX_STATES]


def person_verbs(subject: Subject) -> list[str]:
    """Return the verbs that put a person into a field: `assignee` -> assign."""
    names = [name for verb, operation in subject.operations if verb == "change" for name, _ in body_fields(operation)]
    words = [singular(word) for name in names for word in split_words(name.rpartition(".")[2])[-1:]]
    return list(dict.fromkeys(word[:-2] for word in words if word.endswith("ee") and _is_base(word[:-2])))


def _state_verb(state: str) -> str:
    """Return the verb that leads to a state: PAUSED -> pause, OFF -> turn off; "" without one."""
    if state.lower() in ("on", "off"):
        return f"turn {state.lower()}"
    word = parse_verb(state.lower())
    return word.base if word is not None and word.form is VerbForm.PAST and stem(word.base) not in PLAIN_VERBS else ""


def _state_values(name: str, schema: Mapping[str, object]) -> Iterable[object]:
    if schema.get("type") == "boolean":
        return (True,)
    words = split_words(name)
    values = [value for value in as_list(schema.get("enum")) if isinstance(value, str)]
    is_state = bool(words) and words[-1] in ("state", "status")
    return values if is_state or {value.lower() for value in values} == {"on", "off"} else ()


def areas_by_use(areas: Sequence[Area]) -> tuple[Area, ...]:
    """Return areas with the operations of each group in the order of their use."""
    return tuple(
        replace(
            area,
            groups=tuple(replace(group, operations=_by_use(group.operations, group.label)) for group in area.groups),
        )
        for area in areas
    )


def _by_use(operations: Sequence[Operation], label: str) -> tuple[Operation, ...]:
    """Return operations by subject, of each in the order create, find, change, remove; deprecated ones last."""
    order = [operation for subject in subjects(operations, label) for _, operation in subject.operations]
    listed = set(order)
    everything = [*order, *(operation for operation in operations if operation not in listed)]
    return tuple(sorted(everything, key=lambda operation: operation.deprecated))
