"""The hand-made rules of the planner by name, and the switch that turns one off where it is measured.

The planner does not know the switch: a rule is a function (or a pattern) of one of its modules, and for the time of a
measurement another one stands in its place, which gives what is given where the rule does not apply.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import nlapi

_PLANNER = "nlapi.planner."
Instead = Callable[..., Any]


def _no(*_: Any, **__: Any) -> bool:
    return False


def _yes(*_: Any, **__: Any) -> bool:
    return True


def _none(*_: Any, **__: Any) -> None:
    return None


def _text(*_: Any, **__: Any) -> str:
    return ""


def _empty(*_: Any, **__: Any) -> tuple[Any, ...]:
    return ()


def _exhausted(*_: Any, **__: Any) -> Iterator[Any]:
    return iter(())


def _first(first: Any, *_: Any, **__: Any) -> Any:
    return first


def _second(_: Any, second: Any, *__: Any, **___: Any) -> Any:
    return second


_NOWHERE = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: where modules of the planner look it up when it is asked, and what stands there instead."""

    name: str
    places: tuple[tuple[str, str], ...]
    instead: Instead | re.Pattern[str]


def _rule(name: str, places: str, instead: Instead | re.Pattern[str] = _no) -> Rule:
    pairs = (place.split(":") for place in places.split())
    return Rule(name=name, places=tuple((_PLANNER + module, attribute) for module, attribute in pairs), instead=instead)


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        _rule("overrides", "slots.assignment:apply_overrides", _second),
        _rule("overrides: live name", "slots.overrides:_is_live_name"),
        _rule("overrides: choice in a name", "slots.overrides:_is_choice_in_name"),
        _rule("overrides: new name", "slots.overrides:_is_new_name"),
        _rule("overrides: item behind its noun", "slots.overrides:find_item_name", _none),
        _rule("overrides: reason", "slots.overrides:_gives_reason"),
        _rule("overrides: field set to", "slots.overrides:_is_set"),
        _rule("overrides: new value", "slots.overrides:_is_new_value"),
        _rule("overrides: only of its kind", "slots.overrides:_is_only_of_kind"),
        _rule("overrides: actor", "slots.overrides:_is_actor"),
        _rule("overrides: stated amount", "slots.overrides:is_stated_amount"),
        _rule("overrides: commanded flag", "slots.overrides:sets_commanded_flag"),
        _rule("refusals: unmet command", "unplanned:unmet_command", _text),
        _rule("notes: negations", "operations.plan_confidence:unexpressed_negations", _exhausted),
        _rule("notes: unused values", "planner:unused_values operations.plan_confidence:unused_values", _exhausted),
        _rule("notes: unused words", "planner:unused_words", _empty),
        _rule("confidence: explained plainly", "operations.plan_confidence:explains_plainly"),
        _rule("confidence: live name", "operations.plan_confidence:_takes_live_name"),
        _rule("confidence: certain", "planner:is_certain"),
        _rule("confidence: answer filters", "planner:without_answer_filters", _first),
        _rule("confidence: all corrections", "planner:correct_confidence", lambda *arguments, **_: arguments[3]),
        _rule("missing: fields of a change", "planner:missing_values", _empty),
        _rule("rewriting: spelling", "planner:find_misspelt", lambda *_: {}),
        _rule("rewriting: commands", "planner:read_command", _first),
        _rule("choice: caller or health", "operations.operation_choice:_caller_or_health", _none),
        _rule("choice: deletions", "operations.operation_choice:_without_deletions", _first),
        _rule("choice: purpose", "operations.operation_choice:_with_purpose", _first),
        _rule("choice: all names", "operations.operation_choice:_with_all_names", _first),
        _rule("choice: questions are no changes", "operations.operation_choice:_without_changes", _first),
        _rule("choice: commands are no reads", "operations.operation_choice:_without_reads", _first),
        _rule("choice: list to compare", "operations.operation_choice:_list_to_compare", _none),
        _rule("choice: state change", "operations.operation_choice:_state_change", _none),
        _rule("ids: references", "operations.id_resolution:_by_reference", _exhausted),
        _rule("ids: caller", "operations.id_resolution:_caller_read", _none),
        _rule("mentions: wrong sort", "slots.candidates:is_wrong_sort"),
        _rule("mentions: month", "slots.name_mentions:is_month"),
        _rule("mentions: other name", "slots.name_mentions:_is_other_name"),
        _rule("mentions: bound", "slots.name_mentions:_is_bound_or_too_small"),
        _rule("mentions: no reason", "slots.name_mentions:_is_no_reason"),
        _rule("mentions: order field", "slots.name_mentions:_is_order_field"),
        _rule("mentions: no page", "slots.name_mentions:_is_no_page"),
        _rule("mentions: about the call", "slots.candidates:is_about_call"),
        _rule("mentions: the verb itself", "slots.name_mentions:_has_verb"),
        _rule("mentions: field of the answer", "slots.name_mentions:_is_of_field"),
        _rule("mentions: counted by the answer", "slots.name_mentions:is_counted_by_answer"),
        _rule("mentions: may be owner", "slots.name_mentions:_may_be_owner"),
        _rule("mentions: ordinals", "slots.name_mentions:find_ordinals", _empty),
        _rule("mentions: modifiers", "slots.name_mentions:_modifiers", _second),
        _rule("mentions: plain names", "slots.name_mentions:_plain_names", _exhausted),
        _rule("mentions: item count", "slots.candidates:is_item_count"),
        _rule("mentions: number is an id", "slots.candidates:_may_be_id", _yes),
        _rule("mentions: takes words", "slots.candidates:takes_words", _yes),
        _rule("mentions: in a live name", "slots.candidates:_is_in_live_name"),
        _rule("candidates: paths", "slots.candidates:path_candidates", _exhausted),
        _rule("candidates: bodies", "slots.candidates:body_candidates", _exhausted),
        _rule("candidates: text behind a colon", "slots.candidates:_written_text", _exhausted),
        _rule("candidates: coordinates", "slots.candidates:coordinate_candidates", _exhausted),
        _rule("candidates: body pairs", "slots.candidates:_pairs", _exhausted),
        _rule("candidates: names", "slots.candidates:_name_candidates", _exhausted),
        _rule("choices: ruled out", "slots.choices:_ruled_out"),
        _rule("choices: rival slot", "slots.choices:_names_rival_slot"),
        _rule("choices: similar", "slots.choices:_similar", _none),
        _rule("choices: in part", "slots.choices:_in_part", _none),
        _rule("choices: codes", "slots.choices:_coded", lambda *_: {}),
        _rule(
            "choices: direction", "slots.choices:values_in_direction", lambda _, slot: {str(v): v for v in slot.choices}
        ),
        _rule("choices: similar words of flags", "slots.choices:_similar_words", lambda *_: {}),
        _rule("choices: defaults", "slots.choices:_default_stems", lambda _: frozenset()),
        _rule("choices: commanded", "slots.choices:_commanded", _none),
    )
}


def place_of(module: str, attribute: str) -> tuple[Any, Any]:
    """Return a module and what it has at a name."""
    found = importlib.import_module(module)
    return found, getattr(found, attribute)


@contextmanager
def without(rule: Rule) -> Iterator[None]:
    """Turn a rule off, in this process."""
    with _replaced(rule, lambda _: rule.instead):
        yield


@contextmanager
def traced(rules: Mapping[str, Rule], fired: set[str]) -> Iterator[None]:
    """Add to `fired` the names of the rules that are asked and say something else than what is said without them."""
    with ExitStack() as stack:
        for rule in rules.values():
            stack.enter_context(_replaced(rule, partial(_traced, rule, fired)))
        yield


@contextmanager
def _replaced(rule: Rule, other: Callable[[Any], Any]) -> Iterator[None]:
    originals = [(*place_of(module, attribute), attribute) for module, attribute in rule.places]
    for module, original, attribute in originals:
        setattr(module, attribute, other(original))
    try:
        yield
    finally:
        for module, original, attribute in originals:
            setattr(module, attribute, original)


def _traced(rule: Rule, fired: set[str], original: Any) -> Any:
    if not callable(rule.instead):
        return _TracedPattern(rule.name, original, fired)
    instead = rule.instead

    def ask(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        if isinstance(result, Iterator):
            result = list(result)
            if instead is not _exhausted or result:
                fired.add(rule.name)
            return iter(result)
        if rule.name not in fired:
            other = instead(*arguments, **options)
            if result is not other and result != other:
                fired.add(rule.name)
        return result

    return ask


@dataclass(frozen=True, slots=True)
class _TracedPattern:
    name: str
    pattern: Any
    fired: set[str]

    def __getattr__(self, method: str) -> Any:
        search = getattr(self.pattern, method)

        def ask(*arguments: Any) -> Any:
            found = search(*arguments)
            if isinstance(found, Iterator):
                found = list(found)
            if found:
                self.fired.add(self.name)
            return found

        return ask


def lines_of(rule: Rule) -> int:
    """Return the lines of code of a rule: of its functions, and of all that only they use."""
    uses, sizes = _definitions()
    gone = {_defined(*place) for place in rule.places} & sizes.keys()
    while further := {
        name for name, users in uses.items() if name in sizes and name not in gone and users and users <= gone
    }:
        gone |= further
    return sum(sizes[name] for name in gone)


Definition = tuple[str, str]
"""A module and a name at its top level."""


def _defined(module: str, attribute: str) -> Definition:
    """Return where a name of a module is defined, which may be another module that it imports it from."""
    return _imports(module).get(attribute, (module, attribute))


@cache
def _tree(module: str) -> ast.Module:
    path = Path(nlapi.__file__).parent.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> Mapping[str, Definition]:
    statements = (node for node in ast.walk(_tree(module)) if isinstance(node, ast.ImportFrom))
    return {
        alias.asname or alias.name: (statement.module or "", alias.name)
        for statement in statements
        for alias in statement.names
    }


@cache
def _definitions() -> tuple[Mapping[Definition, set[Definition]], Mapping[Definition, int]]:
    """Return the definitions that use each definition of the package, and the lines of those of the planner."""
    root = Path(nlapi.__file__).parent
    uses: defaultdict[Definition, set[Definition]] = defaultdict(set)
    sizes: dict[Definition, int] = {}
    for path in sorted(root.rglob("*.py")):
        module = ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        for statement in _tree(module).body:
            for name in _names_of(statement):
                if module.startswith(_PLANNER):
                    sizes[module, name] = _lines(statement)
                for node in ast.walk(statement):
                    used = node.id if isinstance(node, ast.Name) else ""
                    if used and used != name:
                        uses[_defined(module, used)].add((module, name))
    return uses, sizes


def _names_of(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [
        node.id for target in targets if target is not None for node in ast.walk(target) if isinstance(node, ast.Name)
    ]


def _lines(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    first: int = min((statement.lineno, *(decorator.lineno for decorator in decorators)))
    return (statement.end_lineno or first) - first + 1
