"""The rules of the user's policy: what is sent without a question, only after one, or never, and what models see."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from nlapi.client.answer_fields import FieldFilter, check_field
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.registry import profiles_path, read_policy, read_registrations

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
class PolicyRule:
    """One rule of a policy.

    `api`, `operation` and `effect` are globs, one of which has to match in any case of letters. `location` is the
    position of the rule: its file and its number there, from 1.
    """

    # The fields have the names of the keys in the user's file; `__str__` reads them by these names.
    verdict: Ruling
    api: tuple[str, ...] = ("*",)
    operation: tuple[str, ...] = ("*",)
    effect: tuple[str, ...] = ("*",)
    location: str = ""

    def applies_to_api(self, names: Iterable[str]) -> bool:
        """Return whether the rule applies to an API that has these names."""
        return any(_matches(self.api, name) for name in names)

    def applies_to(self, operation: Operation) -> bool:
        """Return whether the rule applies to an operation of an API that it applies to."""
        return _matches(self.operation, operation.id) and _matches(self.effect, operation.effect)

    def __str__(self) -> str:
        globs = ((name, getattr(self, name)) for name in GLOBS)
        limits = [f"{name} {' or '.join(values)}" for name, values in globs if values != ("*",)]
        return f"{self.verdict} {', '.join(limits) or 'everything'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """Fields of answers that no model sees (`hide`), or that alone it sees (`show`), of some operations.

    `api`, `operation` and `effect` are as those of a PolicyRule. A person who calls an operation sees the whole.
    """

    api: tuple[str, ...] = ("*",)
    operation: tuple[str, ...] = ("*",)
    effect: tuple[str, ...] = ("*",)
    hide: tuple[str, ...] = ()
    show: tuple[str, ...] = ()
    location: str = ""

    def applies_to_api(self, names: Iterable[str]) -> bool:
        """Return whether the rule applies to an API that has these names."""
        return any(_matches(self.api, name) for name in names)

    def applies_to(self, operation: Operation) -> bool:
        """Return whether the rule applies to an operation of an API that it applies to."""
        return _matches(self.operation, operation.id) and _matches(self.effect, operation.effect)


def field_filter(rules: Iterable[FieldRule], operation: Operation) -> FieldFilter:
    """Return what of an operation's answers a model is shown: what any rule hides is hidden, whatever another shows."""
    applicable = [rule for rule in rules if rule.applies_to(operation)]
    hidden = tuple(dict.fromkeys(field for rule in applicable for field in rule.hide))
    return FieldFilter(hidden=hidden, shown=tuple(dict.fromkeys(field for rule in applicable for field in rule.show)))


def deciding_rule(rules: Iterable[PolicyRule], operation: Operation) -> PolicyRule | None:
    """Return the rule that decides on an operation: the most restrictive that applies, the first of equals."""
    order = list(Ruling)
    applicable = (rule for rule in rules if rule.applies_to(operation))
    return min(applicable, key=lambda rule: order.index(rule.verdict), default=None)


def is_denied(rule: PolicyRule | None) -> bool:
    """Return whether a rule denies a call."""
    return rule is not None and rule.verdict is Ruling.DENY


def denial_message(operation: Operation, rule: PolicyRule) -> str:
    """Return the reason why a call is never sent, for the user and for a model."""
    return f"{operation.id} is never sent: the user's policy says {rule}"


def read_rules(spec: Spec, name: str = "") -> tuple[PolicyRule, ...]:
    """Return the rules of the user's policy that apply to an API; `name` is the user's name for it.

    Its title, its source and each name that its source is registered under count as its names too. UsageError when the
    policy cannot be read.
    """
    file, document = read_policy()
    names = api_names(spec, name)
    rules = parse_rules(document, file) if document is not None else ()
    return tuple(rule for rule in (*_profile_rules(names), *rules) if rule.applies_to_api(names))


def _profile_rules(names: Iterable[str]) -> Iterator[PolicyRule]:
    """Yield the rules that the profiles of an API have. UsageError for what is no rule."""
    registrations = read_registrations()
    for name in names:
        entry = registrations.get(name)
        if entry is not None and entry.rules:
            # They are about this API, whatever they say.
            stated = [{key: value for key, value in rule.items() if key != "api"} for rule in entry.rules]
            yield from parse_rules({"rules": stated}, f"{profiles_path()}, {name}")


def read_field_rules(spec: Spec, name: str = "") -> tuple[FieldRule, ...]:
    """Return the rules of the user's policy on the answers of an API, as `read_rules` does."""
    file, document = read_policy()
    if document is None:
        return ()
    names = api_names(spec, name)
    return tuple(rule for rule in parse_field_rules(document, file) if rule.applies_to_api(names))


def api_names(spec: Spec, name: str = "") -> tuple[str, ...]:
    """Return the names by which a rule may call an API."""
    sources = (spec.source, str(Path(spec.source).expanduser().resolve()))
    registered = (registered_name for registered_name, entry in read_registrations().items() if entry.source in sources)
    return tuple(dict.fromkeys(text for text in (name, spec.registered, *registered, spec.title, spec.source) if text))


def parse_rules(document: Mapping[str, object], file: str) -> tuple[PolicyRule, ...]:
    """Return the rules in a policy. UsageError, with its position, for anything in it that is no rule."""
    # An entry that is not understood stops the command, as it may have been meant as a `deny`.
    if unknown := [key for key in document if key not in ("rules", "fields")]:
        raise UsageError(f"{file}: {unknown[0]!r} is not known", hint="a policy has [[rules]] and [[fields]]")
    entries = _entries(document, "rules", file)
    return tuple(_parse_rule(entry, f"{file}, rule {number}") for number, entry in enumerate(entries, 1))


def parse_field_rules(document: Mapping[str, object], file: str) -> tuple[FieldRule, ...]:
    """Return the rules on answers in a policy. UsageError, with its position, for anything in it that is no rule."""
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
        if rule.api == ("*",):
            continue
        for glob in rule.operation:
            if not any(_matches((glob,), id) for id in ids):
                similar = difflib.get_close_matches(glob, ids, n=3, cutoff=0.5)
                yield f"{rule.location}: no operation is called {glob!r}" + (
                    f" (did you mean {', '.join(similar)}?)" if similar else ""
                )


def _parse_rule(entry: object, location: str) -> PolicyRule:
    if not isinstance(entry, Mapping):
        raise UsageError(f"{location} is not a table", hint=HINT)
    for key in entry:
        if key not in (*GLOBS, "verdict"):
            raise UsageError(f"{location}: {key!r} is not known", hint=HINT)
    verdict = entry.get("verdict")
    if verdict not in list(Ruling):
        verdicts = ", ".join(sorted(Ruling))
        fault = "there is no verdict" if verdict is None else f"the verdict {verdict!r} is not known"
        raise UsageError(f"{location}: {fault}", hint=f"it is one of {verdicts}")
    return PolicyRule(verdict=Ruling(verdict), location=location, **_parse_limits(entry, location))


def _parse_limits(entry: Mapping[str, object], location: str) -> dict[str, tuple[str, ...]]:
    """Return the globs that say what a rule is about."""
    globs = {name: _parse_globs(entry[name], f"{location}: {name}") for name in GLOBS if name in entry}
    for glob in globs.get("effect", ()):
        if not any(_matches((glob,), effect) for effect in Effect):
            raise UsageError(f"{location}: the effect {glob!r} is not known", hint=f"it is one of {', '.join(Effect)}")
    return globs


def _parse_field_rule(entry: object, location: str) -> FieldRule:
    if not isinstance(entry, Mapping):
        raise UsageError(f"{location} is not a table", hint=FIELD_HINT)
    for key in entry:
        if key not in (*GLOBS, "hide", "show"):
            raise UsageError(f"{location}: {key!r} is not known", hint=FIELD_HINT)
    fields = {name: _parse_globs(entry[name], f"{location}: {name}") for name in ("hide", "show") if name in entry}
    if not fields:
        raise UsageError(f"{location}: there is neither hide nor show", hint=FIELD_HINT)
    for field in (*fields.get("hide", ()), *fields.get("show", ())):
        try:
            check_field(field)
        except UsageError as error:
            raise UsageError(f"{location}: {error.message}", hint=FIELD_HINT) from None
    return FieldRule(location=location, **fields, **_parse_limits(entry, location))


def _parse_globs(value: object, location: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(text, str) and text for text in values):
        raise UsageError(f"{location} is not a text or a list of texts", hint='such as "delete*"')
    return tuple(values)


def _matches(globs: Iterable[str], text: str) -> bool:
    """Return whether one of some globs matches a text, in any case. Brackets are literal, as in ids and paths."""
    # `fnmatch` reads brackets as a set of characters, and ids such as `files[0]` or paths with `{id}` are no such sets.
    return any(fnmatchcase(text.casefold(), glob.casefold().replace("[", "[[]")) for glob in globs)
