"""One server for a team: several APIs under prefixes, and what each role is offered of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import Template

from nlapi import bundled
from nlapi.client.limits import Limits
from nlapi.client.safe_text import single_line
from nlapi.errors import UsageError
from nlapi.mcp.access import CallLimiter, TeamCaller
from nlapi.mcp.answers import ClientAnswers
from nlapi.mcp.audit import AuditTrail, CallMetrics
from nlapi.mcp.consent import Context, PendingConsents
from nlapi.mcp.server_state import Oversight, ServerState, caller_of
from nlapi.mcp.settings import Consent, Settings
from nlapi.mcp.team_settings import TeamApi, TeamRole, TeamSettings
from nlapi.mcp.tool_listing import ToolCatalogue, build_catalogue
from nlapi.openapi.selection import select_operations
from nlapi.openapi.spec import Effect, Operation
from nlapi.tools.api_identity import ApiIdentity
from nlapi.tools.index import MAX_LISTED_TOOLS
from nlapi.tools.ledger import Ledger
from nlapi.tools.rules import PolicyRule, Ruling, bind_rules, is_denied
from nlapi.tools.run import Target, rule_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApi:
    """An API of a team that was opened: its target, and the credentials for changes, None where there are no others."""

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
        limiter, answers, pending = CallLimiter(), ClientAnswers(), PendingConsents()
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
                    pending_consents=pending,
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
    listed = _listed_apis(selected)
    offered = []
    for index, (entry, target, operations) in enumerate(zip(allowed, targets, selected, strict=True)):
        if not operations:
            continue
        chosen = Settings(
            consent=consent,
            all_tools=entry.api.all_tools,
            registered=dict(entry.values),
            prefix=entry.api.prefix,
            limits=limits,
            max_listed=MAX_LISTED_TOOLS if index in listed else 0,
        )
        offered.append((entry, target, build_catalogue(target.spec, operations, chosen)))
    if not offered:
        raise UsageError(f"the role {role.name!r} may call nothing", hint="see its apis, include, exclude and effects")
    return offered


def _listed_apis(selected: Sequence[Sequence[Operation]]) -> set[int]:
    """Return the positions of the APIs that have a tool for each operation; a search is in the place of the others."""
    # Models choose worse from many tools, so all APIs together list as many as one would; the smallest come first.
    room, listed = MAX_LISTED_TOOLS, set()
    for index in sorted(range(len(selected)), key=lambda index: len(selected[index])):
        if len(selected[index]) <= room:
            room -= len(selected[index])
            listed.add(index)
    return listed


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
    lines = [
        f"- {title}: tools that begin with `{entry.api.prefix}`" if entry.api.prefix else f"- {title}"
        for entry, title in zip(opened, titles, strict=True)
    ]
    return Template(bundled.text("prompts/mcp/team.md")).substitute(apis="\n".join(lines))
