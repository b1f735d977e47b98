"""The public functions load, build, call, answer and plan, all synchronous; `nlapi.tools` is the package so named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlapi.client.message import Request, Result
    from nlapi.issue import Issue
    from nlapi.openapi.spec import Effect, Operation, Spec
    from nlapi.registry import Registration
    from nlapi.tools.plan import Plan
    from nlapi.tools.run import Auth, Prepared
    from nlapi.tools.tool import Tool


def load(
    source: str | PathLike[str],
    *,
    overlays: Iterable[str | PathLike[str]] = (),
    cache: str | PathLike[str] | None = None,
    root: str | PathLike[str] | None = None,
) -> Spec:
    """The Spec in an OpenAPI description.

    `source` is a path, an http(s) URL, "-" for standard input, the name of a bundled description such as "ads", or else
    a name that was registered with `nlapi api add`: its description comes with the overlays and the root registered for
    it, and calls go to the base URL, with the credentials, that are registered, unless they are given others.
    `overlays` are OpenAPI Overlays, by path or URL, that are laid over it in order. `cache` is a folder in which what
    is slow to have again is kept; without one nothing is kept. `root` is a folder that the other files of a description
    may be in; without one its own folder, and the repository that this is in.
    DescriptionError when it cannot be read; what is wrong inside it is in `Spec.issues`.
    """
    from nlapi.openapi.bundle import bundle, may_be_split
    from nlapi.openapi.cache import Cache
    from nlapi.openapi.document import read
    from nlapi.openapi.fetch import fetch
    from nlapi.openapi.files import Files
    from nlapi.openapi.overlay import overlay
    from nlapi.openapi.parse import parse
    from nlapi.openapi.tree import read_tree
    from nlapi.openapi.uncollected import uncollected

    source, registered = fspath(source), registration_of(source)
    name = source if registered is not None else ""
    if registered is not None:
        source, overlays = registered.source, (*registered.overlays, *overlays)
        root = root or registered.root
    kept = Cache(folder=Path(cache)) if cache else None
    layers = []
    for one in overlays:
        layer = fetch(fspath(one), cache=kept)
        layers.append(overlay(read_tree(layer.data, layer.source)[0], layer.source))
    fetched = fetch(source, cache=kept)
    files = Files(root=fetched.source, cache=kept, within=fspath(root) if root else "")
    join = partial(bundle, files=files) if may_be_split(fetched.data) else None
    with uncollected():
        document = read(fetched.data, fetched.source, overlays=layers, cache=kept, join=join)
        return parse(document, _effect_of, _issues_of_effect, cache=kept, files=files.named, registered=name)


def registration_of(source: str | PathLike[str]) -> Registration | None:
    """Return the API that is registered as `source`; None where a file or a bundled description is called so."""
    from nlapi import bundled, registry

    if not isinstance(source, str) or not registry.is_name(source):
        return None
    if Path(source).is_file() or bundled.spec(source) is not None:
        return None
    return registry.find_registration(source)


def _effect_of(operation: Operation) -> Effect:
    """Return the effect of an operation; what weighs evidence is imported for the first POST, and not before."""
    from nlapi.openapi.spec import effect_by_method

    if operation.method != "POST":
        return effect_by_method(operation)
    from nlapi.resources.effect import effect_of

    return effect_of(operation)


def _issues_of_effect(operation: Operation) -> Iterable[Issue]:
    from nlapi.resources.effect import issues_of_effect

    return issues_of_effect(operation)


def build(spec: Spec, operation: str, arguments: Mapping[str, Any], *, base_url: str | None = None) -> Request:
    """The Request that an operation's arguments ask for. Pure: nothing is sent, no credential is added.

    `arguments` go by the names in the tool's `input_schema`. ArgumentError when they break it.
    """
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.run import prepare, target_of
    from nlapi.tools.tool import Call

    call = Call(tool=compile_tool(spec.operation(operation)), arguments=arguments)
    return prepare(call, target_of(spec, base_url=base_url, auth=False)).request


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
) -> Result:
    """Call an operation and return its answer, whatever its status.

    `auth` maps the id of a security scheme to its credential; False sends without one, whatever the description wants.
    For an API that was loaded by its registered name, `base_url` and `auth` go over what is registered.

    `yes` is your consent to a change, or a function that is shown the change (`Prepared`) and gives it. Raises
    ArgumentError, CredentialError or ConsentError before anything is sent, SendError when no complete answer came. In
    an event loop `nlapi.aio.call` does the same without holding it up.

    `timeout` is the longest that it may take, 30 seconds if not given. An answer that streams (events, a log that is
    followed) is ended by it, or after as many items as `events` says: `Result.items` has what came, `Result.ended` why
    it was read no further.
    """
    from nlapi import aio
    from nlapi.wait import wait

    return wait(
        aio.call(spec, operation, arguments, base_url=base_url, auth=auth, yes=yes, timeout=timeout, events=events)
    )


def answer(
    tools: Iterable[Tool],
    name: str,
    arguments: Mapping[str, Any] | str | None,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    yes: bool | Callable[[Prepared], bool] = False,
) -> str:
    """Make the call that a model asked for, and give the text that it is answered: at most 20,000 characters.

    `tools` are those that the model was given, `name` and `arguments` what it made of them; the arguments may be JSON
    text. `base_url`, `auth` and `yes` are as in `call`. What the model or its user can mend is told: a tool that is not
    among `tools`, arguments that do not fit, a credential that was not given, a change without `yes`, no complete
    answer. What only you can mend is raised: UsageError, and CredentialError for a credential that cannot be used. In
    an event loop `nlapi.aio.answer` does the same without holding it up.
    """
    from nlapi import aio
    from nlapi.wait import wait

    return wait(aio.answer(tools, name, arguments, base_url=base_url, auth=auth, yes=yes))


def plan(question: str, spec: Spec, *, known: Mapping[str, Any] | None = None) -> Plan:
    """What the embedded planner makes of a question: no model, no network. `known` are values by argument name."""
    from nlapi.planner.planner import OfflinePlanner

    return OfflinePlanner((spec,)).plan(question, known=known)
