"""Says what an argument makes of a call: `reset=true` changes something where the operation alone only reads.

Servers act on arguments of a GET too: changedetection.io mutes a watch by `GET /watch/{id}?muted=muted`. So the effect
of a call is the gravest of its operation's and its arguments' (docs/design/076-what-a-request-is.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from nlapi.english import lexicon
from nlapi.english.words import name_words, stem
from nlapi.openapi.model import Schema, as_list, as_map
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec, gravest
from nlapi.resources.effect_verbs import (
    RESOURCE_NOUNS,
    STRICT_VERBS,
    Action,
    Verb,
    VerbForm,
    effect_of_verb,
    name_clue,
    parse_verb,
)
from nlapi.resources.paths import Place

UNKNOWN = object()
"""the value of an argument that is not known yet, as a workflow has them before it runs"""

_SHAPING = lexicon.words("resources/words", "shaping")
_SETTING = lexicon.words("resources/words", "setting")
_COMMANDS = lexicon.words("resources/words", "commands")
METHOD_PARAMETERS = lexicon.words("resources/words", "method_parameters")
_ABOUT_ANSWERS = lexicon.words("resources/words", "about_answers")

_METHODS = {"DELETE": Effect.DESTROY, "PUT": Effect.WRITE, "PATCH": Effect.WRITE, "POST": Effect.WRITE}
_TRUE = frozenset(("true", "1", "yes", "on"))
_FALSE = frozenset(("false", "0", "no", "off", "n", "f", ""))
# A text of an argument, and that of an operation, say what they do at their beginning.
_MAX_CHARACTERS = 400

_SET = r"(?:use|pass|specify|provide|send|set|supply|give|include|add)"
_ON = r"[`'\"“=]*(?:true|1|yes|on|set|present|specified|provided|given|enabled|passed)\b[`'\"”]*"
# The words before the verb of an argument's text: `If true, `, `Set to true to `, `Whether to `, `Optional flag: `.
_LEAD = re.compile(
    rf"""^(?:\W+|(?:optional|boolean|bool|flag|deprecated|experimental)\b\W*|
    (?:this|the)\s+(?:parameter|flag|option|argument|field|value)\s+|
    (?:please\s+)?{_SET}\s+(?:(?:this|the|it|a|value|parameter|flag|option|field|of|query|to|as|with)\s+)*{_ON}
      \s*,?\s*(?:in\s+order\s+)?(?:to|if\s+you\s+(?:want|wish|would\s+like)\s+to)\s+|
    (?:please\s+)?(?:use|pass|specify|provide|set)\s+(?:this|the)\s+(?:parameter|flag|option|field)?\s*to\s+|
    (?:if|when|whenever|where)\s+
      (?:(?:this|the|it|is|value|parameter|flag|option|to|equals?|as|with|a|of|query|set)\s+)*{_ON}
      \s*(?:\([^)]{{0,30}}\)\s*)?(?:[,:]|\bthen\b)?\s*
      (?:(?:this|the|it)\s+(?:request|call|operation|method|action|endpoint|api|server|service|system)?\s*)?|
    (?:indicates?|determines?|specif(?:y|ies)|controls?|defines?|decides?|whether|if)\s+
      (?:(?:whether|if)\s+)?(?:or\s+not\s+)?(?:to\s+)?|
    (?:will|then|also|automatically|immediately|permanently|should|force|{_ON}\s*(?:to|:|=|-))\s+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
# `the counter will be reset`, and not `items that are reset`
_PASSIVE = re.compile(r"\b(?:will|should|shall|to)\s+(?:also\s+)?be\s+(?:(?:also|then|automatically)\s+)?(\w+)\b")
_MARKS = re.compile(
    r"(?:^|\b(?:to|will|be|and|also|then|automatically|whether|,)\s+)mark(?:s|ed)?\b"
    r"(?:\s+[\w-]+){0,4}?\s+(?:as\s+)?(?:un)?(?:read|seen|done|viewed|delivered)\b"
)
# `The action to perform`, and not `The action that is listed`
_PERFORMS = re.compile(
    r"\bto\s+(?:be\s+)?(?:perform|execut|run|tak|carr|do|appl|invok|send|trigger)|^(?:perform|execut)"
)
_SETS = re.compile(r"\b(?:and|or|,)\s*(?:set|sets|change|changes|update|updates|toggle|toggles)\s+\w+")
_STATE = re.compile(r"\b(?:state|status|setting|level|mode|value)\b")
_GRAPHQL = re.compile(r"(?:^|[}\s])mutation\b[^{}]{0,400}\{")


@dataclass(frozen=True, slots=True)
class ArgumentEffect:
    """The effect of giving an argument. A flag has it where it is set; another one by any value."""

    effect: Effect
    is_flag: bool

    def of(self, value: object) -> Effect:
        is_off = self.is_flag and value is not UNKNOWN and str(value).strip().casefold() in _FALSE
        return Effect.READ if value is None or is_off else self.effect


def call_effect(operation: Operation, values: Mapping[Place, Any]) -> Effect:
    """Return the effect of a call with these values: the gravest of its operation's and its arguments'."""
    fixed = ((("query", name), value) for name, value in parse_qsl(operation.fixed_query))
    given = [*values.items(), *fixed]
    effects = [operation.effect, *(_method_effect(operation, place, value) for place, value in given)]
    if operation.effect is Effect.READ and given:
        described = _described(operation)
        for place, value in given:
            argument = described.get(place, _UNDESCRIBED)
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
    text = schema.get("description")
    return text if isinstance(text, str) else ""


def _argument_effect(operation: Operation, name: str, text: str, schema: Schema) -> ArgumentEffect | None:
    """Return the effect that an argument has by its name and text; None where they speak of none."""
    words, text = name_words(name), " ".join(re.sub(r"<[^>]{0,80}>|[`*]", " ", text[:_MAX_CHARACTERS]).split())
    is_flag, leads = _is_flag(schema), list(_leading_verbs(text))
    verbs = {verb.base: verb for word in words[:4] if (verb := _changing(word)) is not None}
    is_item = operation.route.rstrip("/").endswith("}")
    if (marks := _MARKS.search(_without_lead(text).casefold())) and not _is_about_answer(text[: marks.start()]):
        return ArgumentEffect(Effect.WRITE, is_flag)
    for verb, rest in leads:
        if verb.base in _SETTING and (verbs or _sets(operation, words, rest)) and not _is_about_answer(rest):
            return ArgumentEffect(Effect.WRITE, is_flag=False)
        is_named = verb.base in verbs or (is_flag and verb.base in words)
        if is_named or (is_flag and verb.base in STRICT_VERBS - _SETTING and not _is_about_answer(rest)):
            return ArgumentEffect(effect_of_verb(verb.base), is_flag)
    if not is_flag or not verbs:
        return None
    passive = {verb.base for match in _PASSIVE.finditer(text.casefold()) if (verb := _changing(match[1])) is not None}
    passive = {base for base in passive & verbs.keys() if is_item or verbs[base].form is VerbForm.BASE}
    if passive and not _is_about_answer(text):
        return ArgumentEffect(gravest(map(effect_of_verb, passive)), is_flag)
    first = _changing(words[0])
    if first is None or first.form is not VerbForm.BASE or first.base in RESOURCE_NOUNS or _is_about_answer(text):
        return None
    return ArgumentEffect(effect_of_verb(first.base), is_flag)


def _changing(word: str) -> Verb | None:
    """Return the verb of a word that changes something as the name of an argument."""
    verb = parse_verb(word.casefold())
    is_change = verb is not None and verb.action is Action.CHANGE and verb.form in (VerbForm.BASE, VerbForm.PAST)
    return verb if is_change and verb is not None and verb.base not in _SHAPING | _SETTING else None


def _leading_verbs(text: str) -> Iterator[tuple[Verb, str]]:
    """Yield the verb of a change at the beginning of each of the first sentences, with the words behind it."""
    for sentence in re.split(r"(?<=[.!?;])\s+", text)[:3]:
        head, _, rest = _without_lead(sentence).partition(" ")
        verb = parse_verb(re.sub(r"\W+$", "", head).casefold())
        # `Archive` alone is a noun, and so is the `Release` of `Release Date`.
        if verb is not None and verb.action is Action.CHANGE and verb.base not in _SHAPING and rest:
            is_noun = verb.base not in STRICT_VERBS and not re.match(r"(?:an?|the|this|all|it|its|your)\b", rest, re.I)
            if verb.form in (VerbForm.BASE, VerbForm.THIRD) and not is_noun:
                yield verb, rest


def _without_lead(sentence: str) -> str:
    # Leads follow one another: `Optional flag: if set to true, automatically`.
    for _ in range(6):
        match = _LEAD.match(sentence)
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
    return not _ABOUT_ANSWERS.isdisjoint(re.findall(r"[a-z]+", text.casefold()))


def _command_effect(operation: Operation, name: str, text: str, value: object) -> Effect:
    """Return the effect of a value that is itself the verb of a change: ?action=delete, of an action to perform."""
    if not _COMMANDS.intersection(name_words(name)[-1:]):
        return Effect.READ
    # Lists of changes have such parameters too: their texts are about a filter, or there is none.
    performs = _PERFORMS.search(text.casefold()) if text else operation.route.rstrip("/").endswith("}")
    if not performs or _is_about_answer(text):
        return Effect.READ
    if value is UNKNOWN:
        return Effect.WRITE
    clue = name_clue(value.strip()) if isinstance(value, str) and value.strip() else None
    return effect_of_verb(clue.word) if clue is not None and clue.action is Action.CHANGE else Effect.READ


def _method_effect(operation: Operation, place: Place, value: object) -> Effect:
    """Return the effect of a value by which servers take another method, or a change of GraphQL or JSON-RPC."""
    name = place[1].casefold()
    if isinstance(value, Mapping) and place[0] == "body":
        inner = (_method_effect(operation, ("body", str(key)), item) for key, item in value.items())
        return gravest(inner)
    if value is UNKNOWN and name in METHOD_PARAMETERS:
        return Effect.DESTROY
    if not isinstance(value, str):
        return Effect.READ
    if name in METHOD_PARAMETERS or (name == "method" and operation.method not in READ_METHODS):
        if name != "method" or value.strip().upper() in _METHODS:
            return _METHODS.get(value.strip().upper(), Effect.READ)
        clue = name_clue(value)
        return effect_of_verb(clue.word) if clue is not None and clue.action is Action.CHANGE else Effect.READ
    return Effect.WRITE if name in ("query", "document") and _GRAPHQL.search(value) else Effect.READ
