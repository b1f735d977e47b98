"""Writes what a person would ask of an API, each backed by an operation and arguments that it has."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from nlapi.english.intents import VERBS, Intent
from nlapi.english.words import split_words, stem
from nlapi.openapi.spec import Operation, as_list, as_map
from nlapi.plugin.markdown import inert_line
from nlapi.plugin.samples import PLAIN_VALUE, SECRET_ARGUMENT
from nlapi.plugin.subjects import Subject, definition, states, subjects
from nlapi.resources.effect_arguments import VerbForm, parse_verb
from nlapi.resources.schemas import SchemaReader
from nlapi.resources.semantics import OperationKind, OperationSemantics, Semantics, semantics_of
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.search.areas import Area
from nlapi.workflows.chains import with_article

# For a thing that has a name of which the description has no example.
NAME = "Test"
NUMBER = 42
MAX_NAME = 40
# Creations with more required values than a person would say in a sentence are not an example.
MAX_REQUIRED = 4
MAX_SUBJECTS = 4
MAX_OF_AREA = 5
# Kinds of questions that a list of all areas takes turns with: what there is, a state, a creation, a report.
MAX_TURNS = 4
_NAMES = ("name", "title", "display_name", "displayName", "label", "summary", "subject")
_STATES = ("state", "status", "states", "statuses")
_TIMES = frozenset(("start", "end", "from", "to", "since", "until", "before", "after"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A sentence of a person, the operation that does it, and the arguments that the sentence gives."""

    text: str
    operation: Operation
    arguments: Mapping[str, object] = field(default_factory=dict)


def questions(areas: Sequence[Area], limit: int) -> list[Question]:
    """Return questions to an API: of each area the most usual, then the next, so that a cut list has all kinds."""
    columns = [deque(area_questions(area)[:MAX_TURNS]) for area in sorted(areas, key=lambda area: -_prominence(area))]
    for number, column in enumerate(columns):
        # Another kind of question from each area: what there is, a change, a creation, a removal.
        column.rotate(-number)
    by_text: dict[str, Question] = {}
    for question in filter(None, chain.from_iterable(zip_longest(*columns))):
        by_text.setdefault(question.text, question)
    return list(by_text.values())[:limit]


def question_list(areas: Sequence[Area], title: str, limit: int) -> str:
    """Return questions as a list in Markdown; where nothing can be derived, one that any API can be asked."""
    texts = [question.text for question in questions(areas, limit)] or [f"What can I do with {title}?"]
    return "\n".join(f'- "{text}"' for text in texts)


def _prominence(area: Area) -> float:
    return max((subject.weight for subject in subjects(area.operations, area.label)[:1]), default=0.0)


def area_questions(area: Area) -> list[Question]:
    """Return questions to an area: find, a change of state, create, report, remove; the first of each kind."""
    matches = subjects(area.operations, area.label)
    semantics = semantics_of(area.operations[0].spec)
    kinds: dict[str, Question] = {}
    others: dict[Operation, Question] = {}
    for subject in matches[:MAX_SUBJECTS]:
        for kind, question in _subject_questions(subject, semantics):
            if kinds.setdefault(kind, question) is not question:
                others.setdefault(question.operation, question)
    chosen = [kinds[kind] for kind in _ORDER if kind in kinds]
    used = {question.operation for question in chosen}
    return [*chosen, *(question for operation, question in others.items() if operation not in used)][:MAX_OF_AREA]


_ORDER = ("find", "state", "create", "report", "act", "remove", "change", "read")


def _subject_questions(subject: Subject, semantics: Semantics) -> Iterator[tuple[str, Question]]:
    usable = [(verb, operation) for verb, operation in subject.operations if not operation.deprecated]
    # Of several lists that which needs least: all tasks, and not those of a project.
    usable.sort(key=lambda pair: (len(compile_tool(pair[1]).required), pair[1].path.count("/")))
    for verb, operation in usable:
        yield from _questions_of_kind(subject, verb, operation, semantics.classify(operation))
    for verb, operation, name, value in states(subject):
        if not operation.deprecated and (item := _item(subject, operation, semantics.classify(operation).key)):
            yield "state", _question(f"{verb} {item}", operation, {name: value})
    yield from (("change", question) for verb, one in usable if verb == "change" for question in _change(subject, one))


def _questions_of_kind(
    subject: Subject, verb: str, operation: Operation, meaning: OperationSemantics
) -> Iterator[tuple[str, Question]]:
    """Yield the question that an operation answers by its kind."""
    item = _item(subject, operation, meaning.key)
    if meaning.kind is OperationKind.LIST and meaning.key is None:
        yield "find", _list_question(subject, operation)
    elif meaning.kind is OperationKind.CREATE:
        yield from (("create", question) for question in _creation(subject, verb, operation))
    elif meaning.kind is OperationKind.COMPUTE and verb == "report":
        yield "report", _report(subject, operation)
    elif item and meaning.kind is OperationKind.READ:
        yield "read", _question(f"Show me {item}", operation)
    elif item and meaning.kind is OperationKind.DELETE:
        yield "remove", _question(f"{verb if VERBS.get(stem(verb)) is Intent.DELETE else 'remove'} {item}", operation)
    # Of the commands those whose path says all: to publish a draft, not to mark a thread as something.
    elif item and verb == re.split("[/:]", operation.path)[-1].lower() != "":
        yield "act", _question(f"{verb} {item}", operation)


def _question(text: str, operation: Operation, arguments: Mapping[str, object] | None = None) -> Question:
    line = inert_line(text, 120)
    return Question(text=line[:1].upper() + line[1:], operation=operation, arguments=arguments or {})


def _list_question(subject: Subject, operation: Operation) -> Question:
    """Return a question for a list: by a state that it filters by, by its newest, else for all."""
    tool = compile_tool(operation)
    for name in tool.places:
        schema = as_map(argument_schema(tool, name))
        schema = definition(tool, schema.get("items")) or schema
        words = split_words(name) or [""]
        for value in (value for value in as_list(schema.get("enum")) if isinstance(value, str)):
            verb = parse_verb(value.lower())
            if words[-1] in _STATES and verb is not None and verb.form is VerbForm.PAST:
                argument = [value] if argument_schema(tool, name).get("type") == "array" else value
                return _question(f"Which {subject.name} are {value.lower()}?", operation, {name: argument})
            if words[0] in ("sort", "order") and split_words(value)[:1] == ["created"]:
                return _question(f"Show me the newest {subject.name}", operation, {name: value})
    return _question(f"List the {subject.name}", operation)


def _creation(subject: Subject, verb: str, operation: Operation) -> Iterator[Question]:
    tool = compile_tool(operation)
    in_path = {name for name, (location, _) in tool.places.items() if location == "path"}
    asked = [name for name in tool.required if name not in in_path]
    if len(asked) > MAX_REQUIRED or any(map(SECRET_ARGUMENT.search, asked)):
        return
    name = next((name for name in _NAMES if name in tool.places and name not in in_path), "")
    value = _example_name(argument_schema(tool, name)) if name else ""
    called = f" called {value}" if name else ""
    yield _question(f"{verb} {with_article(subject.noun)}{called}", operation, {name: value} if name else {})


def _report(subject: Subject, operation: Operation) -> Question:
    words = {word for name in compile_tool(operation).places for word in split_words(name)}
    period = " of last week" if len(words & _TIMES) > 1 else ""
    return _question(f"Show me the {subject.name}{period}", operation)


def _change(subject: Subject, operation: Operation) -> Iterator[Question]:
    tool = compile_tool(operation)
    name = next((name for name in _NAMES if tool.places.get(name, ("", ""))[0] == "body"), "")
    item = _item(subject, operation, semantics_of(operation.spec).classify(operation).key)
    if name and item:
        value = f"{NAME} 2"
        verb = "Rename" if name != "title" else "Change the title of"
        yield _question(f"{verb} {item} to {value}", operation, {name: value})


def _item(subject: Subject, operation: Operation, key: str | None) -> str:
    """Return one thing as a person names it: `issue 42`, `the campaign Summer Sale`; "" where nothing names it."""
    if key is None:
        return ""
    parameter = operation.parameter("path", key)
    types = SchemaReader(operation.spec).types(parameter.schema) if parameter is not None else ()
    if types == ("integer",) and split_words(key)[-1:] == ["number"]:
        return f"{subject.noun} {NUMBER}"
    meaning = semantics_of(operation.spec).classify(operation)
    properties = meaning.resource.properties if meaning.resource is not None else {}
    named = next((name for name in _NAMES if name in properties), "")
    if named or split_words(key)[-1:] in (["name"], ["slug"], ["login"]):
        return f"the {subject.noun} {_example_name(as_map(properties.get(named)))}"
    return ""


def _example_name(schema: Mapping[str, object]) -> str:
    """Return a name that the description has as an example, as far as a person would say it."""
    for example in (schema.get("example"), *as_list(schema.get("examples"))):
        is_name = isinstance(example, str) and len(example) <= MAX_NAME and PLAIN_VALUE.fullmatch(example)
        if is_name and re.match(r"[A-Z][a-z]", str(example)):
            return str(example).strip()
    return NAME
