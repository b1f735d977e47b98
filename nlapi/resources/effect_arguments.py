"""Says what an argument makes of a call: `reset=true` changes something where the operation alone only reads.

Servers act on arguments of a GET too: changedetection.io mutes a watch by `GET /watch/{id}?muted=muted`. So the effect
of a call is the gravest of its operation's and its arguments' (docs/design/076-what-a-request-is.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from nlapi.english import lexicon
from nlapi.english.words import name_words, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Schema, Spec, as_list, as_map, as_text, gravest
from nlapi.resources.paths import Place, last_segment

_PARTICLES = lexicon.words("resources/words", "verb_particles")
_JOINING = lexicon.words("resources/words", "joining")


class Action(StrEnum):
    """The effect of a verb. A RISKY one computes in one API and changes something in another: verify, test, convert."""

    RETRIEVE = "retrieve"
    COMPUTE = "compute"
    RISKY = "risky"
    CHANGE = "change"


class VerbForm(StrEnum):
    """The grammatical form of a verb: search, searches, searching, searched."""

    BASE = "base"
    THIRD = "third"
    ING = "ing"
    PAST = "past"


_IRREGULAR = lexicon.table("resources/words", "irregular")

ACTIONS: dict[str, Action] = {
    verb: action
    for action in (Action.CHANGE, Action.RISKY, Action.COMPUTE, Action.RETRIEVE)
    for verb in lexicon.text("resources/words", action).split()
}
"""A verb in its base form -> its effect."""

VERB_NOUNS = lexicon.words("resources/words", "verb_nouns")
"""Verbs that are also nouns, or parts of names: only their position tells them apart."""

RESOURCE_NOUNS = lexicon.words("resources/words", "resource_nouns")
"""Verbs among VERB_NOUNS that name resources: `transfersGet` gets transfers, where `updateEstimate` updates."""

STRICT_VERBS = frozenset(verb for verb, action in ACTIONS.items() if action is Action.CHANGE) - VERB_NOUNS
"""Verbs of a change at any position in a name."""

VAGUE_VERBS = lexicon.words("resources/words", "vague")
"""Verbs that the text of a read may have: they are evidence of a change only as the operation's own verb."""

COMPUTATION_NOUNS = lexicon.words("resources/words", "computation_nouns")
"""Nouns of computations."""

RESULT_NOUNS = COMPUTATION_NOUNS | lexicon.words("resources/words", "result_nouns")
"""Nouns of results that are only computed or looked up."""

HANDING_OUT = lexicon.words("resources/words", "handing_out")
"""Verbs of a change that a GET may have all the same: it authorizes by a redirect, or generates a report."""

COMMANDS_OF_GET = VERB_NOUNS & frozenset(ACTIONS) - HANDING_OUT - lexicon.words("resources/words", "no_commands_of_get")
"""Verbs that are nouns too, of which a text says which: `Reset the counter` commands."""

_DESTROYING = lexicon.words("resources/words", "destroying")

RUN_VERBS = lexicon.words("resources/words", "run_verbs")
"""Verbs whose object decides: a query is run, and so is a job."""


_PREFIXES = lexicon.ordered("resources/words", "prefixes")


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb in one of its forms."""

    base: str
    form: VerbForm

    @property
    def action(self) -> Action:
        return ACTIONS[self.base]


def parse_verb(word: str) -> Verb | None:
    """Return the verb of a word in lower case, of a verb of change also behind a prefix: resends, unassign."""
    verb = _FORMS.get(word)
    if verb is not None:
        return verb
    for prefix in _PREFIXES if word.startswith(_PREFIXES) else ():
        inner = _FORMS.get(word.removeprefix(prefix)) if word.startswith(prefix) else None
        # Only with verbs of change: `research` is not a form of search.
        if inner is not None and inner.base in STRICT_VERBS:
            return inner
    return None


def is_strict(word: str) -> bool:
    """Return whether a word is the base form of a verb of change."""
    verb = parse_verb(word)
    return verb is not None and verb.form is VerbForm.BASE and verb.base in STRICT_VERBS


def _forms() -> Iterator[tuple[str, Verb]]:
    for base in ACTIONS:
        stem = base.removesuffix("e")
        third = f"{base}es" if re.search(r"(s|x|z|ch|sh)$", base) else f"{base}s"
        past, ing = f"{stem}ed", f"{stem}ing"
        if re.search(r"[^aeiou]y$", base):
            third, past = f"{base[:-1]}ies", f"{base[:-1]}ied"
        elif re.search(r"(^|[^aeiou])[aeiou][bdgklmnprt]$", base):
            yield f"{base}{base[-1]}ing", Verb(base, VerbForm.ING)
            yield f"{base}{base[-1]}ed", Verb(base, VerbForm.PAST)
        yield ing, Verb(base, VerbForm.ING)
        yield past, Verb(base, VerbForm.PAST)
        yield _IRREGULAR.get(base, past), Verb(base, VerbForm.PAST)
        yield third, Verb(base, VerbForm.THIRD)
        # Last of all: `set` and `read` are base forms and past forms, and dict() keeps the last.
        yield base, Verb(base, VerbForm.BASE)


_FORMS: dict[str, Verb] = dict(_forms())


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """The effect that a name or a text speaks of.

    `word` is the word with that meaning; `leading` is whether it is the verb, and no noun at the end as in `Contact
    search`.
    """

    action: Action
    word: str
    leading: bool = True


_HTTP_WORDS = lexicon.words("resources/words", "http_words")

# Verbs at the end of names: `accountsGet`.
_ENDING_VERBS = lexicon.words("resources/words", "ending_verbs")

_RUN_TO_READ = lexicon.words("resources/words", "run_to_read")
_CHANGES_IN_NAMES = lexicon.words("resources/words", "changes_in_names")

# `obtainToken` of Square issues a token, so that this verb of a read is not a clue in a name.
_UNRELIABLE_VERBS = frozenset(("obtain", "see"))

_PARTICLE_VERBS = lexicon.words("resources/words", "particle_verbs")


@lru_cache(maxsize=16384)
def name_clue(name: str) -> Clue | None:
    """Return the clue in an operationId or a path segment; None where it names no verb.

    The verb is the first word (`searchContacts`), that of the last part (`Shares_ListKeys`, `orders.search`), or the
    last word (`accountsGet`). A verb of change counts in each of these places.
    """
    words = _verb_words(name)
    if not words:
        return None
    # POST /returns and POST /orders/new create, although neither word is a verb of change.
    if words in (["returns"], ["new"]):
        return Clue(action=Action.CHANGE, word=words[0])
    reads = ACTIONS.get(words[0]) is Action.RETRIEVE and words[-1] not in _PARTICLES
    for previous, word in pairwise(words):
        # getOrCreateUser creates.
        if previous in _JOINING and ACTIONS.get(word) is Action.CHANGE:
            return Clue(action=Action.CHANGE, word=word)
        if previous in _PARTICLE_VERBS and word in _PARTICLES and not reads:
            return Clue(action=Action.CHANGE, word=f"{previous} {word}")
    part = _verb_words(_last_part(name))
    if part == ["post"]:
        part = []
    heads = (part[0], words[0]) if part else (words[0],)
    strict = next((word for word in (*heads, words[-1]) if is_strict(word)), "")
    if strict:
        return Clue(action=Action.CHANGE, word=strict)
    return _head_clue(heads, words) or _ending_clue(words)


COMMANDS_OF_TEXT = STRICT_VERBS - HANDING_OUT
"""Verbs of a change with which the text of a GET may command it."""
_COMMAND = lexicon.pattern("resources/words", "command", re.I)


def _is_change_name(name: str) -> bool:
    """Return whether a name has a verb that a GET should not have: deletePad, auth.revoke, resetCounter."""
    clue = name_clue(name)
    if clue is None or clue.action is not Action.CHANGE or clue.word in HANDING_OUT:
        return False
    return is_strict(clue.word) or (clue.word in COMMANDS_OF_GET and clue.word in split_words(name)[:1])


def commanded_verbs(operation: Operation) -> frozenset[str]:
    """Return the verbs that the texts of an operation begin with, where an object with an article follows."""
    heads = filter(None, map(_COMMAND.match, (operation.summary, operation.description)))
    return frozenset(verb.base for head in heads if (verb := parse_verb(head[1].lower())) is not None)


def may_have_evidence(operation: Operation) -> bool:
    """Return whether evidence may say another effect than the method: of a POST, and of a GET that says a change."""
    if operation.method == "GET":
        is_named = any(map(_is_change_name, filter(None, (operation.id, last_segment(operation.path)))))
        return is_named or not commanded_verbs(operation).isdisjoint(COMMANDS_OF_TEXT)
    return operation.method == "POST"


def effect_of_verb(base: str) -> Effect:
    """Return the effect of a verb of change: DESTROY for one after which something is gone."""
    return Effect.DESTROY if base in _DESTROYING else Effect.WRITE


def _head_clue(heads: Sequence[str], words: Sequence[str]) -> Clue | None:
    """Return the clue of the first word, or of the last part. A namespace, such as `compute.`, is not a clue."""
    head, last = heads[0] if heads[0] in ACTIONS else "", words[-1]
    if not head and ACTIONS.get(heads[-1]) is Action.CHANGE and heads[-1] not in RESOURCE_NOUNS:
        head = heads[-1]
    if head in RESOURCE_NOUNS and len(words) > 1 and last in _ENDING_VERBS:
        return Clue(action=ACTIONS[last], word=last, leading=False)
    if head in RUN_VERBS:
        return Clue(action=Action.RETRIEVE if _RUN_TO_READ & set(words) else Action.CHANGE, word=head)
    if not head or head in _UNRELIABLE_VERBS:
        return None
    return Clue(action=Action.CHANGE if head in _CHANGES_IN_NAMES else ACTIONS[head], word=head)


def _ending_clue(words: Sequence[str]) -> Clue | None:
    strict, last = next((word for word in words if is_strict(word)), ""), words[-1]
    if strict:
        return Clue(action=Action.CHANGE, word=strict)
    if last in _ENDING_VERBS:
        return Clue(action=ACTIONS[last], word=last, leading=False)
    return Clue(action=Action.COMPUTE, word=last, leading=False) if last in RESULT_NOUNS else None


def _verb_words(name: str) -> list[str]:
    """Return the words of a name without its numbers and the words of HTTP around its verb."""
    words = [word for word in split_words(name) if not word.isdigit()]
    while len(words) > 1 and words[0] in _HTTP_WORDS:
        words = words[1:]
    while len(words) > 1 and words[-1] in ("post", "using"):
        words = words[:-1]
    return words


def _last_part(name: str) -> str:
    """Return the last part of a name such as `Shares_ListKeys` or `sessions.detectIntent`; "" where it has but one.

    Underscores divide a name only where its parts are in camel case: `list_all_keys` is one part.
    """
    for mark in (".", "/", ":", "_"):
        parts = [part for part in name.split(mark) if re.search(r"[A-Za-z]{2}", part)]
        if len(parts) > 1:
            return parts[-1] if mark != "_" or re.search(r"[A-Z]", parts[-1]) else ""
    return ""


UNKNOWN = object()
"""the value of an argument that is not known yet, as a workflow has them before it runs"""

_SHAPING = lexicon.words("resources/words", "shaping")
_SETTING = lexicon.words("resources/words", "setting")
_COMMANDS = lexicon.words("resources/words", "commands")
METHOD_PARAMETERS = lexicon.words("resources/words", "method_parameters")
_ABOUT_ANSWERS = lexicon.words("resources/words", "about_answers")

_METHODS = {"DELETE": Effect.DESTROY, "PUT": Effect.WRITE, "PATCH": Effect.WRITE, "POST": Effect.WRITE}
_TRUE = lexicon.words("resources/words", "true")
_FALSE = lexicon.words("resources/words", "false") | {""}
# A text of an argument, and that of an operation, say what they do at their beginning.
_MAX_CHARACTERS = 400

# The words before the verb of an argument's text: `If true, `, `Set to true to `, `Whether to `, `Optional flag: `.
_LEAD = lexicon.pattern("resources/words", "argument_lead", re.IGNORECASE)
_MAX_LEADS = 6
_OBJECT = lexicon.pattern("resources/words", "object_start", re.IGNORECASE)
# `the counter will be reset`, and not `items that are reset`
_PASSIVE = lexicon.pattern("resources/words", "passive")
_MARKS = lexicon.pattern("resources/words", "marks")
# `The action to perform`, and not `The action that is listed`
_PERFORMS = lexicon.pattern("resources/words", "performs")
_SETS = lexicon.pattern("resources/words", "sets")
_STATE = lexicon.pattern("resources/words", "state")
_GRAPHQL = lazy_pattern(r"(?:^|[}\s,\"\ufeff])mutation\b")


@dataclass(frozen=True, slots=True)
class ArgumentEffect:
    """The effect of giving an argument. A flag has it where it is set; another one by any value, or by `values`."""

    effect: Effect
    is_flag: bool
    values: frozenset[str] | None = None

    def of(self, value: object) -> Effect:
        if self.values is not None:
            return self.effect if str(value).strip().casefold() in self.values else Effect.READ
        is_off = self.is_flag and value is not UNKNOWN and str(value).strip().casefold() in _FALSE
        return Effect.READ if value is None or is_off else self.effect


def call_effect(operation: Operation, values: Mapping[Place, Any]) -> Effect:
    """Return the effect of a call with these values: the gravest of its operation's and its arguments'."""
    fixed = ((("query", name), value) for name, value in parse_qsl(operation.fixed_query))
    whole = values.get(("body", ""))
    inner = whole.items() if isinstance(whole, Mapping) else ()
    given = [*values.items(), *fixed, *((("body", str(name)), value) for name, value in inner)]
    effects = [operation.effect, *(_method_effect(operation, *entry) for entry in _entries(given))]
    if operation.effect is Effect.READ and given:
        described = _described(operation)
        for place, value in given:
            # Many a server reads `Reset` and `reset[]` as `reset`.
            folded = place[0], place[1].casefold().removesuffix("[]")
            argument = described.get(place) or described.get(folded, _UNDESCRIBED)
            effects += [argument.evidence.of(value)] if argument.evidence is not None else []
            effects.append(_command_effect(operation, place[1], argument.text, value))
    return gravest(effects)


def possible_effect(operation: Operation) -> Effect:
    """Return the gravest effect that a call of an operation may have, by the arguments that it describes."""
    if operation.effect is not Effect.READ:
        return operation.effect
    choices = [
        (place, choice)
        for place, argument in _described(operation).items()
        for choice in (UNKNOWN, *as_list(argument.schema.get("enum")))
    ]
    return gravest(call_effect(operation, values) for values in ({}, *({place: choice} for place, choice in choices)))


def changing_arguments(operation: Operation) -> tuple[str, ...]:
    """Return the names of the arguments of a read that make a change of it."""
    if operation.effect is not Effect.READ:
        return ()
    return tuple(
        place[1] for place in _described(operation) if call_effect(operation, {place: UNKNOWN}) is not Effect.READ
    )


@dataclass(frozen=True, slots=True)
class _DescribedArgument:
    text: str
    schema: Schema
    evidence: ArgumentEffect | None


def _described(operation: Operation) -> Mapping[Place, _DescribedArgument]:
    """Return the arguments of an operation that are not in the path; they are read once."""
    cache = operation.spec.derive(_described_arguments)
    if operation not in cache:
        cache[operation] = {
            place: _DescribedArgument(text, schema, _argument_effect(operation, place[1], text, schema))
            for place, text, schema in _inputs(operation)
        }
    return cache[operation]


def _described_arguments(spec: Spec) -> dict[Operation, dict[Place, _DescribedArgument]]:
    return {}


_UNDESCRIBED = _DescribedArgument("", {}, None)


def _inputs(operation: Operation) -> Iterator[tuple[Place, str, Schema]]:
    """Yield each described argument that is not in the path, with its text and its schema."""
    for parameter in operation.parameters:
        if parameter.location != "path":
            schema = operation.spec.schema(parameter.schema)
            yield (parameter.location, parameter.name), parameter.description or _text(schema), schema
    body = operation.spec.schema(operation.body.schema) if operation.body is not None else {}
    for name, node in as_map(body.get("properties")).items():
        yield ("body", name), _text(schema := operation.spec.schema(node)), schema


def _text(schema: Schema) -> str:
    return as_text(schema.get("description"))


def _argument_effect(operation: Operation, name: str, text: str, schema: Schema) -> ArgumentEffect | None:
    """Return the effect that an argument has by its name and text; None where they speak of none."""
    words, text = name_words(name), " ".join(re.sub(r"<[^>]{0,80}>|[`*]", " ", text[:_MAX_CHARACTERS]).split())
    is_flag, leads = _is_flag(schema), list(_leading_verbs(text))
    verbs = {verb.base: verb for word in words[:4] if (verb := _changing(word)) is not None}
    is_item = operation.route.rstrip("/").endswith("}")
    if (marks := _MARKS.search(without_leads(text, _LEAD, _MAX_LEADS).casefold())) and not _is_about_answer(
        text[: marks.start()]
    ):
        return ArgumentEffect(Effect.WRITE, is_flag)
    for verb, rest in leads:
        if verb.base in _SETTING and (verbs or _sets(operation, words, rest)) and not _is_about_answer(rest):
            return ArgumentEffect(Effect.WRITE, is_flag=False)
        is_named = verb.base in verbs or (is_flag and verb.base in words)
        if is_named or (is_flag and verb.base in STRICT_VERBS - _SETTING and not _is_about_answer(rest)):
            return ArgumentEffect(effect_of_verb(verb.base), is_flag)
    if _is_about_answer(text) or not verbs:
        return None
    if not is_flag:
        return _switch_effect(next(iter(verbs.values()))) if len(words) == 1 else None
    passive = {verb.base for match in _PASSIVE.finditer(text.casefold()) if (verb := _changing(match[1])) is not None}
    passive = {base for base in passive & verbs.keys() if is_item or verbs[base].form is VerbForm.BASE}
    if passive:
        return ArgumentEffect(gravest(map(effect_of_verb, passive)), is_flag)
    first = _changing(words[0])
    is_command = first is not None and first.form is VerbForm.BASE and first.base not in RESOURCE_NOUNS
    return ArgumentEffect(effect_of_verb(first.base), is_flag) if first is not None and is_command else None


def _switch_effect(verb: Verb) -> ArgumentEffect | None:
    """Return the effect of an argument that is a verb and no described flag: delete=true, but start=1 is a number."""
    if verb.form is not VerbForm.BASE or verb.base in RESOURCE_NOUNS:
        return None
    values = _TRUE if verb.base in STRICT_VERBS else _TRUE - {"1"}
    return ArgumentEffect(effect_of_verb(verb.base), is_flag=False, values=values)


def _changing(word: str) -> Verb | None:
    """Return the verb of a word that changes something as the name of an argument."""
    verb = parse_verb(word.casefold())
    is_change = verb is not None and verb.action is Action.CHANGE and verb.form in (VerbForm.BASE, VerbForm.PAST)
    return verb if is_change and verb is not None and verb.base not in _SHAPING | _SETTING else None


def _leading_verbs(text: str) -> Iterator[tuple[Verb, str]]:
    """Yield the verb of a change at the beginning of each of the first sentences, with the words behind it."""
    for sentence in re.split(r"(?<=[.!?;])\s+", text)[:3]:
        head, _, rest = without_leads(sentence, _LEAD, _MAX_LEADS).partition(" ")
        verb = parse_verb(re.sub(r"\W+$", "", head).casefold())
        # `Archive` alone is a noun, and so is the `Release` of `Release Date`.
        if verb is not None and verb.action is Action.CHANGE and verb.base not in _SHAPING and rest:
            is_noun = verb.base not in STRICT_VERBS and not _OBJECT.match(rest)
            if verb.form in (VerbForm.BASE, VerbForm.THIRD) and not is_noun:
                yield verb, rest


def without_leads(sentence: str, lead: re.Pattern[str], most: int) -> str:
    """Return a sentence without the words before its verb, as `lead` has them: up to `most` leads follow one another.

    `(Beta) This endpoint can be used to`, `Optional flag: if set to true, automatically`.
    """
    for _ in range(most):
        match = lead.match(sentence)
        if not match or not match.end():
            break
        sentence = sentence[match.end() :]
    return sentence


def _sets(operation: Operation, words: Iterable[str], rest: str) -> bool:
    """Return whether an argument that is to be set is a state of the thing that the operation is about."""
    own = f"{operation.summary}. {operation.description}"[:_MAX_CHARACTERS].casefold()
    if _SETS.search(own):
        return True
    literal = [part for part in operation.route.split("/") if part and "{" not in part]
    nouns = {stem(word) for word in name_words(literal[-1])} if literal else set()
    is_item = operation.route.rstrip("/").endswith("}")
    return is_item and bool(_STATE.search(rest.casefold())) and bool(nouns & {stem(word) for word in name_words(rest)})


def _is_flag(schema: Schema) -> bool:
    """Return whether an argument is on or off."""
    choices = schema.get("enum")
    kinds = schema.get("type")
    return "boolean" in (kinds if isinstance(kinds, list) else [kinds]) or (
        isinstance(choices, list) and any(str(choice).casefold() in _TRUE for choice in choices)
    )


def _is_about_answer(text: str) -> bool:
    words = re.findall(r"[a-z]+", text.casefold())
    # `Only books to publish`, and not `Only publish it where ...`
    is_filter = words[:1] == ["only"] and len(words) > 1 and _changing(words[1]) is None
    return is_filter or not _ABOUT_ANSWERS.isdisjoint(words)


def _command_effect(operation: Operation, name: str, text: str, value: object) -> Effect:
    """Return the effect of a value that is itself the verb of a change: ?action=delete, of an action to perform."""
    if not _COMMANDS.intersection(name_words(name)[-1:]):
        return Effect.READ
    # Lists of changes have such parameters too: their texts are about a filter, or missing.
    performs = _PERFORMS.search(text.casefold()) if text else operation.route.rstrip("/").endswith("}")
    if not performs or _is_about_answer(text):
        return Effect.READ
    if value is UNKNOWN:
        return Effect.WRITE
    if isinstance(value, (list, tuple)):
        return gravest(_command_effect(operation, name, text, item) for item in value)
    return _spoken_effect(value) if isinstance(value, str) else Effect.READ


def _spoken_effect(value: str) -> Effect:
    """Return the effect of a value that is the name of a change."""
    clue = name_clue(value.strip())
    return effect_of_verb(clue.word) if clue is not None and clue.action is Action.CHANGE else Effect.READ


def _entries(values: Iterable[tuple[Place, Any]]) -> Iterator[tuple[Place, Any]]:
    """Yield the values of a call, those inside of its body by their own names: GraphQL and JSON-RPC take lists too."""
    pending = [*values]
    while pending:
        place, value = pending.pop()
        if place[0] == "body" and isinstance(value, dict):
            pending += ((("body", str(key)), item) for key, item in value.items())
        elif place[0] == "body" and isinstance(value, list):
            pending += ((place, item) for item in value if isinstance(item, dict | list))
        else:
            yield place, value


def _method_effect(operation: Operation, place: Place, value: object) -> Effect:
    """Return the effect of a value by which servers take another method, or a change of GraphQL or JSON-RPC."""
    name = place[1].casefold()
    # The keys of an exploded object are separate parameters; a list may be a batch of JSON-RPC.
    if isinstance(value, Mapping):
        return gravest(_method_effect(operation, (place[0], str(key)), item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return gravest(_method_effect(operation, place, item) for item in value)
    if value is UNKNOWN and name in METHOD_PARAMETERS:
        return Effect.DESTROY
    if not isinstance(value, str):
        return Effect.READ
    if name in METHOD_PARAMETERS or (name == "method" and operation.method not in READ_METHODS):
        if name != "method" or value.strip().upper() in _METHODS:
            return _METHODS.get(value.strip().upper(), Effect.READ)
        return _spoken_effect(value)
    mutation = _GRAPHQL.search(value) if name in ("query", "document") else None
    return Effect.WRITE if mutation and "{" in value[mutation.end() :] else Effect.READ
