"""`nlapi setup`: the way to a first answer: the description, a credential, and three questions that fit the API."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from nlapi import registry
from nlapi.cli.options import BaseUrl, argument, is_interactive, option
from nlapi.cli.render import console
from nlapi.client.safe_text import single_line
from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation, Spec

EPILOG = """nlapi setup
nlapi setup openapi.yaml --name shop"""

QUESTIONS = 3
# Lists that are tried for a question; each is planned once.
MAX_TRIED = 24
EXAMPLE_ID = "5f2c1a"
"""Stands in a question for an id that the user has."""


def setup(
    source: Annotated[str | None, argument("[SOURCE]", "The description of your API: a path, a URL, or ads.")] = None,
    name: Annotated[str | None, option("--name NAME", "The name to use from now on, as in -a NAME.")] = None,
    base_url: BaseUrl = None,
) -> None:
    """Set up a first API: find its description, log in, and get three questions that fit it.

    It asks for what is not given, and again for what does not work. Nothing is sent to the API.
    """
    from nlapi.cli.apis import api

    source, spec = _described(source)
    console.note(f"{console.plain_text(spec.title)}: {console.count_noun(len(spec.operations), 'operation')}")
    if registry.find_registration(source) is None:
        name = _free_name(name, source, spec)
        api.register_api(name, source, base_url=base_url or _address(spec))
    else:
        name = source
    if not is_interactive() or not _log_in(name, spec):
        api.note_login(name, spec)
    console.write(f"Ask {name}:")
    questions = fitting_questions(spec)
    if any(EXAMPLE_ID in question for question in questions):
        console.note(f"It lists nothing without an id: put one of yours in the place of {EXAMPLE_ID}")
    for question in questions:
        console.write(f'  nlapi ask "{question}" -a {name}')
    console.write(f"Or talk with it: nlapi chat -a {name}")
    console.write(f"See what it can do: nlapi describe {name}")


def suggest_name(spec: Spec) -> str:
    """Return a short name for an API, of its title."""
    words = [
        word
        for word in re.findall(r"[a-z0-9]+", console.plain_text(spec.title).lower())
        if word not in ("api", "http", "rest", "the", "openapi", "swagger", "v1", "v2", "v3", "official", "public")
    ]
    name = "-".join(words[:2])[:24] or "api"
    return name if registry.is_name(name) else f"api-{name}"


def fitting_questions(spec: Spec) -> list[str]:
    """Return questions that the embedded planner reads as reads of this API, without a value that is missing."""
    import nlapi
    from nlapi.openapi.spec import Effect

    questions: list[str] = []
    used: set[Operation] = set()
    for question, operation in _candidates(spec):
        if len(questions) == QUESTIONS:
            break
        if questions and EXAMPLE_ID in question and EXAMPLE_ID not in questions[0]:
            break
        plan = nlapi.plan(question, spec)
        calls = [call.tool.operation for call in plan.calls]
        fits = calls == [operation] and not plan.missing and operation.effect is Effect.READ
        if fits and (operation not in used or len(questions) == QUESTIONS - 1):
            questions.append(question)
            used.add(operation)
    return questions


def _candidates(spec: Spec) -> Iterator[tuple[str, Operation]]:
    """Yield questions about lists that need no value, the resources with the most operations first."""
    from nlapi.cli.apis.describe import operations_by_resource
    from nlapi.cli.apis.sandbox import summary_question
    from nlapi.english.words import plural
    from nlapi.openapi.spec import Effect
    from nlapi.resources.semantics import OperationKind, semantics_of
    from nlapi.tools.compile import compile_tool

    groups = [(resource, found) for resource, found in operations_by_resource(spec).items() if resource is not None]
    groups.sort(key=lambda group: -len(group[1]))
    lists = [
        (resource, operation)
        for resource, operations in groups
        for operation in operations
        if semantics_of(spec).classify(operation).kind is OperationKind.LIST and not compile_tool(operation).required
    ][:MAX_TRIED]
    forms = ("list the {}", "how many {} are there?", "show all {}")
    for shift in range(len(forms)):
        for index, (resource, operation) in enumerate(lists):
            yield forms[(index + shift) % len(forms)].format(plural(resource.label)), operation
    reads = [operation for operation in spec.operations if operation.effect is Effect.READ and operation.usable]
    for operation in [read for read in reads if not compile_tool(read).required][:MAX_TRIED]:
        if question := summary_question(operation):
            yield question, operation
    # Some APIs have no list without an argument (Trello): there an id, of which one is an example, comes first.
    for resource, operations in groups[:MAX_TRIED]:
        for operation in operations:
            kind = semantics_of(spec).classify(operation).kind
            if kind is OperationKind.READ and len(compile_tool(operation).required) == 1:
                yield f"show the {resource.label} {EXAMPLE_ID}", operation


def _described(source: str | None) -> tuple[str, Spec]:
    """Return a source and its description. At a terminal it is asked for until it can be read."""
    from nlapi.cli.target import load

    if source is not None:
        return source, load(source)
    if not is_interactive():
        raise UsageError("which API? give its description", hint="such as nlapi setup openapi.yaml")
    while True:
        typed = _typed("Where is the description of your API? A path, a URL, or `ads` for the example: ")
        try:
            if typed:
                return typed, load(typed)
        except NlapiError as error:
            console.error(str(error))


def _free_name(name: str | None, source: str, spec: Spec) -> str:
    """Return the name to register an API under. At a terminal it is asked for until it is free and can be one."""
    suggested = suggest_name(spec)
    while True:
        chosen = name or (_typed(f"Its name from now on? [{suggested}]: ") if is_interactive() else "") or suggested
        if not registry.is_name(chosen):
            fault = UsageError(f"{chosen!r} cannot be a name", hint="use letters, digits, - and _")
        elif registry.find_registration(chosen) is not None:
            hint = f"nlapi setup {source} --name OTHER; `nlapi api edit {chosen}` changes where it runs"
            fault = UsageError(f"{chosen} is registered already", hint=hint)
        else:
            return chosen
        if name or not is_interactive():
            raise fault
        console.error(str(fault))


def _address(spec: Spec) -> str | None:
    """Return where an API runs that its description does not place; None where it does, or nobody can be asked."""
    from nlapi.client.server import explain_server
    from nlapi.openapi.urls import parse_url

    if not explain_server(spec) or not is_interactive():
        return None
    while typed := _typed("Where does it run? Its address, such as https://api.example.com (Enter: later): "):
        try:
            parse_url(typed)
        except NlapiError as error:
            console.error(str(error))
        else:
            return typed
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A way to log in: what it is called, and the words of `nlapi auth login` that go it, one line for each scheme."""

    label: str
    logins: tuple[tuple[str, ...], ...]
    takes_client: bool = False


def _ways(spec: Spec) -> list[_Way]:
    """Return the ways to log in that the operations want, those that need the least from the person first."""
    from nlapi.client.auth import alternatives, credential_kind

    usable = [operation for operation in spec.operations if operation.usable and operation.security]
    if not any(all(alternatives(operation)) for operation in usable):
        return []
    counts = Counter(
        tuple(credential.id for credential in way) for operation in usable for way in alternatives(operation) if way
    )
    simple, with_client, with_token = [], [], []
    for ids, _ in counts.most_common():
        schemes = [spec.security_schemes[id] for id in ids]
        label = " and ".join(f"{single_line(scheme.id)[:60]} ({credential_kind(scheme)})" for scheme in schemes)
        logins = tuple((scheme.id,) for scheme in schemes)
        if not any(scheme.kind in ("oauth2", "openIdConnect") for scheme in schemes):
            simple.append(_Way(label=label, logins=logins))
        elif len(schemes) == 1:
            id = single_line(schemes[0].id)[:60]
            with_token.append(_Way(label=f"{id}: an access token that you have", logins=((*logins[0], "--token"),)))
            with_client.append(_Way(label=f"{id}: in the browser, with a client id", logins=logins, takes_client=True))
    return [*simple, *with_token, *with_client]


def _log_in(name: str, spec: Spec) -> bool:
    """Log in by a way that the person chooses, until one works or he leaves it for later; return whether he did."""
    ways = _ways(spec)
    while ways:
        way = ways[0] if len(ways) == 1 and not ways[0].takes_client else _chosen(ways)
        if way is None:
            return False
        client = ("--client-id", _typed("Its client id: ")) if way.takes_client else ()
        try:
            for login in way.logins:
                _run("auth", "login", name, *login, *client)
        except NlapiError as error:
            console.error(str(error))
            if _typed("Try again? [Y/n]: ").lower().startswith("n"):
                return False
        else:
            return True
    return False


def _chosen(ways: list[_Way]) -> _Way | None:
    """Return the way that the person chooses; None for later."""
    console.note("How do you log in?")
    for number, way in enumerate(ways, 1):
        console.note(f"  {number}. {way.label}")
    while typed := _typed(f"1 to {len(ways)} (Enter: later): "):
        if typed.isdecimal() and 0 < int(typed) <= len(ways):
            return ways[int(typed) - 1]
    return None


def _typed(question: str) -> str:
    from nlapi.cli.ask.prompts import read_line

    typed = read_line(question)
    if typed is None:
        raise NlapiError("the setup ended before it was done", hint="nlapi setup begins it again")
    return typed.strip()


def _run(*words: str) -> None:
    from nlapi.cli.app import app

    app(list(words), prog_name="nlapi", standalone_mode=False)
