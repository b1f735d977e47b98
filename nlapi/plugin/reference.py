"""The reference of a plugin: every operation with its arguments and answers, in Markdown, in files of a resource."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from nlapi.client.safe_text import code_span
from nlapi.openapi.model import as_map
from nlapi.openapi.spec import Operation, Spec
from nlapi.plugin.markdown import fill_template, safe_line
from nlapi.plugin.names import callable_id
from nlapi.tools.areas import Area, Group
from nlapi.tools.argument_text import DETAILS, ArgumentBlock, Detail, SchemaText, shared_parts
from nlapi.tools.compile import compile_tool
from nlapi.tools.describe import fitting_parts, operation_head, operation_tail
from nlapi.tools.tool import Tool

# Of one file, with the parts that its operations share: a skill and one reference are read for one task, and stay under
# 12,000 together (`python -m benchmarks.plugin_corpus` prints the median).
MAX_CHARACTERS = 6_500
MAX_OPERATIONS = 80

# Of one operation without its parts. A longer one is written with less detail, and `--about` opens the rest.
MAX_ENTRY = 4_000

# Characters of a file that parts may take; of the others the path is given.
MAX_PARTS = 3_500
MAX_NAMED_PARTS = 12

MAX_ABOUT = 400

_DETAIL = Detail(text=220, choices=1_200, depth=3)

# Files of one area, whose skill names each of them and stays under 200 lines; of a larger area the files are larger.
MAX_FILES = 40

# An argument that stands in the same words in so many operations of a group is written once in a file.
MIN_COMMON = 3
MIN_COMMON_SIZE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReferenceEntry:
    """One operation: its text around the arguments, their lines, and the path of each part that they refer to."""

    operation: Operation
    head: str
    blocks: tuple[ArgumentBlock, ...]
    tail: str
    parts: Mapping[str, str]

    @property
    def id(self) -> str:
        return callable_id(self.operation)

    def text(self, common: frozenset[tuple[str, ...]]) -> str:
        """Return the entry, with the names only of the arguments in `common`."""
        own = [line for block in self.blocks if block.lines not in common for line in block.lines]
        others = [block for block in self.blocks if block.lines in common]
        names = [f"{code_span(block.name, 64)}{'*' if block.is_required else ''}" for block in others]
        lines = [*own, *([f"- see above: {', '.join(names)}"] if names else [])]
        return "\n\n".join(part for part in (self.head, "\n".join(lines), self.tail) if part)


@dataclass(slots=True, kw_only=True)
class _FileDraft:
    """The entries of a file, and the characters of all that is in it so far."""

    entries: list[_ReferenceEntry] = field(default_factory=list)
    size: int = 0
    common: dict[tuple[str, ...], None] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)


def reference_files(area: Area, title: str, command: str) -> dict[str, str]:
    """Return file name -> text: a file for each group, or several for one that is too large to be read at once."""
    part_sizes = area.operations[0].spec.derive(_part_sizes)
    drafts: _Drafts = []
    if len(area.groups) <= MAX_FILES:
        drafts = _divide([_GroupReference(group, part_sizes) for group in area.groups])
    if not drafts:
        whole = Group(slug=area.slug, label=area.label, about="", operations=area.operations)
        drafts = _divide([_GroupReference(whole, part_sizes)])
    return {file: text for group, parts in drafts for file, text in group.files(parts, title, command).items()}


def _divide(groups: Sequence[_GroupReference]) -> _Drafts:
    """Return the files of each group, MAX_FILES in all: as many more are in a file as it takes.

    An empty list where groups of their own would leave one of them in files that are far larger.
    """
    limit, max_operations = MAX_CHARACTERS, MAX_OPERATIONS
    while True:
        drafts = [(group, list(group.drafts(limit, max_operations))) for group in groups]
        count = sum(len(parts) for _, parts in drafts)
        if count <= MAX_FILES:
            return drafts
        if len(groups) > MAX_FILES // 2:
            return []
        factor = max(1.1, count / MAX_FILES)
        limit, max_operations = math.ceil(limit * factor), math.ceil(max_operations * factor)


def summary(operation: Operation, limit: int) -> str:
    """Return the summary of an operation on one line."""
    text = operation.summary.strip() or operation.description.strip().partition("\n\n")[0]
    return safe_line(text, limit).rstrip(".") or f"{operation.method} {safe_line(operation.path, limit)}"


def _part_sizes(spec: Spec) -> dict[str, int]:
    """Return the cache of a Spec: the characters of the parts by their name."""
    return {}


class _GroupReference:
    """The entries of a group, before they are divided into files."""

    def __init__(self, group: Group, part_sizes: dict[str, int]) -> None:
        self.group = group
        self._part_sizes = part_sizes
        tools = [compile_tool(operation) for operation in group.operations]
        self._definitions: dict[str, object] = {}
        for tool in tools:
            self._definitions |= as_map(tool.input_schema.get("$defs"))
        self._parts = shared_parts(tools)
        self._texts: dict[Detail, SchemaText] = {}
        self._entries = [self._entry(tool) for tool in tools]
        counts = Counter(block.lines for entry in self._entries for block in entry.blocks if block.name)
        self._common = frozenset(
            lines for lines, count in counts.items() if count >= MIN_COMMON and sum(map(len, lines)) > MIN_COMMON_SIZE
        )

    def files(self, drafts: Sequence[_FileDraft], title: str, command: str) -> dict[str, str]:
        """Return file name -> text."""
        files = {}
        for number, draft in enumerate(drafts, 1):
            name = self.group.slug if number == 1 else f"{self.group.slug}-{number}"
            common = frozenset(draft.common)
            files[f"{name}.md"] = fill_template(
                "reference.md",
                label=safe_line(self.group.label, 80) + (f" ({number} of {len(drafts)})" if len(drafts) > 1 else ""),
                title=title,
                command=command,
                operations=", ".join(entry.id for entry in draft.entries),
                common=_common_text(draft),
                entries="\n\n".join(entry.text(common) for entry in draft.entries),
                parts=self._parts_text(draft, command),
            )
        return files

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """The characters of each entry without what it shares."""
        return {entry.id: len(entry.text(self._common)) for entry in self._entries}

    def _entry(self, tool: Tool) -> _ReferenceEntry:
        operation = tool.operation
        for detail in (_DETAIL, *DETAILS[3:]):
            text = self._text(detail, {})
            blocks = text.argument_blocks(tool)
            if sum(len(line) for block in blocks for line in block.lines) <= MAX_ENTRY:
                break
        return _ReferenceEntry(
            operation=operation,
            head=f"## {callable_id(operation)}\n\n{operation_head(operation, MAX_ABOUT)}",
            blocks=tuple(blocks),
            tail=operation_tail(operation),
            parts=text.used_parts,
        )

    def drafts(self, limit: int, max_operations: int) -> Iterator[_FileDraft]:
        """Yield the entries by file; what the entries of a file share counts once."""
        draft = _FileDraft()
        for entry in self._entries:
            added = self._added_size(draft, entry)
            if draft.entries and (draft.size + added > limit or len(draft.entries) >= max_operations):
                yield draft
                draft = _FileDraft()
                added = self._added_size(draft, entry)
            draft.size += added
            draft.entries.append(entry)
            draft.common |= dict.fromkeys(block.lines for block in entry.blocks if block.lines in self._common)
            draft.parts |= {name: f"{entry.id} {path}" for name, path in entry.parts.items() if name not in draft.parts}
        yield draft

    def _added_size(self, draft: _FileDraft, entry: _ReferenceEntry) -> int:
        common = {
            block.lines for block in entry.blocks if block.lines in self._common and block.lines not in draft.common
        }
        parts = sum(self._part_size(name, path) for name, path in entry.parts.items() if name not in draft.parts)
        return self._sizes[entry.id] + sum(len(line) for lines in common for line in lines) + parts

    def _part_size(self, name: str, path: str) -> int:
        """Return the characters of a part with all that it refers to, as far as a file has room for them."""
        if name not in self._part_sizes:
            text = self._text(_DETAIL, {name: path})
            self._part_sizes[name] = min(sum(map(len, fitting_parts(text, MAX_PARTS)[0])), MAX_PARTS)
        return self._part_sizes[name]

    def _text(self, detail: Detail, used: Mapping[str, str]) -> SchemaText:
        """Return the text of this group's schemas in a detail; what was written before is not written again."""
        if detail not in self._texts:
            self._texts[detail] = SchemaText(definitions=self._definitions, detail=detail, parts=self._parts)
        return replace(self._texts[detail], used_parts=dict(used))

    def _parts_text(self, draft: _FileDraft, command: str) -> str:
        """Return the sections of the parts of a file, and how to open those without room."""
        sections, others = fitting_parts(self._text(_DETAIL, draft.parts), MAX_PARTS)
        lines = ["# Parts", *sections] if sections else []
        if others:
            named = [f"- {name}: `{command} --about {path}`" for name, path in list(others.items())[:MAX_NAMED_PARTS]]
            rest = len(others) - MAX_NAMED_PARTS
            named += [f"- … {rest} more, inside of these"] if rest > 0 else []
            lines.append("\n".join(["Left out here:", *named]))
        return "\n\n".join(lines)


def _common_text(draft: _FileDraft) -> str:
    """Return the arguments that several operations of a file take."""
    lines = [line for lines in draft.common for line in lines]
    return "\n".join(["Arguments of several operations here:", "", *lines]) if lines else ""


_Drafts = list[tuple[_GroupReference, list[_FileDraft]]]
"""The groups of an area, each with its files."""
