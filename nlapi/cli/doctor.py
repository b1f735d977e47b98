"""`nlapi doctor`: what is wrong with this installation, the APIs, their credentials and the models, and what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi import registry
from nlapi.cli.options import ListOutput, argument
from nlapi.cli.render import console, table
from nlapi.cli.render.streams import can_write
from nlapi.errors import NlapiError
from nlapi.system import others_can
from nlapi.version import __version__

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.tools.sending.run import Target

EPILOG = """Nothing is sent to an API; a description at a URL may be read again.

nlapi doctor
nlapi doctor shop
nlapi doctor -o json"""

FOLDERS = ("config", "state", "cache")
# Python's oldest version that nlapi runs on.
MIN_PYTHON = (3, 11)


class Health(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    """something that was set up does not work, or works in part"""
    ERROR = "error"
    """nothing works until it is mended"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is so with one part, and what to do about it; `action` is "" where there is nothing to do."""

    part: str
    health: Health
    finding: str
    action: str = ""


def doctor(
    sources: Annotated[list[str] | None, argument("[SOURCE]", "APIs to check. Default: the registered ones.")] = None,
    output: ListOutput = None,
) -> None:
    """Check the installation, APIs, logins and models, and say what to fix.

    Exits with 1 if something does not work.
    """
    findings = [*_installation(), *_folders(), *_policy_and_aliases(), *_questions(), *_models(), *_apis(sources or ())]
    if table.is_json(output):
        console.write(console.format_json([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            console.write(f"{finding.health.value:<8} {finding.part}: {finding.finding}")
            if finding.action:
                console.write(f"         -> {finding.action}")
    if any(finding.health is Health.ERROR for finding in findings):
        raise typer.Exit(1)


def _questions() -> Iterator[Finding]:
    """Yield the changes of MCP servers that wait for the user."""
    from nlapi.mcp.terminal_questions import waiting_questions

    if questions := waiting_questions():
        text = "1 change waits" if len(questions) == 1 else f"{len(questions)} changes wait"
        yield Finding("questions", Health.OK, f"{text} for your answer", "`nlapi approve` lists what waits")


def _fault(part: str, error: NlapiError, health: Health = Health.ERROR) -> Finding:
    return Finding(part, health, error.message, error.hint)


def _installation() -> Iterator[Finding]:
    from nlapi.errors import MODULES, has_extra, install_hint

    python = ".".join(map(str, sys.version_info[:3]))
    text = f"{__version__} on Python {python}, {sys.platform}"
    if sys.version_info[:2] < MIN_PYTHON:
        yield Finding("nlapi", Health.ERROR, text, "install Python 3.11 or newer")
    else:
        yield Finding("nlapi", Health.OK, text)
    first = shutil.which("nlapi")
    own = shutil.which("nlapi", path=str(Path(sys.executable).parent))
    if first and own and os.path.realpath(first) != os.path.realpath(own):
        yield Finding(
            "PATH",
            Health.WARNING,
            f"the shell's nlapi is {first}, and this one is {own}",
            "remove one of them, or put the folder of the other first in PATH",
        )
    missing = [extra for extra in MODULES if not has_extra(extra)]
    if missing:
        hint = f"install one if you need it, such as {install_hint(missing[0])}"
        yield Finding("extras", Health.OK, f"not installed: {', '.join(missing)}", hint)
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    if not can_write("─→…", encoding):
        yield Finding(
            "terminal",
            Health.WARNING,
            f"its encoding is {encoding}: characters outside of it are written as \\u2026",
            "chcp 65001 on Windows, or a locale with UTF-8 (LANG=C.UTF-8); PYTHONUTF8=1 for files",
        )


def _folders() -> Iterator[Finding]:
    for kind in FOLDERS:
        folder = registry.user_folder(kind)
        # Not `exists`, which raises for what may not be looked at.
        place = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
        name, hint = f"{kind} folder", f"set NLAPI_{kind.upper()}_DIR to a folder that you can write to"
        if not os.access(place, os.W_OK):
            yield Finding(name, Health.ERROR, f"{place} cannot be written", hint)
        elif place == folder and others_can(folder.stat(), 0o022):
            yield Finding(name, Health.WARNING, f"others can write to {folder}", f"chmod go-w {folder}")
        else:
            yield Finding(name, Health.OK, str(folder))


def _policy_and_aliases() -> Iterator[Finding]:
    try:
        from nlapi.tools.rules import parse_rules

        file, document = registry.read_policy()
        rules = parse_rules(document or {}, file)
        if rules:
            yield Finding("policy", Health.OK, f"{console.count_noun(len(rules), 'rule')} in {file}")
    except NlapiError as error:
        yield _fault("policy", error)
    try:
        from nlapi.cli.apis.aliases import read_aliases

        read_aliases()
    except NlapiError as error:
        yield _fault("aliases", error)


def _models() -> Iterator[Finding]:
    from nlapi.cli.ask.planners import can_ask_model, model_endpoint, model_settings

    try:
        model_settings()
        endpoint = model_endpoint(None)
    except NlapiError as error:
        yield _fault("models", error)
        return
    if can_ask_model():
        yield Finding("model", Health.OK, f"{endpoint.name}: there is a key for it")
    else:
        yield Finding(
            "model",
            Health.OK,
            "none: the embedded planner answers, without a network",
            "to use one: export ANTHROPIC_API_KEY=..., or name one in models.toml",
        )


def _apis(sources: Sequence[str]) -> Iterator[Finding]:
    try:
        names = list(sources or registry.read_registrations())
    except NlapiError as error:
        yield _fault("APIs", error)
        return
    if not names:
        yield Finding("APIs", Health.WARNING, "none is registered", "nlapi setup, or nlapi api add NAME")
    for name in names:
        yield from _api(name)


def _api(name: str) -> Iterator[Finding]:
    from nlapi.cli.target import load, open_target
    from nlapi.client.server import explain_server

    try:
        with console.silenced():
            spec = load(name)
    except NlapiError as error:
        yield _fault(name, error)
        return
    usable = sum(operation.usable for operation in spec.operations)
    counted = f"{console.plain_text(spec.title)}, {usable} of {len(spec.operations)} operations can be called"
    is_whole = usable == len(spec.operations)
    yield Finding(
        name,
        Health.OK if is_whole else Health.WARNING if usable else Health.ERROR,
        counted,
        "" if is_whole else f"nlapi check {name} lists the problems of the others",
    )
    try:
        with console.silenced():
            target, registered_values = open_target(name, None, None)
    except NlapiError as error:
        yield _fault(name, error)
        return
    if target.base_url is None and (note := explain_server(spec)):
        yield Finding(name, Health.WARNING, note)
    yield from _credentials(name, target)
    yield from _known_values(name, spec, registered_values)


def _credentials(name: str, target: Target) -> Iterator[Finding]:
    """Yield whether the credentials are enough for the operations that want one."""
    from nlapi.client.auth import alternatives, choose_alternative

    operations = [operation for operation in target.spec.operations if operation.usable and operation.security]
    wanting = [operation for operation in operations if all(alternatives(operation))]
    if not wanting or target.no_auth:
        return
    lacking = [operation for operation in wanting if choose_alternative(operation, target.credentials) is None]
    if not lacking:
        ids = ", ".join(target.credentials)
        yield Finding(name, Health.OK, f"credentials for all that want one: {ids}")
        return
    wanted = alternatives(lacking[0])
    options = " ".join(f"--auth {credential.id}=env:NAME" for credential in wanted[0]) if wanted else ""
    yield Finding(
        name,
        Health.WARNING,
        f"{len(lacking)} of {len(target.spec.operations)} operations want a credential that is not here",
        f"nlapi api add {name} ... {options}",
    )


def _known_values(name: str, spec: Spec, registered_values: dict[str, str]) -> Iterator[Finding]:
    import nlapi
    from nlapi.tools.arguments import find_argument

    tools = nlapi.tools(spec) if registered_values else ()
    for field in registered_values:
        if not any(find_argument(tool, field) is not None for tool in tools):
            yield Finding(
                name,
                Health.WARNING,
                f"no operation takes the registered value {field}",
                f"register {name} again without --set {field}=",
            )
