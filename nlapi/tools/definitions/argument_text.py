"""Writes the arguments of operations as Markdown: nested objects and unions, all choices, units, and what is left out.

Schemas that several places share are parts: they are written once, under their name. What a detail has no room for is
counted in the text and marked with `…`, so that nothing is cut unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nlapi.client.safe_text import code_span
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import as_list, as_map
from nlapi.resources.schemas import merge
from nlapi.tools.quantities.unit_evidence import read_unit
from nlapi.tools.quantities.units import WireUnit, stated_unit, unit_clause
from nlapi.tools.sending.files import file_form
from nlapi.tools.texts.names import join_names
from nlapi.tools.texts.plain_text import cut_text, safe_line
from nlapi.tools.tool import Tool

Schema = Mapping[str, Any]

# Steps of `$ref`s and `allOf`s that are merged, and branches of unions that are written.
MAX_STEPS = 8
MAX_BRANCHES = 24

# Characters of a rendered schema from which on it is worth a separate part.
_MIN_PART = 160

# The sentence of a manifest on the unit of an amount, which these texts state in their own words.
_UNIT_SENTENCE = "A number is in "


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much is written: characters of a text and of the choices of a value, levels of nested objects, fields of an
    object."""

    text: int
    choices: int
    depth: int
    fields: int = 80


class StatedRequirement(StrEnum):
    """What a text says of whether a value has to be given."""

    NONE = ""
    ALWAYS = "always"
    ELSE = "else"
    """required where another value is not given"""


def stated_requirement(text: str) -> StatedRequirement:
    """Return what a text says of whether its value is required, where the schema says nothing of it."""
    for sentence in _SENTENCE.split(text.lower()) if "required" in text.lower() else ():
        if _ELSE.search(sentence):
            return StatedRequirement.ELSE
        if _REQUIRED.search(sentence) and not _CONDITION.search(sentence):
            return StatedRequirement.ALWAYS
    return StatedRequirement.NONE


# `This field is required.`, `Required: the name`, `(required)`; what follows a condition is required by that alone.
_SENTENCE = lazy_pattern(r"(?<=[.;!])\s|\n\s*\n")
_REQUIRED = lazy_pattern(
    r"^\W*required\b(?! (?:if|for|when|by|to))|\((?:required)\)|\b(?:is|are) (?:always )?required\b"
)
_CONDITION = lazy_pattern(r"\b(?:if|when|unless|for|only|with|where|once|not required|case)\b")
_ELSE = lazy_pattern(r"\brequired\s+(?:unless|(?:if|when)\s+\S+\s+(?:is|are)\s+(?:not|omitted|missing|absent))\b")

DETAILS = (
    Detail(text=1_000, choices=2_400, depth=6, fields=200),
    Detail(text=400, choices=1_600, depth=5, fields=120),
    Detail(text=200, choices=1_000, depth=4),
    Detail(text=120, choices=600, depth=3),
    Detail(text=80, choices=400, depth=2),
    Detail(text=80, choices=240, depth=1, fields=60),
    Detail(text=0, choices=160, depth=1, fields=60),
    Detail(text=0, choices=80, depth=0, fields=40),
)
"""The details of a text that has to fit a size, the most first."""

FULL = Detail(text=4_000, choices=6_000, depth=6, fields=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentBlock:
    """The lines of one argument; of those that are left out where `name` is ""."""

    name: str
    lines: tuple[str, ...]
    is_required: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)
    """the parts that its lines refer to, with the path of the first value of each"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSection:
    """The section of a part, and the parts that it refers to, each with its path inside of this one: `.spec`."""

    text: str
    parts: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class SchemaText:
    """The text of schemas with common definitions. `parts` are the definitions that are written under their name."""

    definitions: Schema
    detail: Detail
    parts: frozenset[str] = frozenset()
    used_parts: dict[str, str] = field(default_factory=dict)
    """the parts that texts refer to so far, with the path of the first value of each"""
    blocks: dict[tuple[int, str, bool, str], tuple[object, ArgumentBlock]] = field(default_factory=dict)
    """the blocks of arguments so far by their schema: many operations take the same parameter"""
    sections: dict[tuple[str, Detail], PartSection] = field(default_factory=dict)
    """the sections of parts so far"""

    def part_section(self, name: str, detail: Detail) -> PartSection:
        """Return the section of a part in a detail: its heading, its kind and its fields."""
        if (name, detail) not in self.sections:
            text = SchemaText(definitions=self.definitions, detail=detail, parts=self.parts)
            schema = text.merged(self.definitions.get(name))
            about, is_cut = cut_text(_own_text(schema), detail.text)
            # A path that begins at the part, as different values lead to it.
            inner = text.inner_lines(schema, path="", level=0, parents=(name,))
            kind = "" if inner and "properties" in schema else f"{text.kind(schema)}. "
            head = f"{kind}{about}{' …' if is_cut and about else ''}".strip()
            lines = [f"### {name}", "", *([head, ""] if head else []), *inner]
            section = PartSection(text="\n".join(lines).strip(), parts=text.used_parts)
            self.sections[name, detail] = section
        return self.sections[name, detail]

    def argument_blocks(self, tool: Tool) -> list[ArgumentBlock]:
        """Return the lines of each argument of a tool, the required ones first."""
        properties = tool.input_schema["properties"]
        order = sorted(properties, key=lambda name: name not in tool.required)
        blocks: list[ArgumentBlock] = []
        for name in order[: self.detail.fields]:
            form = file_form(tool, name)
            kind = {"file": "a file, as `@PATH`", "files": "a list of files, each as `@PATH`"}.get(form or "", "")
            required = name in tool.required
            wire = tool.places.get(name, ("", name))[1] or name
            key = id(properties[name]), f"{name} {wire}", required, kind
            if key not in self.blocks:
                before, self.used_parts = self.used_parts, {}
                lines = self.field_lines(name, properties[name], required=required, path=name, wire=wire, kind=kind)
                block = ArgumentBlock(name=name, lines=tuple(lines), is_required=required, parts=self.used_parts)
                # The schema is stored too: the id of an object that was freed may be reused for another.
                self.blocks[key] = properties[name], block
                self.used_parts = before
            block = self.blocks[key][1]
            self.used_parts |= {part: path for part, path in block.parts.items() if part not in self.used_parts}
            blocks.append(block)
        more = tuple(self._more(order))
        return [*blocks, *([ArgumentBlock(name="", lines=more)] if more else [])]

    def field_lines(
        self,
        name: str,
        schema: object,
        *,
        required: bool,
        path: str,
        wire: str = "",
        kind: str = "",
        level: int = 0,
        parents: tuple[str, ...] = (),
    ) -> list[str]:
        """Return the line of a value, with the lines of what is inside of it."""
        node = as_map(schema)
        definition = _ref_name(node)
        merged = self.merged(node)
        text = self._value_text(merged)
        is_part = definition in self.parts
        required = required or stated_requirement(_own_text(merged)) is StatedRequirement.ALWAYS
        clauses = ["required"] if required else []
        if is_part:
            self.used_parts.setdefault(definition, path)
            clauses.append(f"see {definition}")
        else:
            clauses.append(kind or self.kind(merged))
            clauses += self._limits(wire or name, merged)
            for part, first in self.used_parts.items():
                self.used_parts[part] = first or path
        about = f": {text}" if text else ""
        line = f"{'  ' * level}- {code_span(name, 64)} ({', '.join(clauses)}){about}"
        if is_part:
            return [line]
        parents = (*parents, definition) if definition else parents
        if level + 1 > self.detail.depth and (names := self._inner_names(merged)):
            clauses[clauses.index(kind or self.kind(merged))] += f" of {names}, …"
            return [f"{'  ' * level}- {code_span(name, 64)} ({', '.join(clauses)}){about}"]
        return [line, *self.inner_lines(merged, path=path, level=level + 1, parents=parents)]

    def _inner_names(self, schema: Schema) -> str:
        """Return the names of the fields that have no line, as many as there is room for."""
        names = [code_span(name, 40) for _, inner in self._children(schema) for name in as_map(inner.get("properties"))]
        return join_names(list(dict.fromkeys(names)), _MAX_INNER)

    def inner_lines(self, schema: Schema, *, path: str, level: int, parents: tuple[str, ...]) -> list[str]:
        """Return the lines of the fields of an object, of the entries of a list, of the branches of a union."""
        names = self._children(schema)
        if not names or level > self.detail.depth or len(parents) > 24:
            return []
        lines: list[str] = []
        for label, inner in names:
            fields = as_map(inner.get("properties"))
            if label:
                lines.append(f"{'  ' * level}- {label}")
            required = as_list(inner.get("required"))
            order = sorted(fields, key=lambda name: name not in required)
            for name in order[: self.detail.fields]:
                definition = _ref_name(fields[name])
                if definition and definition in parents and definition not in self.parts:
                    lines.append(f"{'  ' * (level + bool(label))}- {code_span(name, 64)} (as above: {definition})")
                    continue
                lines += self.field_lines(
                    name,
                    fields[name],
                    required=name in required,
                    path=f"{path}.{name}",
                    level=level + bool(label),
                    parents=parents,
                )
            lines += self._more(order, level + bool(label))
        return lines

    def _more(self, order: Sequence[str], level: int = 0) -> list[str]:
        """Return the line with the names of the fields that are left out."""
        others = order[self.detail.fields :]
        if not others:
            return []
        names = ", ".join(code_span(name, 64) for name in others[:40])
        rest = f", … {len(others) - 40} more" if len(others) > 40 else ""
        return [f"{'  ' * level}- … {len(others)} more: {names}{rest}"]

    def _children(self, schema: Schema, depth: int = 0) -> list[tuple[str, Schema]]:
        """Return the objects inside a schema, each with the label of its branch; "" where there is only one."""
        if depth > MAX_STEPS:
            return []
        items = schema.get("items")
        if isinstance(items, Mapping) and items and "properties" not in schema:
            return [] if _ref_name(items) in self.parts else self._children(self.merged(items), depth + 1)
        children: list[tuple[str, Schema]] = [("", schema)] if as_map(schema.get("properties")) else []
        for number, branch in enumerate(_branches(schema)[:MAX_BRANCHES], 1):
            name = _ref_name(branch)
            merged = self.merged(branch)
            if name in self.parts or not (as_map(merged.get("properties")) or "items" in merged):
                continue
            label = f"either, as {name}:" if name else f"either, as form {number}:"
            title = safe_line(str(merged.get("title") or ""), 40)
            label = f"either, as {title}:" if title and not name else label
            children += [(label, inner) for _, inner in self._children(merged, depth + 1)]
        # The only object of a union needs no label.
        if len(children) == 1:
            children = [("", children[0][1])]
        if not children and isinstance(values := schema.get("additionalProperties"), Mapping):
            merged = self.merged(values)
            inner = [] if _ref_name(values) in self.parts else self._children(merged, depth + 1)
            children = [("each value:", entry) for _, entry in inner]
        return children

    def merged(self, schema: object, steps: int = 0) -> Schema:
        """Return a schema with its `$ref` and `allOf` merged, and a union of one branch as that branch."""
        node = as_map(schema)
        if steps > MAX_STEPS:
            return node
        if name := _ref_name(node):
            beside = {key: value for key, value in node.items() if key != "$ref"}
            target = self.merged(self.definitions.get(name), steps + 1)
            # The unit of an amount may stand in the definition alone.
            if "description" in beside and (note := _unit_note(target)) and not _unit_note(beside):
                beside["description"] = f"{beside['description']} {note}"
            node = {**target, **beside}
        if "allOf" in node:
            result: Schema = {}
            for part in as_list(node["allOf"]):
                result = merge(result, self.merged(part, steps + 1))
            node = merge(result, {key: value for key, value in node.items() if key != "allOf"})
        branches = _branches(node)
        if len(branches) == 1 and "properties" not in node and not isinstance(branches[0].get("items"), Mapping):
            beside = {key: value for key, value in node.items() if key not in ("anyOf", "oneOf")}
            node = {**self.merged(branches[0], steps + 1), **beside}
        return node

    def kind(self, schema: Schema, depth: int = 0) -> str:
        """Return the kind of a value in a few words."""
        if depth > 4:
            return "any value"
        if "const" in schema:
            return code_span(schema["const"], 80)
        if "enum" in schema:
            return self._choices(schema["enum"])
        types = schema.get("type", ())
        names = [types] if isinstance(types, str) else [name for name in as_list(types) if isinstance(name, str)]
        # A manifest lets an amount be a text too, which the unit says.
        names = [name for name in names if name != "null" and not (name == "string" and _unit_note(schema))]
        if branches := _branches(schema) if "properties" not in schema else []:
            kinds = dict.fromkeys(self._branch_kind(branch, depth) for branch in branches[:MAX_BRANCHES])
            more = f" or {len(branches) - MAX_BRANCHES} more" if len(branches) > MAX_BRANCHES else ""
            return " or ".join(kinds) + more
        if "array" in names or ("items" in schema and not names):
            return f"list of {self._entry_kind(schema.get('items'), depth)}"
        if "object" in names or "properties" in schema:
            return self._object_kind(schema, depth)
        return " or ".join(_plain_kind(name, schema) for name in names) or "any value"

    def _branch_kind(self, branch: Schema, depth: int) -> str:
        name = _ref_name(branch)
        if name in self.parts:
            self.used_parts.setdefault(name, "")
            return f"see {name}"
        merged = self.merged(branch)
        return name if name and "properties" in merged else self.kind(merged, depth + 1)

    def _entry_kind(self, items: object, depth: int) -> str:
        name = _ref_name(as_map(items))
        if name in self.parts:
            self.used_parts.setdefault(name, "")
            return f"{name} (see there)"
        return self.kind(self.merged(items), depth + 1) if as_map(items) else "any values"

    def _object_kind(self, schema: Schema, depth: int) -> str:
        values = schema.get("additionalProperties")
        if as_map(schema.get("properties")) or not isinstance(values, Mapping) or not values:
            return "object"
        return f"object of any names, each {self._entry_kind(values, depth)}"

    def _choices(self, values: Sequence[object]) -> str:
        spans = [code_span(value, 120) for value in values if value is not None]
        size, shown = 0, 0
        for span in spans:
            size += len(span) + 2
            if shown and size > self.detail.choices:
                break
            shown += 1
        more = f", … {len(spans) - shown} more" if shown < len(spans) else ""
        return f"one of {', '.join(spans[:shown])}{more}" if len(spans) != 1 else spans[0]

    def _limits(self, name: str, schema: Schema) -> list[str]:
        """Return the restrictions of a value: its unit, bounds, lengths and default."""
        limits = []
        inner = self.merged(schema["items"]) if isinstance(schema.get("items"), Mapping) else schema
        unit = _noted_unit(inner) or read_unit(name, [inner, *_branches(inner)], _own_text(schema))
        limits += [unit_clause(unit)] if unit is not None and "enum" not in inner else []
        limits += _range_texts(schema)
        if isinstance(pattern := schema.get("pattern"), str) and len(pattern) <= 60 and not _unit_note(schema):
            limits.append(f"matching {code_span(pattern, 60)}")
        if "default" in schema and schema["default"] not in (None, "", [], {}):
            limits.append(f"{code_span(schema['default'], 60)} if not given")
        limits += ["deprecated"] if schema.get("deprecated") is True else []
        return limits

    def _value_text(self, schema: Schema) -> str:
        """Return the description of a value as far as the detail has room, with an example where it needs one."""
        text, is_cut = cut_text(_own_text(schema), self.detail.text)
        is_open = bool(text) and not is_cut and text[-1].isalnum()
        examples = as_list(schema.get("examples"))
        example = examples[0] if examples else schema.get("example")
        is_plain = isinstance(example, str) and 0 < len(example) <= 60 and self.detail.text
        is_shown = is_plain and "enum" not in schema and str(example) not in text and "default" not in schema
        parts = [text, "…" if is_cut and text else ""]
        if is_shown and "format" not in schema:
            parts = [f"{text}." if is_open else text, *parts[1:], f"Such as {code_span(example, 60)}."]
        return " ".join(part for part in parts if part)


# Fields of an object without separate lines that are named.
_MAX_INNER = 24

_COUNTS = (("minItems", "maxItems", "entries"), ("minLength", "maxLength", "characters"))

# The bounds of whole numbers of 32 and 64 bits, which say nothing.
_BIT_BOUNDS = frozenset((2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1))


def _range_texts(schema: Schema) -> Iterator[str]:
    """Yield the bounds of a number and the counts of a list or a text."""
    low, high = (
        value if isinstance(value := schema.get(key), int | float) and value not in _BIT_BOUNDS else None
        for key in ("minimum", "maximum")
    )
    yield from _range_text(low, high)
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']}"
    if "exclusiveMaximum" in schema:
        yield f"below {schema['exclusiveMaximum']}"
    for least_key, most_key, noun in _COUNTS:
        least, most = schema.get(least_key), schema.get(most_key)
        least = least if isinstance(least, int) and least > 1 else None
        yield from _range_text(least, most if isinstance(most, int) else None, f" {noun}")


def _range_text(least: float | None, most: float | None, noun: str = "") -> Iterator[str]:
    if least is not None and most is not None:
        yield f"{most}{noun}" if noun and least == most else f"{least} to {most}{noun}"
    elif least is not None or most is not None:
        yield f"at most {most}{noun}" if least is None else f"at least {least}{noun}"


def _unit_note(schema: Schema) -> str:
    """Return the sentence of a manifest on the unit of an amount; "" for any other schema."""
    _, mark, rest = str(schema.get("description", "")).rpartition(_UNIT_SENTENCE)
    return f"{mark}{rest}" if mark else ""


def _noted_unit(schema: Schema) -> WireUnit | None:
    """Return the unit that the sentence of a manifest states."""
    name = _unit_note(schema).removeprefix(_UNIT_SENTENCE).partition(":")[0]
    return stated_unit(name.replace(" ", "_")) if name else None


def _own_text(schema: Schema) -> str:
    text = schema.get("description")
    return text.partition(_UNIT_SENTENCE)[0].strip() if isinstance(text, str) else ""


def _ref_name(schema: object) -> str:
    ref = as_map(schema).get("$ref")
    return ref.rpartition("/")[2] if isinstance(ref, str) else ""


def _branches(schema: Schema) -> list[Schema]:
    """Return the branches of a union, without null."""
    branches = [as_map(part) for key in ("oneOf", "anyOf") for part in as_list(schema.get(key))]
    return [branch for branch in branches if branch.get("type") != "null"]


def _plain_kind(kind: str, schema: Schema) -> str:
    format = schema.get("format")
    if kind != "string" or not isinstance(format, str):
        return safe_line(kind, 30)
    known = {
        "date": "date, as `2026-12-01`",
        "date-time": "time with its zone, as `2026-12-01T09:00:00Z`",
        "binary": "a file, as `@PATH`",
    }
    return known.get(format, f"string, {safe_line(format, 30)}")


def shared_parts(tools: Sequence[Tool]) -> frozenset[str]:
    """Return the names of the definitions that stand in several places of some tools, and are worth a part."""
    counts: Counter[str] = Counter()
    definitions: dict[str, Any] = {}
    for tool in tools:
        definitions |= as_map(tool.input_schema.get("$defs"))
        counts.update(_refs_in(tool.input_schema["properties"]))
    seen: set[str] = set()
    todo = list(counts)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        inner = list(_refs_in(definitions.get(name)))
        counts.update(inner)
        todo += inner
    return frozenset(name for name, count in counts.items() if count > 1 and _is_large(definitions.get(name)))


def _is_large(schema: object) -> bool:
    node = as_map(schema)
    if "enum" in node:
        return len(str(node["enum"])) > _MIN_PART
    has_fields = bool(node.get("properties") or node.get("allOf") or node.get("oneOf") or node.get("anyOf"))
    has_items = bool(as_map(as_map(node.get("items")).get("properties")))
    return (has_fields or has_items) and len(str(node)) > _MIN_PART


def _refs_in(node: object) -> Iterator[str]:
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, Mapping):
            if name := _ref_name(current):
                yield name
            todo += [value for key, value in current.items() if key not in ("enum", "examples", "default", "$defs")]
        elif isinstance(current, list):
            todo += current
