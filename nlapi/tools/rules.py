"""The rules of the user's policy: which API each means, what is sent and after what, and what models see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from nlapi import bundled
from nlapi.client.answer_fields import FieldFilter, check_field
from nlapi.client.server import server_sites
from nlapi.errors import UsageError
from nlapi.ip_addresses import ip_address
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.openapi.urls import is_http_url, parse_url
from nlapi.registry import description_name, profiles_path, read_policy, read_registrations
from nlapi.suggestions import suggestion

_ORIGIN = lazy_pattern(r"[a-z*]+://[^/]*/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiIdentity:
    """What a rule may call an API; no word of its description, whose author chooses them (docs/design/076).

    `names` are the registrations that its calls go through, or its name among the bundled APIs; `same_source` are the
    other registrations whose source is the same.
    """

    spec: Spec
    names: tuple[str, ...] = ()
    same_source: tuple[str, ...] = ()

    @property
    def suggestion(self) -> str:
        """Return the name that a rule is to call the API: its registration, else its origin, else its source."""
        return [*self.names, *self.same_source, *server_sites(self.spec.servers), _location(self.spec.source)][0]

    def is_accepted_as(self, name: str) -> bool:
        """Return whether the API is as the user accepted it when they registered it as `name`.

        An account is for the calls that go through it. A source that was registered may have changed since.
        """
        if name in self.names:
            return True
        from nlapi.tools.versions.pins import differences, read_pin

        pin = read_pin(name) if "@" not in name else None
        return "@" not in name and (pin is None or not differences(pin, self.spec))

    def is_named_by(self, globs: tuple[str, ...], *, strictly: bool) -> bool:
        """Return whether the globs of a rule name the API as a registration or a source.

        With `strictly` a glob names a source only where it is written as one, as a URL or the whole path of a file,
        and one that is written as an origin names no source.
        """
        if "*" in globs or any(matches_name(globs, name) for name in self.names):
            return True
        others = (name for name in self.same_source if matches_name(globs, name))
        if any(not strictly or self.is_accepted_as(name) for name in others):
            return True
        location = _location(self.spec.source)
        if not strictly:
            return matches_name(globs, self.spec.source) or matches_name(globs, location)
        mark = "://" if is_http_url(location) else "/"
        written = tuple(glob for glob in globs if mark in glob.replace("\\", "/") and not _ORIGIN.fullmatch(glob))
        return matches_name(written, location)

    def titled_glob(self, globs: tuple[str, ...], *, strictly: bool) -> str:
        """Return the first of some globs that is the title of the API and no origin that it sends to; "" for none.

        Without `strictly`, only one that is the name of no other API.
        """
        for glob in globs:
            if not matches_name((glob,), self.spec.title) or glob == "*":
                continue
            sites = server_sites(self.spec.servers)
            is_origin = bool(sites) and all(matches_origin((glob,), site) for site in sites)
            others = () if strictly else (*read_registrations(), *bundled.spec_names())
            if not is_origin and not any(matches_name((glob,), name) for name in others):
                return glob
        return ""


def identify(spec: Spec, name: str = "") -> ApiIdentity:
    """Return the identity of an API; `name` is the user's name for it: a registration or its source."""
    registrations = read_registrations()
    called = [text for text in (name, spec.registered) if text and description_name(text) in registrations]
    shipped = [text for text in (name, spec.source) if bundled.is_bundled(text)]
    names = tuple(dict.fromkeys((*called, *map(description_name, called), *shipped)))
    location = _location(spec.source)
    same = (other for other, entry in registrations.items() if _location(entry.source) == location)
    return ApiIdentity(spec=spec, names=names, same_source=tuple(it for it in same if it not in names))


def matches_name(globs: Iterable[str], text: str) -> bool:
    """Return whether one of some globs matches a text, in any case. Brackets are literal, as in ids and paths."""
    # `fnmatch` reads brackets as a set of characters, and ids such as `files[0]` or paths with `{id}` are not sets.
    return any(fnmatchcase(text.casefold(), glob.casefold().replace("[", "[[]")) for glob in globs)


def matches_origin(globs: Iterable[str], site: str) -> bool:
    """Return whether one of some globs is the origin of a request, `http://host:port`; `*` is each of them."""
    sites = (site, _same_host(site)) if site else ()
    return any(
        glob == "*" or ("://" in glob and any(matches_name((_site(glob), _same_host(glob)), each) for each in sites))
        for glob in globs
    )


def _same_host(site: str) -> str:
    """Return an origin with its host in the form that every spelling of it has: 127.1 and `host.` lead to the same."""
    with suppress(UsageError):
        if "*" not in site and _ORIGIN.fullmatch(site):
            url = parse_url(site)
            return replace(url, host=str(ip_address(url.host) or url.host.rstrip("."))).site
    return site.removesuffix("/")


def _site(glob: str) -> str:
    """Return a glob of an origin as requests have it: without a default port and a slash at its end."""
    with suppress(UsageError):
        if "*" not in glob and _ORIGIN.fullmatch(glob):
            return parse_url(glob).site
    return glob.removesuffix("/")


def _location(source: str) -> str:
    """Return a source as a URL, the whole path of a file, or the name of a bundled API."""
    is_path = not is_http_url(source) and not bundled.is_bundled(source)
    return str(Path(source).expanduser().resolve()) if is_path else source


HINT = "a rule has api, operation, effect (a glob, or a list of them) and verdict; the guide shows one, under Policy"
FIELD_HINT = "such a rule has hide or show (names of fields, or JSONPaths), and api, operation, effect as others have"
GLOBS = ("api", "operation", "effect")


class Ruling(StrEnum):
    """The verdict of a rule on a call, the most restrictive first."""

    # `deciding_rule` takes the first of several in this order, so the most restrictive wins wherever a rule stands.

    DENY = "deny"
    """it is never sent"""
    ASK = "ask"
    """it is sent only after a question, whatever was consented to in advance"""
    ALLOW = "allow"
    """it is sent without a question, unless something else speaks against it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRule:
    """What every rule says: the operations that it is about, of which APIs.

    `api`, `operation` and `effect` are globs, one of which has to match in any case of letters. `location` is the
    position of the rule: its file and its number there, from 1. `is_bound`: the API at hand is one that `api` names, as
    a registration or a source; a rule that is not bound is about the requests that go to an origin which `api` names.
    """

    # The fields have the names of the keys in the user's file; `__str__` reads them by these names.
    api: tuple[str, ...] = ("*",)
    operation: tuple[str, ...] = ("*",)
    effect: tuple[str, ...] = ("*",)
    location: str = ""
    is_bound: bool = False

    @property
    def is_permissive(self) -> bool:
        """Whether the rule lets something be sent; every other one holds something back."""
        return False

    def applies_to(self, operation: Operation, effect: Effect | None = None, site: str = "") -> bool:
        """Return whether the rule applies to an operation of an API that it is about, or that is called at `site`.

        `effect` is that of a call, where it is another than that of its operation.
        """
        is_about = self.is_bound or matches_origin(self.api, site)
        return is_about and matches_name(self.operation, operation.id) and self._matches_effect(operation, effect)

    def _matches_effect(self, operation: Operation, effect: Effect | None) -> bool:
        # A rule that holds back an operation holds back every call of it, whatever an argument makes of it.
        effects = {effect or operation.effect} if self.is_permissive else {effect or operation.effect, operation.effect}
        # Nor whatever a description says of it: a DELETE that states to write deletes.
        if operation.method == "DELETE" and not self.is_permissive:
            effects.add(Effect.DESTROY)
        return any(matches_name(self.effect, each) for each in effects)

    @property
    def limits(self) -> str:
        """Return the subject of the rule, in words for a person."""
        globs = ((name, getattr(self, name)) for name in GLOBS)
        return ", ".join(f"{name} {' or '.join(values)}" for name, values in globs if values != ("*",)) or "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule(ApiRule):
    """One rule of a policy, with its verdict."""

    verdict: Ruling

    @property
    def is_permissive(self) -> bool:
        return self.verdict is Ruling.ALLOW

    def __str__(self) -> str:
        return f"{self.verdict} {self.limits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule(ApiRule):
    """Fields of answers that no model sees (`hide`), or that alone it sees (`show`), of some operations.

    A person who calls an operation sees the whole.
    """

    hide: tuple[str, ...] = ()
    show: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"fields of {self.limits}"


RuleT = TypeVar("RuleT", PolicyRule, FieldRule)


def bind_rules(rules: Iterable[RuleT], identity: ApiIdentity) -> tuple[RuleT, ...]:
    """Return the rules that are about an API, and those that may be about an origin that it sends to.

    UsageError for a rule that called the API by its title, as earlier versions let it, and would no longer hold.
    """
    bound: list[RuleT] = []
    for rule in rules:
        if identity.is_named_by(rule.api, strictly=rule.is_permissive):
            bound.append(replace(rule, is_bound=True))
            continue
        if glob := identity.titled_glob(rule.api, strictly=not rule.is_permissive):
            raise UsageError(
                f"{rule.location} ({rule}): {glob!r} is the title of {identity.spec.source}, which its author chooses, "
                "and rules no longer go by titles",
                hint=f'write "{identity.suggestion}" in its place',
            )
        bound.append(rule)
    return tuple(bound)


def field_filter(rules: Iterable[FieldRule], operation: Operation, site: str = "") -> FieldFilter:
    """Return what of an operation's answers a model is shown: what any rule hides is hidden, whatever another shows."""
    applicable = [rule for rule in rules if rule.applies_to(operation, site=site)]
    hidden = tuple(dict.fromkeys(field for rule in applicable for field in rule.hide))
    return FieldFilter(hidden=hidden, shown=tuple(dict.fromkeys(field for rule in applicable for field in rule.show)))


def deciding_rule(
    rules: Iterable[PolicyRule], operation: Operation, effect: Effect | None = None, site: str = ""
) -> PolicyRule | None:
    """Return the rule that decides on an operation: the most restrictive that applies, the first of equals.

    `effect` is that of the call, and `site` the origin that its request goes to.
    """
    order = list(Ruling)
    applicable = (rule for rule in rules if rule.applies_to(operation, effect, site))
    return min(applicable, key=lambda rule: order.index(rule.verdict), default=None)


def is_denied(rule: PolicyRule | None) -> bool:
    return rule is not None and rule.verdict is Ruling.DENY


def denial_message(operation: Operation, rule: PolicyRule) -> str:
    """Return the reason why a call is never sent, for the user and for a model."""
    return f"{operation.id} is never sent: the user's policy says {rule}"


def read_rules(spec: Spec, name: str = "") -> tuple[PolicyRule, ...]:
    """Return the rules of the user's policy that may decide on calls of an API; `name` is the user's name for it.

    UsageError when the policy cannot be read, or has a rule that goes by the title of the API.
    """
    file, document = read_policy()
    identity = identify(spec, name)
    rules = parse_rules(document, file) if document is not None else ()
    return (*_profile_rules(identity), *bind_rules(rules, identity))


def _profile_rules(identity: ApiIdentity) -> Iterator[PolicyRule]:
    """Yield the rules that the profiles of an API have. UsageError for what is not a rule."""
    registrations = read_registrations()
    for name in (*identity.names, *identity.same_source):
        entry = registrations.get(name)
        if entry is not None and entry.rules:
            # They are about this API, whatever they say.
            stated = [{key: value for key, value in rule.items() if key != "api"} for rule in entry.rules]
            for rule in parse_rules({"rules": stated}, f"{profiles_path()}, {name}"):
                if not rule.is_permissive or identity.is_accepted_as(name):
                    yield replace(rule, is_bound=True)


def read_field_rules(spec: Spec, name: str = "") -> tuple[FieldRule, ...]:
    """Return the rules of the user's policy on the answers of an API, as `read_rules` does."""
    file, document = read_policy()
    return bind_rules(parse_field_rules(document, file), identify(spec, name)) if document is not None else ()


def parse_rules(document: Mapping[str, object], file: str) -> tuple[PolicyRule, ...]:
    """Return the rules in a policy. UsageError, with its position, for anything in it that is not a rule."""
    # An entry that is not understood stops the command, as it may have been meant as a `deny`.
    if unknown := [key for key in document if key not in ("rules", "fields")]:
        raise UsageError(f"{file}: {unknown[0]!r} is not known", hint="a policy has [[rules]] and [[fields]]")
    entries = _entries(document, "rules", file)
    return tuple(_parse_rule(entry, f"{file}, rule {number}") for number, entry in enumerate(entries, 1))


def parse_field_rules(document: Mapping[str, object], file: str) -> tuple[FieldRule, ...]:
    """Return the rules on answers in a policy. UsageError, with its position, for anything in it that is not a rule."""
    entries = _entries(document, "fields", file)
    return tuple(_parse_field_rule(entry, f"{file}, fields {number}") for number, entry in enumerate(entries, 1))


def _entries(document: Mapping[str, object], key: str, file: str) -> list[object]:
    entries = document.get(key, [])
    if not isinstance(entries, list):
        raise UsageError(f"{file}: {key} is not a list", hint=f"each begins with [[{key}]]")
    return entries


def unmatched(rules: Iterable[PolicyRule], operations: Iterable[Operation]) -> Iterator[str]:
    """Yield a sentence for each glob of a rule about one API that matches none of its operations."""
    ids = [operation.id for operation in operations]
    for rule in rules:
        if rule.api == ("*",) or not rule.is_bound:
            continue
        for glob in rule.operation:
            if not any(matches_name((glob,), id) for id in ids):
                hint = suggestion(glob, ids, count=3)
                yield f"{rule.location}: no operation is called {glob!r}" + (f" ({hint})" if hint else "")


def _parse_rule(entry: object, location: str) -> PolicyRule:
    table = _table(entry, ("verdict",), location, HINT)
    verdict = table.get("verdict")
    if verdict not in list(Ruling):
        verdicts = ", ".join(sorted(Ruling))
        fault = "there is no verdict" if verdict is None else f"the verdict {verdict!r} is not known"
        raise UsageError(f"{location}: {fault}", hint=f"it is one of {verdicts}")
    return PolicyRule(verdict=Ruling(verdict), location=location, **_parse_limits(table, location))


def _table(entry: object, keys: tuple[str, ...], location: str, hint: str) -> Mapping[str, Any]:
    """Return a rule as it is written. UsageError for what is no table, or has other keys than these and the globs."""
    if not isinstance(entry, Mapping):
        raise UsageError(f"{location} is not a table", hint=hint)
    if unknown := [key for key in entry if key not in (*GLOBS, *keys)]:
        raise UsageError(f"{location}: {unknown[0]!r} is not known", hint=hint)
    return entry


def _parse_limits(entry: Mapping[str, object], location: str) -> dict[str, Any]:
    """Return the globs that say what a rule is about."""
    globs = {name: _parse_globs(entry[name], f"{location}: {name}") for name in GLOBS if name in entry}
    for glob in globs.get("effect", ()):
        if not any(matches_name((glob,), effect) for effect in Effect):
            raise UsageError(f"{location}: the effect {glob!r} is not known", hint=f"it is one of {', '.join(Effect)}")
    return globs


def _parse_field_rule(entry: object, location: str) -> FieldRule:
    table = _table(entry, ("hide", "show"), location, FIELD_HINT)
    fields: dict[str, Any] = {
        name: _parse_globs(table[name], f"{location}: {name}") for name in ("hide", "show") if name in table
    }
    if not fields:
        raise UsageError(f"{location}: there is neither hide nor show", hint=FIELD_HINT)
    for field in (*fields.get("hide", ()), *fields.get("show", ())):
        try:
            check_field(field)
        except UsageError as error:
            raise UsageError(f"{location}: {error.message}", hint=FIELD_HINT) from None
    return FieldRule(location=location, **fields, **_parse_limits(table, location))


def _parse_globs(value: object, location: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(text, str) and text for text in values):
        raise UsageError(f"{location} is not text or a list of texts", hint='such as "delete*"')
    return tuple(values)
