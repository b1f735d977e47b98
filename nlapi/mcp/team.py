"""One server for a team: the settings of one TOML file, several APIs under prefixes, and what each role is offered."""

from __future__ import annotations

import json
import re
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

from nlapi import bundled
from nlapi.client.message import Limits
from nlapi.client.safe_text import single_line
from nlapi.errors import UsageError
from nlapi.local_files import fault_of
from nlapi.mcp.access import CallLimiter, TeamCaller
from nlapi.mcp.answers import ClientAnswers
from nlapi.mcp.audit import AuditTrail, CallMetrics
from nlapi.mcp.consent import Context
from nlapi.mcp.server_state import Oversight, ServerState, caller_of
from nlapi.mcp.settings import Consent, Settings
from nlapi.mcp.tickets import Tickets
from nlapi.mcp.tool_listing import ToolCatalogue, build_catalogue
from nlapi.openapi.selection import select_operations
from nlapi.openapi.spec import Effect, Operation
from nlapi.tools.repetition.ledger import Ledger
from nlapi.tools.rules import (
    ApiIdentity,
    FieldRule,
    PolicyRule,
    Ruling,
    bind_rules,
    is_denied,
    parse_field_rules,
    parse_rules,
)
from nlapi.tools.sending.run import Target, rule_of

SCHEMA = "specs/schemas/mcp-team.schema.json"
EVERYONE = "everyone"
"""The role of all callers where a file has no roles."""

_HEADER = re.compile(r"\s*\[{1,2}([^\[\]]+)\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\"'.@-]+)\s*=")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamApi:
    """One API of a team's server. `auth` and `change_auth` map security schemes to references such as `env:NAME`."""

    name: str
    source: str
    prefix: str = ""
    base_url: str | None = None
    auth: Mapping[str, str] = field(default_factory=dict)
    change_auth: Mapping[str, str] = field(default_factory=dict)
    no_auth: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    all_tools: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamRole:
    """The permissions of the callers of a role.

    `apis` are names, all where it is empty; `calls_per_minute` and `concurrency` are limits of each caller, 0 for none.
    `rules` and `field_rules` are added to those of the user's policy.
    """

    name: str
    apis: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    effects: frozenset[Effect] = frozenset(Effect)
    consent: Consent | None = None
    calls_per_minute: int = 0
    concurrency: int = 0
    rules: tuple[PolicyRule, ...] = ()
    field_rules: tuple[FieldRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamClient:
    """Who calls over HTTP: the reference of its token or its subject at the issuer, and its role."""

    name: str
    role: str
    token: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSettings:
    """The settings of a server for a team. `role` is that of a caller without a token, "" if none exists."""

    apis: tuple[TeamApi, ...]
    roles: Mapping[str, TeamRole]
    clients: tuple[TeamClient, ...] = ()
    role: str = ""
    http: str = ""
    stateless: bool = False
    consent: Consent = Consent.ELICIT
    audit: str = ""
    metrics: str = ""
    ttl_seconds: int = 0
    traces: str = ""
    issuer: str = ""
    audience: str = ""


def read_team(file: Path) -> TeamSettings:
    """Return the settings in a file. UsageError, with the line, for what is wrong in it."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(fault_of(file, error)) from None
    return parse_team(text, str(file))


def parse_team(text: str, location: str) -> TeamSettings:
    """Return the settings in a text; `location` is its file. UsageError, with the line, for what is wrong in it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{location} is not TOML: {error}") from None
    for path, message in _schema_faults(document):
        raise _fault(text, location, path, message)
    server = document.get("server", {})
    roles = {
        name: _parse_role(name, entry, f"{location}, line {line_of(text, ('roles', name))}")
        for name, entry in document.get("roles", {}).items()
    } or {EVERYONE: TeamRole(name=EVERYONE)}
    only = next(iter(roles)) if len(roles) == 1 else ""
    apis = tuple(_parse_api(name, entry) for name, entry in document["apis"].items())
    clients = tuple(
        TeamClient(name=name, role=entry.get("role", only), **_given(entry, "token", "subject"))
        for name, entry in document.get("clients", {}).items()
    )
    for path, name, known in _references(document, roles, clients, server.get("role", "")):
        if name not in known:
            name_text = f"is called {name!r}" if name else "is named"
            raise _fault(text, location, path, f"no {path[-1].rstrip('s')} {name_text}; there is {', '.join(known)}")
    for client in clients:
        if client.subject and not server.get("issuer"):
            message = "a subject needs an issuer, whose access tokens name it"
            raise _fault(text, location, ("clients", client.name, "subject"), message)
    for api in apis:
        if any(other is not api and other.prefix.startswith(api.prefix) for other in apis):
            raise _fault(
                text, location, ("apis", api.name, "prefix"), f"{api.prefix!r} begins the prefix of another API"
            )
    return TeamSettings(
        apis=apis,
        roles=roles,
        clients=clients,
        role=server.get("role", "" if clients else only),
        consent=Consent(server.get("consent", Consent.ELICIT)),
        **_given(server, "http", "stateless", "audit", "metrics", "ttl_seconds", "traces", "issuer", "audience"),
    )


def _schema_faults(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where a document breaks the published schema, the gravest first, and how."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(json.loads(bundled.text(SCHEMA))).iter_errors(document))
    if error is None:
        return
    path = tuple(str(step) for step in error.absolute_path)
    message = error.message
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        unknown = [key for key in error.instance if key not in error.schema.get("properties", {})]
        path = (*path, *unknown[:1])
        message = f"{unknown[0]!r} is not known; there is {', '.join(error.schema.get('properties', {}))}"
    elif str(error.schema.get("pattern", "")).startswith("^env:"):
        # The value may be a secret that somebody wrote there: it is not repeated.
        message = "is not a reference to a variable, such as env:TOKEN; a secret is in no file"
    yield path, message


def _fault(text: str, location: str, path: tuple[str, ...], message: str) -> UsageError:
    place = ".".join(path)
    line = line_of(text, path)
    return UsageError(
        f"{location}, line {line}: {place}: {message}" if place else f"{location}: {message}",
        hint="`nlapi mcp --config-schema` prints what such a file may have",
    )


def line_of(text: str, path: tuple[str, ...]) -> int:
    """Return the line, from 1, where a key of a TOML document or the nearest table around it is."""
    wanted = tuple(step for step in path if not step.isdigit())
    best, best_line = 0, 1
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _steps(header[1])
            steps = table
        elif key := _KEY.match(line):
            steps = (*table, *_steps(key[1]))
        else:
            continue
        if len(steps) > best and wanted[: len(steps)] == steps:
            best, best_line = len(steps), number
    return best_line


def _steps(key: str) -> tuple[str, ...]:
    return tuple(step.strip().strip("\"'") for step in key.split("."))


def _parse_api(name: str, entry: Mapping[str, Any]) -> TeamApi:
    lists = _given(entry, "include", "exclude", "overlays")
    plain = _given(entry, "source", "base_url", "auth", "change_auth", "no_auth", "known", "all_tools")
    return TeamApi(name=name, prefix=entry.get("prefix", f"{name}_"), **lists, **plain)


def _given(entry: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return the values of an entry that are there, lists as tuples."""
    values = {key: entry[key] for key in keys if key in entry}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _parse_role(name: str, entry: Mapping[str, Any], location: str) -> TeamRole:
    return TeamRole(
        name=name,
        effects=frozenset(map(Effect, entry.get("effects", tuple(Effect)))),
        consent=Consent(entry["consent"]) if "consent" in entry else None,
        rules=parse_rules({"rules": entry.get("rules", [])}, location),
        field_rules=parse_field_rules({"fields": entry.get("fields", [])}, location),
        **_given(entry, "apis", "include", "exclude", "calls_per_minute", "concurrency"),
    )


def _references(
    document: Mapping[str, Any], roles: Mapping[str, TeamRole], clients: tuple[TeamClient, ...], default: str
) -> Iterator[tuple[tuple[str, ...], str, list[str]]]:
    """Yield each name that a table gives of another one: where it is, the name, and those that there are."""
    for client in clients:
        yield ("clients", client.name, "role"), client.role, list(roles)
    if default:
        yield ("server", "role"), default, list(roles)
    for role in roles.values():
        yield from ((("roles", role.name, "apis"), name, list(document["apis"])) for name in role.apis)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApi:
    """An API of a team that was opened: its target, and the credentials for changes, None without others."""

    api: TeamApi
    target: Target
    change_credentials: Mapping[str, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)


class TeamOffer:
    """What a server for a team offers: for each role the APIs that it may call, with the operations that it may.

    All share the stored answers, the questions under way and the ledgers of the clients. UsageError for a role that has
    nothing left.
    """

    def __init__(
        self,
        settings: TeamSettings,
        opened: Sequence[OpenApi],
        *,
        report: Callable[[str], None],
        audit: AuditTrail | None = None,
        metrics: CallMetrics | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._anonymous = TeamCaller(role=settings.role)
        limiter, answers, tickets = CallLimiter(), ClientAnswers(), Tickets()
        ledgers: OrderedDict[str, Ledger] = OrderedDict()
        self._states: dict[str, tuple[ServerState, ...]] = {}
        for role in settings.roles.values():
            oversight = Oversight(
                audit=audit,
                metrics=metrics,
                limiter=limiter,
                calls_per_minute=role.calls_per_minute,
                concurrency=role.concurrency,
                role=role.name,
            )
            self._states[role.name] = tuple(
                ServerState(
                    target=catalogue_target,
                    catalogue=catalogue,
                    settings=catalogue.settings,
                    report=report,
                    change_credentials=entry.change_credentials,
                    api_name=entry.api.name,
                    oversight=oversight,
                    answers=answers,
                    tickets=tickets,
                    ledgers=ledgers,
                )
                for entry, catalogue_target, catalogue in _role_apis(role, settings, opened, limits or Limits())
            )
        titles = [single_line(entry.target.spec.title)[:80] for entry in opened]
        self.title = titles[0] if len(titles) == 1 else f"{len(titles)} APIs"
        self.instructions = _instructions(opened, titles)

    def states(self, context: Context) -> tuple[ServerState, ...]:
        return self.role_states(caller_of(context).role or self._anonymous.role)

    def role_states(self, role: str) -> tuple[ServerState, ...]:
        """Return the APIs of a role. UsageError for a caller without one."""
        if role not in self._states:
            raise UsageError("this caller has no role here", hint="who runs the server gives roles")
        return self._states[role]

    def forget_session(self, id: str) -> None:
        """Forget a session that its client has ended."""
        for state in self.all_states():
            state.forget_session(id)

    def all_states(self) -> tuple[ServerState, ...]:
        return tuple(state for states in self._states.values() for state in states)


def _role_apis(
    role: TeamRole, settings: TeamSettings, opened: Sequence[OpenApi], limits: Limits
) -> list[tuple[OpenApi, Target, ToolCatalogue]]:
    """Return what a role may call: each of its APIs with the rules of the role, and the operations that are left."""
    allowed = [entry for entry in opened if not role.apis or entry.api.name in role.apis]
    targets = [_role_target(role, entry) for entry in allowed]
    selected = [_role_operations(role, entry.api, target) for entry, target in zip(allowed, targets, strict=True)]
    consent = Consent.NEVER if role.effects == {Effect.READ} else role.consent or settings.consent
    offered = []
    for entry, target, operations in zip(allowed, targets, selected, strict=True):
        if not operations:
            continue
        chosen = Settings(
            consent=consent,
            all_tools=entry.api.all_tools,
            registered=dict(entry.values),
            prefix=entry.api.prefix,
            limits=limits,
        )
        offered.append((entry, target, build_catalogue(target.spec, operations, chosen)))
    if not offered:
        raise UsageError(f"the role {role.name!r} may call nothing", hint="see its apis, include, exclude and effects")
    return offered


def _role_target(role: TeamRole, entry: OpenApi) -> Target:
    identity = ApiIdentity(spec=entry.target.spec, names=(entry.api.name,))
    rules = bind_rules(role.rules, identity)
    refused = tuple(effect for effect in Effect if effect not in role.effects)
    if refused:
        rules += (PolicyRule(verdict=Ruling.DENY, effect=refused, location=f"the role {role.name}"),)
    fields = bind_rules(role.field_rules, identity)
    return replace(entry.target, rules=(*entry.target.rules, *rules), field_rules=(*entry.target.field_rules, *fields))


def _role_operations(role: TeamRole, api: TeamApi, target: Target) -> tuple[Operation, ...]:
    """Return the operations that both the API's filters and the role's select, and that no rule denies."""
    of_api = select_operations(target.spec, api.include, api.exclude).operations
    of_role = set(select_operations(target.spec, role.include, role.exclude).operations)
    return tuple(
        operation for operation in of_api if operation in of_role and not is_denied(rule_of(operation, target))
    )


def _instructions(opened: Sequence[OpenApi], titles: Sequence[str]) -> str:
    lines = [f"- {title}: `{entry.api.prefix}`" for entry, title in zip(opened, titles, strict=True)]
    return Template(bundled.text("prompts/mcp/team.md")).substitute(apis="\n".join(lines))
