"""The public synchronous functions but `nlapi.tools`, which is in `nlapi.tools.compile`."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlapi.agent.toolset.toolset import Toolset
    from nlapi.client.message import Request, Result
    from nlapi.errors import Issue
    from nlapi.openapi.cache import Cache
    from nlapi.openapi.overlay import Overlay
    from nlapi.openapi.spec import Effect, Operation, Spec
    from nlapi.registry import Registration
    from nlapi.tools.plan import Plan
    from nlapi.tools.repetition.ledger import Ledger
    from nlapi.tools.sending.run import Auth, Prepared
    from nlapi.tools.tool import Tool


def load(
    source: str | PathLike[str],
    *,
    overlays: Iterable[str | PathLike[str]] = (),
    cache: str | PathLike[str] | None = None,
    root: str | PathLike[str] | None = None,
) -> Spec:
    """Return the Spec of an OpenAPI description.

    `source` is a path, an http(s) URL, "-" for standard input, the name of a bundled description such as "ads", or else
    a name that was registered with `nlapi api add`: its description comes with the overlays and the root registered for
    it, and calls use the registered base URL and credentials unless they pass others.
    `overlays` are OpenAPI Overlays, by path or URL, that are applied in order. `cache` is a folder for parsed and
    downloaded descriptions; without it nothing is stored. `root` is the folder in which the other files of a
    description may be; without it, the description's own folder.
    DescriptionError when it cannot be read; problems inside it are in `Spec.issues`.
    """
    return load_both(source, overlays, cache=cache, root=root)[1]


def load_both(
    source: str | PathLike[str],
    overlays: Iterable[str | PathLike[str]] = (),
    *,
    added: Iterable[str | PathLike[str]] = (),
    cache: str | PathLike[str] | None = None,
    root: str | PathLike[str] | None = None,
    name: str = "",
) -> tuple[Spec, Spec]:
    """Return the Spec of `load`, and that with the overlays `added` on top; the same one without any. `name` is that by
    which a caller has looked the source up already.

    The description is read once: its server could give one to be checked and another to be called.
    """
    from nlapi.openapi.cache import Cache
    from nlapi.openapi.document import add_overlays, read_document
    from nlapi.openapi.fetch import DescriptionFiles, fetch, may_have_external_refs
    from nlapi.openapi.gc_paused import gc_paused
    from nlapi.openapi.parse import parse_document

    source, registered = fspath(source), registration_of(source)
    # The Spec records the registered name, so that `nlapi.call` and the policy find the registration later.
    name = source if registered is not None else name
    if registered is not None:
        source, overlays = registered.source, (*registered.overlays, *overlays)
        root = root or registered.root
    cache_store = Cache(folder=Path(cache)) if cache else None
    layers, added_layers = (
        [_read_overlay(fspath(layer), cache_store) for layer in chosen] for chosen in (overlays, added)
    )
    fetched = fetch(source, cache=cache_store)
    files = DescriptionFiles(
        root=fetched.source, network=fetched.network, cache=cache_store, within=fspath(root) if root else ""
    )
    # One regular expression over the bytes decides (5 ms for GitHub's 13 MB); docs/design/005-bundling.md.
    join = None
    if may_have_external_refs(fetched.data):
        from nlapi.openapi.bundle import bundle

        join = partial(bundle, files=files)
    with gc_paused():
        document = read_document(fetched.data, fetched.source, overlays=layers, cache=cache_store, join=join)
        parse = partial(
            parse_document,
            classify=_effect_of,
            review=_issues_of_effect,
            cache=cache_store,
            files=files.requested,
            registered=name,
            network=fetched.network,
        )
        spec = parse(document)
        return spec, parse(add_overlays(document, added_layers)) if added_layers else spec


def _read_overlay(source: str, cache: Cache | None) -> Overlay:
    from nlapi.openapi.document import read_tree
    from nlapi.openapi.fetch import fetch
    from nlapi.openapi.overlay import parse_overlay

    fetched = fetch(source, cache=cache)
    return parse_overlay(read_tree(fetched.data, fetched.source)[0], fetched.source)


def registration_of(source: str | PathLike[str]) -> Registration | None:
    """Return the API that is registered as `source`, or None where a file or a bundled description has that name."""
    from nlapi import bundled, registry

    if not isinstance(source, str) or not registry.is_name(source):
        # Files and bundled names come first: a program does not change with its user's settings (docs/design/022).
        return None
    if Path(source).is_file() or bundled.spec(source) is not None:
        return None
    return registry.find_registration(source)


def _effect_of(operation: Operation) -> Effect:
    """Return the effect of an operation."""
    from nlapi.openapi.spec import effect_by_method
    from nlapi.resources.effect_arguments import may_have_evidence

    # Few GETs are classified by evidence, so that many a command never imports the rules (docs/design/020-effects.md).
    if not may_have_evidence(operation):
        return effect_by_method(operation)
    from nlapi.resources.effect import effect_of

    return effect_of(operation)


def _issues_of_effect(operation: Operation) -> Iterable[Issue]:
    from nlapi.resources.effect import issues_of_effect

    return issues_of_effect(operation)


def build(spec: Spec, operation: str, arguments: Mapping[str, Any], *, base_url: str | None = None) -> Request:
    """Return the Request for an operation and its arguments; nothing is sent and no credential is added.

    `arguments` have the names of the tool's `input_schema`. ArgumentError when they do not fit it.
    """
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.sending.run import prepare, registered_target
    from nlapi.tools.tool import Call

    call = Call(tool=compile_tool(spec.operation(operation)), arguments=arguments)
    return prepare(call, registered_target(spec, base_url=base_url, auth=False)).request


def call(
    spec: Spec,
    operation: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    yes: bool | Callable[[Prepared], bool] = False,
    timeout: float | None = None,
    events: int | None = None,
    receipts: bool = False,
) -> Result:
    """Call an operation and return its answer, whatever its status.

    `auth` maps the id of a security scheme to its credential; one credential as a text is enough where the API has one
    scheme. False sends without any, even where one is required.
    For an API that was loaded by its registered name, `base_url` and `auth` override the registered ones.

    `yes` is your consent to a change, or a function that gets the change (`Prepared`) and returns True to consent. Each
    call is a separate command, which is sent however often you give it.
    Raises ArgumentError, CredentialError or ConsentError before anything is sent, SendError when no complete answer
    came. In an event loop `nlapi.aio.call` does the same without blocking it.

    `timeout` is the longest time in seconds, 30 by default. A streamed answer (events, a followed log) ends at that
    time or after `events` items: `Result.items` has the items, `Result.ended` the reason why reading stopped.

    With `receipts` each question to a function `yes` leaves a receipt for `nlapi log consents`: the route and the
    digest of the change, the answer and what came of it, without any value. By default nothing is written.
    """
    from nlapi import aio
    from nlapi.wait import wait

    return wait(
        aio.call(
            spec,
            operation,
            arguments,
            base_url=base_url,
            auth=auth,
            yes=yes,
            timeout=timeout,
            events=events,
            receipts=receipts,
        )
    )


def answer(
    tools: Iterable[Tool],
    name: str,
    arguments: Mapping[str, Any] | str | None,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    yes: bool | Callable[[Prepared], bool] = False,
    timeout: float | None = None,
    answer_bytes: int = 16_000,
    fields: Iterable[str] = (),
    ledger: Ledger | None = None,
    receipts: bool = False,
) -> str:
    """Make the call that a model requested and return the text that answers it, at most `answer_bytes` bytes.

    It is for a model and not to be parsed: a list that is too long is a table of its rows, with `columns` and `rows`
    in place of `data`. A program takes `call`, whose Result has everything.

    `timeout` is the longest time of the call in seconds, 30 by default; a read that streams ends after 5. `fields` are
    dotted paths, such as `user.login`: of an item, or of each row of a list, the text has these alone where there are
    any. The reason of a failure is always whole.

    `tools` are the tools of the model, `name` and `arguments` its call; the arguments may be JSON text. `base_url`,
    `auth`, `yes` and `receipts` are as in `call`. The text reports errors that the model or its user can correct: a
    tool that is not in `tools`, arguments that do not fit, no credential, a change without `yes`, no complete answer.
    Errors that only the caller can correct are raised: UsageError, and CredentialError for a credential that cannot be
    used.

    `ledger` has the changes of the conversation: one that repeats another is sent only where a function `yes`, which is
    given it with its `repetition`, says True. Give each conversation a `nlapi.Ledger()`. Without one, all calls of the
    process to the same API with the same credential count as one conversation, for twelve hours.

    In an event loop `nlapi.aio.answer` does the same without blocking it.
    """
    from nlapi import aio
    from nlapi.wait import wait

    return wait(
        aio.answer(
            tools,
            name,
            arguments,
            base_url=base_url,
            auth=auth,
            yes=yes,
            timeout=timeout,
            answer_bytes=answer_bytes,
            fields=fields,
            ledger=ledger,
            receipts=receipts,
        )
    )


def tools(
    spec: Spec,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    defer: bool = False,
    loaded: Iterable[str] = (),
) -> tuple[Tool, ...]:
    """Return the tools of a Spec; `include` and `exclude` select operations as `nlapi.openapi.selection` does.

    With `defer`, the definitions are deferred: the provider of the model searches them, and the model gets those
    that fit. `loaded` selects operations that it gets in every request all the same. `nlapi.manifest` adds the tool
    that searches. A filter that matches no operation is a UserWarning, `loaded` without `defer` a UsageError.
    """
    from nlapi.errors import UsageError
    from nlapi.openapi.selection import Selection, select_operations
    from nlapi.tools.compile import defer_tools
    from nlapi.tools.compile import tools as compile_tools

    if loaded and not defer:
        raise UsageError("loaded is about deferred tools", hint="give defer=True too")
    chosen = select_operations(spec, include, exclude)
    always = select_operations(spec, loaded, option="loaded") if loaded else Selection(operations=())
    for issue in (*chosen.issues, *always.issues):
        warnings.warn(str(issue), stacklevel=3)
    compiled = compile_tools(spec, chosen.operations)
    return defer_tools(compiled, always.operations) if defer else compiled


def toolset(
    spec: Spec,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    yes: bool | Callable[[Prepared], bool | Awaitable[bool]] = False,
    timeout: float | None = None,
    answer_bytes: int = 16_000,
    fields: Iterable[str] = (),
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    receipts: bool = False,
) -> Toolset:
    """Return the constant set of tools over an API: find, describe, read, change, result, plan; for one conversation.

    The definitions take 700 tokens whatever the API, and long answers are stored and read in parts. `base_url`, `auth`,
    `yes` and `receipts` are as in `call`, `timeout`, `answer_bytes` and `fields` as in `answer`; what `fields` leave
    out is read by the tool `result`. `include` and `exclude` select the operations that can be called, as in `tools`.

    A function `yes` gets one change at a time, also where calls come from several threads, and all changes of a plan
    before the first is sent: with one no, none is. An asynchronous one is for `Toolset.answer_async`. A change that
    repeats another one of the toolset is sent only where a function says True to it: the change has a `repetition`
    then, the reason. `yes=True` does not cover it.
    """
    from nlapi.agent.toolset.toolset import Toolset
    from nlapi.aio import consent_of
    from nlapi.client.message import call_limits
    from nlapi.openapi.selection import select_operations
    from nlapi.results.model_view import answer_form
    from nlapi.workflows.plan_writer import deferred_chain

    chosen = select_operations(spec, include, exclude)
    for issue in chosen.issues:
        warnings.warn(str(issue), stacklevel=2)
    return Toolset(
        spec,
        consent_of(yes),
        base_url=base_url,
        auth=auth,
        limits=call_limits(timeout),
        form=answer_form(answer_bytes, fields),
        operations=chosen.operations,
        chains=deferred_chain,
        receipts=receipts and callable(yes),
    )


def search(spec: Spec, words: str, *, limit: int = 8) -> tuple[Operation, ...]:
    """Return the operations that fit the words best, at most `limit`, best first."""
    from nlapi.agent.operations.search import OperationSearch

    return tuple(OperationSearch.of(spec).search(words, limit))


def plan(question: str, spec: Spec, *, known: Mapping[str, Any] | None = None) -> Plan:
    """Return the embedded planner's Plan for a question, without model and network. `known` are values by argument."""
    from nlapi.planner.planner import OfflinePlanner

    return OfflinePlanner((spec,)).plan(question, known=known)
