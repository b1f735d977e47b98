"""`nlapi setup`: the way to a first answer: a description, an address, a login, and a question that the API answers."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi import registry
from nlapi.cli.apis import api
from nlapi.cli.apis.login_ways import login_ways, requires_login
from nlapi.cli.ask.prompts import choose
from nlapi.cli.options import BaseUrl, argument, is_interactive, option
from nlapi.cli.render import console
from nlapi.errors import MissingCredentialError, NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation, Spec

EPILOG = """nlapi setup
nlapi setup openapi.yaml --name shop"""

# Words of titles and of paths that name no API.
NO_NAMES = frozenset(
    "api apis http https rest the openapi swagger spec v1 v2 v3 official public www com org net io json yaml".split()
)
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
    """Set up an API: find its description, log in, and ask it a first question.

    It asks for what is missing, and again if something does not work. Ctrl-C leaves nothing behind.
    """
    source, spec = _read_source(source)
    console.note(f"{console.plain_text(spec.title)}: {console.count_noun(len(spec.operations), 'operation')}")
    if registry.find_registration(source) is not None:
        _finish(source, spec)
        return
    name = _free_name(name, source, spec)
    with _undone(name):
        api.register_api(name, source, api.AddOptions(base_url=base_url))
        _finish(name, spec)


@contextmanager
def _undone(name: str) -> Iterator[None]:
    """Forget an API again where its setup is broken off."""
    try:
        yield
    except (KeyboardInterrupt, typer.Abort, NlapiError):
        # A second Ctrl-C would leave half of it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if registry.find_registration(name) is not None:
            with console.silenced():
                api.forget(name)
            console.note(f"\n{name} is not set up, and nothing of it is kept")
        raise


def _finish(name: str, spec: Spec) -> None:
    """Log in to a registered API, ask it a first question, and print what to type next."""
    is_placed = _is_placed(name, spec)
    if is_interactive():
        is_logged_in = is_placed and _log_in(name, spec)
        questions = fitting_questions(spec)
        if is_logged_in and questions:
            _ask_first(name, spec, questions[0])
    else:
        api.note_login(name, spec)
        questions = fitting_questions(spec)
    _write_next_steps(name, questions)


def _is_placed(name: str, spec: Spec) -> bool:
    """Return whether it is known where an API runs; if not, the command that says so is noted."""
    from nlapi.client.server import server_url

    entry = registry.find_registration(name)
    try:
        server_url(spec.operations[0], entry.base_url if entry else None)
    except UsageError:
        console.note(f"Say where it runs before you ask: nlapi api edit {name} --base-url https://...")
        return False
    return True


def _log_in(name: str, spec: Spec) -> bool:
    """Log in until a way works; return whether the API can be asked. Without a login, the command for it is noted."""
    if not requires_login(spec):
        return True
    while True:
        try:
            _run("auth", "login", name)
            return True
        except MissingCredentialError:
            break
        except NlapiError as error:
            console.error(str(error))
            if choose("That did not work.", ["Try again"], otherwise="later") is None:
                break
    console.note(f"Log in before you ask: nlapi auth login {name}")
    return False


def _ask_first(name: str, spec: Spec, question: str) -> None:
    """Ask an API a question until it answers, or the person leaves it as it is."""
    if EXAMPLE_ID in question:
        typed = _typed(f"A first question needs an id: {question.replace(EXAMPLE_ID, '...')} (Enter: later): ")
        if not typed:
            return
        question = question.replace(EXAMPLE_ID, typed)
    remedies = ["Ask again", "Use another address", *(["Use another login"] if login_ways(spec) else [])]
    while not _is_answered(name, question):
        match choose("The API did not answer that question.", remedies, otherwise="leave it as it is"):
            case None:
                return
            case 1:
                if address := api.read_address("Where does the API run? (Enter: as before): "):
                    _run("api", "edit", name, "--base-url", address)
            case 2:
                _log_in(name, spec)
            case _:
                pass


def _is_answered(name: str, question: str) -> bool:
    console.note(f'\n$ nlapi ask "{question}" -a {name}')
    try:
        return not _run("ask", question, "-a", name, "--planner", "offline")
    except NlapiError as error:
        console.error(str(error))
        return False


def _write_next_steps(name: str, questions: list[str]) -> None:
    if questions:
        console.write(f"\nAsk {name}:")
    if any(EXAMPLE_ID in question for question in questions):
        console.note(f"Everything in it needs an id: replace {EXAMPLE_ID} with one of yours")
    for question in questions:
        console.write(f'  nlapi ask "{question}" -a {name}')
    console.write(f"Talk to it:\n  nlapi chat -a {name}\nSee what it can do:\n  nlapi describe {name}")


def suggest_name(spec: Spec) -> str:
    """Return a short name for an API, of its title, or, where it has none, of where its description is."""
    source = re.sub(r"^https?://|\?.*", "", spec.source)
    texts = [spec.title] if spec.title != spec.source else source.rsplit(".", 1)[0].split("/")[::-1]
    for text in texts:
        found = re.findall(r"[a-z0-9]*[a-z][a-z0-9]*", console.plain_text(text).lower())
        words = [word for word in found if word not in NO_NAMES]
        if words:
            name = "-".join(words[:2])[:24]
            return name if registry.is_name(name) else f"api-{name}"
    return "api"


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


def _read_source(source: str | None) -> tuple[str, Spec]:
    """Return a source and its description. At a terminal it is asked for until it can be read."""
    from nlapi.cli.target import load
    from nlapi.openapi.fetch import discover_description, is_bare

    if source is None and not is_interactive():
        raise UsageError("which API? give its description", hint="such as nlapi setup openapi.yaml")
    while True:
        typed = source or _typed("Where is the description of your API? A path, a URL, or `ads` for an example: ")
        try:
            if typed:
                typed = discover_description(typed) if is_bare(typed) else typed
                return typed, load(typed)
        except NlapiError as error:
            if source is not None:
                raise
            console.error(str(error))


def _free_name(name: str | None, source: str, spec: Spec) -> str:
    """Return the name to register an API under. At a terminal it is asked for until it is free and can be one."""
    suggested = suggest_name(spec)
    names = (suggested, *(f"{suggested}-{number}" for number in range(2, 1000)))
    free = next(name for name in names if registry.find_registration(name) is None)
    while True:
        chosen = name or (_typed(f"What do you want to call it? [{free}]: ") if is_interactive() else suggested) or free
        if not registry.is_name(chosen):
            fault = UsageError(f"{chosen!r} cannot be a name", hint="use letters, digits, - and _")
        elif registry.find_registration(chosen) is not None:
            hint = f"`nlapi setup {chosen}` goes on with it, `nlapi setup {source} --name OTHER` registers it again"
            fault = UsageError(f"{chosen} is registered already", hint=hint)
        else:
            return chosen
        if name or not is_interactive():
            raise fault
        console.error(str(fault))


def _typed(question: str) -> str:
    from nlapi.cli.ask.prompts import read_line

    typed = read_line(question)
    if typed is None:
        raise NlapiError("the setup was not finished", hint="`nlapi setup` starts it again")
    return typed.strip()


def _run(*words: str) -> object:
    """Run another command of nlapi, and return its exit code; None for 0."""
    from nlapi.cli.app import app

    return app(list(words), prog_name="nlapi", standalone_mode=False)
