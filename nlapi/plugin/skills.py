"""Writes the skills of a plugin, with their descriptions, permissions and reference, and the agent among them."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from nlapi.client.safe_text import code_span, count_noun
from nlapi.english import lexicon
from nlapi.english.words import same_name, split_words, stem, stems_of
from nlapi.openapi.spec import Effect, Operation, Spec, as_map
from nlapi.plugin.argument_settings import ArgumentSetting, common_section
from nlapi.plugin.id_guide import IdGuide
from nlapi.plugin.markdown import fill_template, inert_line, safe_line, yaml_string
from nlapi.plugin.names import COMMAND_WORDS, callable_id
from nlapi.plugin.questions import Question, area_questions, questions
from nlapi.plugin.recipes import Recipe, recipe_index, recipe_usage, recipes_of_area, recipes_section
from nlapi.plugin.samples import accepts, argument_words, needed_names, placeholder, sample_arguments, takes_placeholder
from nlapi.plugin.subjects import Keywords, Subject, person_verbs, states, subjects
from nlapi.plugin.user_files import weave_notes
from nlapi.resources.effect_arguments import possible_effect
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.definitions.argument_text import DETAILS, ArgumentBlock, Detail, SchemaText, shared_parts
from nlapi.tools.definitions.describe import about_text, fitting_parts, operation_head, operation_tail
from nlapi.tools.quantities.units import Dimension, WireUnit, tool_units, unit_clause
from nlapi.tools.search.areas import Area, Group
from nlapi.tools.sending.files import file_form
from nlapi.tools.texts.names import join_names
from nlapi.tools.texts.prompt_injection import search_texts
from nlapi.tools.tool import Tool
from nlapi.workflows.chains import join_clauses

if TYPE_CHECKING:
    from nlapi.plugin.trial import Trial

# In characters, for all names and descriptions: 1,194 tokens at 3.6 characters, below file_checks.MAX_SESSION_TOKENS.
MAX_SESSION_TEXT = 4_300
MAX_DESCRIPTION = 420
MAX_MAIN = 260
MAX_AGENT = 150
MAX_LABEL = 110
MAX_VERBS = 7
MAX_OTHER_VERBS = 2
# In characters, of a row in the index of the main skill.
MAX_ROW = 280
# Words of fields: in a description no more than one reads, in the index as many as there is room for.
MAX_USES = 14
MAX_KEYWORDS = 30
_USUAL = frozenset(("create", "find", "change", "remove", "delete", "add", "update"))
_USUAL_OF_ALL = _USUAL | {"report"}
# Least stems in the text of a tag that its operations do not say as well, for it to be worth its place.
MIN_TELLING = 2
_SAYING_NOTHING = lexicon.stems("plugin/words", "saying_nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaText:
    """The texts about an area: its description, in every session, and its row in the index of the main skill."""

    description: str
    row: str


def area_texts(title: str, areas: Sequence[Area], used: int) -> dict[str, AreaText]:
    """Return slug of an area -> its texts; `used` characters are taken by other names and descriptions.

    A description is whole clauses: what one does with its things, the most usual first, then the words that tell it
    from the other areas. All have the same limit, that of the largest which still fit.
    """
    main = {
        operation
        for area in areas
        for subject in subjects(area.operations, area.label)[: max(1, len(area.groups))]
        for _, operation in subject.operations
    }
    keywords = Keywords(areas, main)
    names = {area.slug: _group_names(area) for area in areas}
    others = {slug: [name for other in names if other != slug for name in names[other]] for slug in names}
    drafts = {area.slug: _AreaDraft(title, area, keywords, others[area.slug]) for area in areas}
    texts: dict[str, str] = {}
    for limit in range(MAX_DESCRIPTION, 60, -4):
        texts = {slug: draft.description(limit) for slug, draft in drafts.items()}
        if used + sum(map(len, texts.values())) <= MAX_SESSION_TEXT:
            break
    return {slug: AreaText(description=text, row=drafts[slug].row()) for slug, text in texts.items()}


def _group_names(area: Area) -> list[frozenset[str]]:
    """Return the stems of the names of an area's groups, and of the things that these are about."""
    texts = [group.label for group in area.groups]
    texts += [subject.name for group in area.groups for subject in subjects(group.operations, group.label)[:1]]
    return [stems_of(text) for text in texts]


class _AreaDraft:
    """The parts of an area's texts, before they are cut to a limit."""

    def __init__(self, title: str, area: Area, keywords: Keywords, others: Sequence[frozenset[str]]) -> None:
        subjects_found = subjects(area.operations, area.label)
        self._head = f"{title} {_label(area, subjects_found)}"
        self._about = _telling_about(area, self._head)
        # The name of another area leads there: the repositories of a team are not a word for teams.
        self._clauses = [
            clause
            for clause in _clauses(area, subjects_found, self._head)
            if not (clause.is_noun and _is_named(clause.text, others))
        ]
        # Things that the head names already are in no row either.
        self._nouns = [name for name in _nouns(subjects_found, self._head) if not _is_named(name, others)]
        used_text = " ".join((self._head, *(clause.text for clause in self._clauses), *self._nouns))
        words = [word for word in keywords.of(area, used_text) if not _is_named(word, others)]
        self._words = words[:MAX_KEYWORDS]

    def description(self, limit: int) -> str:
        """Return the description: things, what one does with them, and words of their fields."""
        text, clauses, opening = self._head, self._clauses, ": "
        # The actions on the things of the head are a sentence: `Create, find and change campaigns`.
        if clauses and (verbs := clauses[0].verbs):
            text, clauses, opening = f"{_joined(verbs)} {self._head}", clauses[1:], ". Also: "
        # Of what is left, the words have a third: things that are seldom asked for would take all of it.
        room = limit - (limit - len(text)) // 4 if self._words else limit
        text = _with_clauses(text, opening, clauses, room)
        text = _listed(text, ". Covers ", self._words[:MAX_USES], limit)
        if self._about and len(text) + len(self._about) + 2 < limit:
            text = f"{text}. {self._about[:1].upper()}{self._about[1:]}"
        return f"{text[: MAX_DESCRIPTION - 1]}."

    def row(self) -> str:
        """Return the row of an index, which has room for more than a description."""
        text = self._about[:1].upper() + self._about[1:]
        names = [*self._nouns, *self._words]
        if text and names:
            text = f"{text.rstrip('.')}: "
        return _listed(text, "", names, MAX_ROW)


def _with_clauses(text: str, opening: str, clauses: Sequence[_WordClause], room: int) -> str:
    """Return a text with the clauses that there is room for; the first is there in any case."""
    separator, after = opening, "; "
    for number, clause in enumerate(clauses):
        joint = separator if number == 0 or not clause.is_noun else after
        if len(text) + len(joint) + len(clause.text) < (room if number else MAX_DESCRIPTION):
            text, separator, after = f"{text}{joint}{clause.text}", "; ", ", " if clause.is_noun else "; "
    return text


def _joined(verbs: Sequence[str]) -> str:
    """Return verbs as the beginning of a sentence."""
    text = join_clauses(verbs)
    return f"{text[:1].upper()}{text[1:]}"


def _is_named(text: str, names: Sequence[frozenset[str]]) -> bool:
    """Return whether all words of a text are in one of some names."""
    stems = stems_of(text)
    return any(stems <= name for name in names)


def _listed(text: str, opening: str, names: Sequence[str], limit: int) -> str:
    """Return a text with the names that a limit has room for."""
    separator = opening
    for name in names:
        if len(text) + len(separator) + len(name) < limit:
            text, separator = f"{text}{separator}{name}", ", "
    return text


def _label(area: Area, area_subjects: Sequence[Subject]) -> str:
    """Return the name of an area as a person would write it: its label, or its things where it is many groups."""
    names = [inert_line(" ".join(split_words(group.label)) or group.label, 40) for group in area.groups]
    by_size = sorted(range(len(names)), key=lambda place: -len(area.groups[place].operations))
    if len(names) > 1:
        return _listed("", "", [names[place] for place in by_size], MAX_LABEL + 1)
    # `repos` are repositories, `pulls` pull requests; `measurement datasets` say more than datasets do.
    is_key = bool(area_subjects) and same_name(names[0], area_subjects[0].key) and " " not in names[0]
    return area_subjects[0].name if is_key else names[0]


def _subject_words(about: str) -> list[str]:
    """Return the words of a text behind `Operations to manage`."""
    words = about.rstrip(".").split()
    while words and stem(words[0].lower()) in _SAYING_NOTHING:
        words = words[1:]
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class _WordClause:
    """What one does with a thing, or the thing alone; `verbs` where the thing is that of the whole area."""

    text: str
    is_noun: bool
    verbs: tuple[str, ...] = ()


def _clauses(area: Area, area_subjects: Sequence[Subject], label: str) -> list[_WordClause]:
    """Return what one does with the things of an area: all of the first, of the others what is not usual."""
    clauses = []
    used_stems = stems_of(label)
    for number, subject in enumerate(area_subjects):
        # Every area has something to create and to find, so only its first thing has it in the text.
        verbs = [verb for verb in usual_verbs(subject) if verb != subject.name]
        verbs = verbs if number == 0 else [verb for verb in verbs if verb not in _USUAL_OF_ALL][:MAX_OTHER_VERBS]
        # One reads a report, and reports nothing.
        verbs = ["read" if verb == "report" else verb for verb in verbs]
        words = stems_of(subject.name)
        if not verbs and words <= used_stems:
            continue
        used_stems |= words
        is_named = subject.name.lower() in label.lower() and len(area.groups) == 1
        text = ", ".join(verbs) + ("" if is_named else f" {subject.name}")
        commands = tuple(verbs) if is_named and number == 0 else ()
        clauses.append(_WordClause(text=text.strip(), is_noun=not verbs, verbs=commands))
    return clauses


def _nouns(area_subjects: Sequence[Subject], used_text: str) -> list[str]:
    """Return the names of things that are not known yet: each has a word that none before it has."""
    used_stems = stems_of(used_text)
    names = []
    for subject in area_subjects:
        if not stems_of(subject.name) <= used_stems:
            names.append(subject.name)
            used_stems |= stems_of(subject.name)
    return names


def usual_verbs(subject: Subject) -> list[str]:
    """Return what one does most with a thing: create, find, change, report and remove it, then set its state."""
    usual = [verb for verb in subject.verbs if verb in _USUAL]
    verbs = [*usual, *(verb for verb, *_ in states(subject)), *person_verbs(subject), *subject.verbs]
    commands = list(dict.fromkeys(inert_line(verb, 40) for verb in verbs))
    return [verb for verb in commands if " " not in verb or verb.startswith("turn ")][:MAX_VERBS]


def _telling_about(area: Area, label: str) -> str:
    """Return the text of a tag where it says more than its name, without words such as `Operations to manage`."""
    about = " ".join(_subject_words(inert_line(area.about, 110)))
    stems = stems_of(about) - stems_of(label) - _SAYING_NOTHING
    return about[:1].lower() + about[1:] if len(stems) >= MIN_TELLING and not about.endswith("…") else ""


def main_description(title: str, areas: Sequence[Area]) -> str:
    """Return the description of the skill of the whole API."""
    head, tail = f"Runs {title} for the user", "Start here, and whenever a request spans several areas."
    names = [_label(area, ()) for area in sorted(areas, key=lambda area: -len(area.operations))]
    return f"{_listed(head, ': ', names, MAX_MAIN - len(tail) - 1)}. {tail}"


def agent_description(title: str) -> str:
    """Return the description of the agent."""
    text = f"Gets a result in {title} that takes several calls. Shows every change before making it."
    return text if len(text) <= MAX_AGENT else f"Gets results in {title} that take several calls."[:MAX_AGENT]


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
        lines = [line for block in self.blocks if block.lines not in common for line in block.lines]
        others = [block for block in self.blocks if block.lines in common]
        names = (f"{code_span(block.name, 64)}{'*' if block.is_required else ''}" for block in others)
        lines += [f"- as above: {', '.join(names)}"] if others else []
        return "\n\n".join(filter(None, (self.head, "\n".join(lines), self.tail)))


@dataclass(slots=True, kw_only=True)
class _FileDraft:
    """The entries of a file, and the characters of all that is in it so far."""

    entries: list[_ReferenceEntry] = field(default_factory=list)
    size: int = 0
    common: dict[tuple[str, ...], None] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)


def reference_files(area: Area, title: str, command: str) -> dict[str, str]:
    """Return file name -> text: a file for each group, or several for one that is too large to be read at once."""
    drafts = _divide([_GroupReference(group) for group in area.groups]) if len(area.groups) <= MAX_FILES else []
    if not drafts:
        whole = Group(slug=area.slug, label=area.label, about="", operations=area.operations)
        drafts = _divide([_GroupReference(whole)])
    return {file: text for group, parts in drafts for file, text in group.files(parts, title, command).items()}


def _divide(groups: Sequence[_GroupReference]) -> _Drafts:
    """Return the files of each group, MAX_FILES in all: as many more are in a file as it takes.

    An empty list where separate groups would leave one of them in files that are far larger.
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

    def __init__(self, group: Group) -> None:
        self.group = group
        self._part_sizes = group.operations[0].spec.derive(_part_sizes)
        tools = [compile_tool(operation) for operation in group.operations]
        self._definitions: dict[str, object] = {}
        for tool in tools:
            self._definitions |= as_map(tool.input_schema.get("$defs"))
        self._parts = shared_parts(tools)
        self._texts: dict[Detail, SchemaText] = {}
        search_texts(set(map(about_text, group.operations)))
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
            lines = [line for lines in draft.common for line in lines]
            files[f"{name}.md"] = fill_template(
                "reference.md",
                label=safe_line(self.group.label, 80) + (f" ({number} of {len(drafts)})" if len(drafts) > 1 else ""),
                title=title,
                command=command,
                operations=", ".join(entry.id for entry in draft.entries),
                common="\n".join(["Arguments of several operations here:", "", *lines]) if lines else "",
                entries="\n\n".join(entry.text(common) for entry in draft.entries),
                parts=self._parts_text(draft, command),
            )
        return files

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """The characters of each entry without the shared parts."""
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
            head=f"## {callable_id(operation)}\n\n{operation_head(operation, MAX_ABOUT)} {_patch_note(tool)}".rstrip(),
            blocks=tuple(blocks),
            tail=operation_tail(operation),
            parts=text.used_parts,
        )

    def drafts(self, limit: int, max_operations: int) -> Iterator[_FileDraft]:
        """Yield the entries by file; a part that the entries of a file share counts once."""
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


def _patch_note(tool: Tool) -> str:
    """Return the effect of a PATCH on absent fields, as far as its content type shows it."""
    body = tool.operation.body
    if tool.operation.method != "PATCH" or body is None:
        return ""
    if "json-patch" in body.content_type:
        return "The body is a list of operations (JSON Patch, RFC 6902)."
    if "merge-patch" in body.content_type:
        return "It merges: fields you leave out stay, inside objects too, and null removes a field (RFC 7396)."
    if any("properties" in as_map(argument_schema(tool, name)) for name in tool.places):
        return "Fields you leave out stay. Whether an object is merged or replaced is not described: send it whole."
    return ""


_Drafts = list[tuple[_GroupReference, list[_FileDraft]]]
"""The groups of an area, each with its files."""


# Reads of the whole API that its main skill allows. Of ads and the gateway there are 21 and 39; of GitHub's and
# Slack's more, whose areas have skills that allow their own.
MAX_RULES = 60

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]*")


def read_rules(
    command: str, tools: str, operations: Sequence[Operation], members: Sequence[Operation], text: str
) -> str:
    """Return the rules of Claude Code for the reads of a skill, as its `allowed-tools`.

    They are those among its `members`, and those among all `operations` that its text names. A rule is for the
    whole word of one: `Bash(nlapi-shop listOrders:*)`. One that an argument makes a change has none, and none one with
    which the word of a change begins, or a word of the command, as some clients take a rule for a beginning. `tools` is
    the prefix of the names of the MCP server's tools, which asks about changes itself.
    """
    named = {*_WORD.findall(text), *map(callable_id, members)}
    changing = operations[0].spec.derive(_changing_words) if operations else frozenset()
    ids = [callable_id(operation) for operation in operations]
    others = sorted((*changing.intersection(ids), *COMMAND_WORDS))
    # In order, a word stands right before those that begin with it.
    reads = ((id, bisect_left(others, id)) for id in ids if id in named and id not in changing)
    words = [id for id, index in reads if not any(other.startswith(id) for other in others[index : index + 1])]
    rules = [f"Bash({command} {word}:*)" for word in dict.fromkeys((*words, "--find", "--about"))]
    return ", ".join([*rules, f"{tools}*"])


def _changing_words(spec: Spec) -> frozenset[str]:
    """Return the words of the operations that a call may change something with: each skill asks about them."""
    return frozenset(
        callable_id(operation) for operation in spec.operations if possible_effect(operation) is not Effect.READ
    )


MAX_SOURCES = 15

_FILE = "@PATH"
_ENTRY = re.compile(r"(?m)^## (\S+)$")

# A SKILL.md with its notes has to stay under 200 lines (Claude Code's own advice is 500); the rest is in the
# references.
MAX_LISTED_OPERATIONS = 40
# Required arguments in the line of an operation: nearly all have fewer, and a remainder says nothing.
MAX_REQUIRED = 12
MAX_UNITS = 8
MAX_NAMES_OF_UNIT = 6
MAX_EXAMPLES = 3

# Of an area with more operations the rest are named without a separate line, at most so many in a file.
MAX_NAMED = 120

# References of an area that stand apart, with blank lines; more of them are one list, a third of the lines.
MAX_SPACED_FILES = 12


def _area_body(outline: Outline, area: Area, files: Mapping[str, str]) -> str:
    """Return the text of an area's skill below its heading. `files` are its references."""
    elsewhere = {
        operation: f"{outline.name}:{outline.name}-{home.slug}"
        for home in outline.areas
        for operation in home.operations
        if home is not area
    }
    return fill_template(
        "area.md",
        **outline.values,
        operations=_operation_lines(area, files, outline.ids),
        ids=_ids_section(area, outline.ids, elsewhere, outline.values["main"]),
        units=_units_section(area),
        examples=examples(area_questions(area), outline),
    )


def _operation_lines(area: Area, files: Mapping[str, str], ids: IdGuide) -> str:
    """Return the operations by the reference that has them, the most usual on separate lines."""
    by_id = {callable_id(operation): operation for operation in area.operations}
    # Of many those that are not deprecated and least deep in the API have a line.
    order = sorted(area.operations, key=lambda operation: (operation.deprecated, operation.path.count("/")))
    main = set(order[:MAX_LISTED_OPERATIONS])
    common = set(ids.common_names(area.operations))
    parts = []
    for file, text in files.items():
        members = [by_id[id] for id in _ENTRY.findall(text) if id in by_id]
        lines = [_operation_line(operation, common) for operation in members if operation in main]
        others = [f"`{callable_id(operation)}`" for operation in members if operation not in main]
        named = join_names(others, MAX_NAMED)
        link = f"[{file}](references/{file})"
        if len(files) > MAX_SPACED_FILES:
            head = f"- {link}, also {named}:" if lines and others else f"- {link}: {named}".rstrip()
            parts.append("\n".join([head, *(f"  {line}" for line in lines)]))
        elif lines:
            parts.append("\n".join([f"{link}:", "", *lines, *([f"- also {named}"] if others else [])]))
        else:
            parts.append(f"{link}: {named}")
    return ("\n" if len(files) > MAX_SPACED_FILES else "\n\n").join(parts)


def _operation_line(operation: Operation, common: Collection[str]) -> str:
    required = [code_span(name, 40) for name in needed_names(compile_tool(operation)) if name not in common]
    arguments = f"; {join_names(required, MAX_REQUIRED)}" if required else ""
    deprecated = "deprecated, " if operation.deprecated else ""
    about = inert_line(summary(operation, 100), 100)
    return f"- `{callable_id(operation)}` ({deprecated}{operation.effect}{arguments}): {about}"


def _ids_section(area: Area, ids: IdGuide, elsewhere: Mapping[Operation, str], main: str) -> str:
    lines = list(ids.lines(area.operations, MAX_SOURCES, elsewhere))
    common = [code_span(name, 64) for name in ids.common_names(area.operations)]
    if common and elsewhere:
        lines.insert(0, f"- {join_names(common, 8)}: for most operations, see the skill `{main}`")
    elif common:
        lines = [*ids.common_lines(), *lines]
    return _section("## Where ids come from", lines)


def _section(heading: str, lines: Sequence[str]) -> str:
    """Return lines below a heading; "" without lines."""
    return "\n".join([heading, "", *lines]) if lines else ""


def _units_section(area: Area) -> str:
    """Return what an area's values are counted in, and how amounts, times and files are given."""
    names_by_unit: dict[str, tuple[WireUnit, dict[str, None]]] = {}
    files: dict[str, None] = {}
    formats: set[object] = set()
    for tool in map(compile_tool, area.operations):
        for path, unit in tool_units(tool).items():
            names_by_unit.setdefault(unit_clause(unit), (unit, {}))[1][code_span(path, 64)] = None
        files |= {f"`{name}=@PATH`": None for name in tool.places if file_form(tool, name) is not None}
        formats |= {as_map(schema).get("format") for schema in tool.input_schema["properties"].values()}
    lines = []
    for clause, (unit, names) in islice(names_by_unit.items(), MAX_UNITS):
        scale = f", {1 / unit.size:,f} to one {_ONE_OF[unit.dimension]}" if unit.size < 1 else ""
        lines.append(f"- {join_names(list(names), MAX_NAMES_OF_UNIT)}: {clause}{scale}")
    if formats & {"date", "date-time"}:
        lines.append("- Dates are `2026-12-01`; times have their zone, as `2026-12-01T09:00:00Z` (UTC) or `+02:00`")
    lines += [f"- Files: {join_names(list(files), MAX_NAMES_OF_UNIT)}"] if files else []
    return _section("## Units, times and files", lines)


_ONE_OF = {
    Dimension.MONEY: "unit of the currency",
    Dimension.TIME: "second",
    Dimension.DATA: "byte",
    Dimension.SHARE: "per cent",
}


def examples(questions: Sequence[Question], outline: Outline) -> str:
    """Return up to three sentences of a person with the commands that they come to, each tried in a sandbox."""
    texts = list(islice(filter(None, (_example(question, outline) for question in questions)), MAX_EXAMPLES))
    note = "The ids are made up: use those that the look-up returns. After a yes, replace `--dry-run` with `--yes`."
    is_change = any("--dry-run" in text for text in texts)
    return "\n\n".join([*(["## Examples"] if texts else []), *texts, *([note] if is_change else [])])


def _example(question: Question, outline: Outline) -> str:
    operation, ids, command = question.operation, outline.ids, outline.values["command"]
    sources = ids.for_operation(operation)
    sample = sample_arguments(operation)
    if sample is None:
        sample = sample_arguments(operation, blank=True) or {}
        tool = compile_tool(operation)
        if not sample or not all(takes_placeholder(argument_schema(tool, name)) for name in sample):
            return ""
    elif not accepts(compile_tool(operation), {**sample, **question.arguments}):
        return ""
    if question.arguments:
        # A sample has a value for a body that would be empty, and here there is one.
        sample = {name: value for name, value in sample.items() if name in needed_names(compile_tool(operation))}
    required = _with_placeholders(operation, sample, ids)
    lookups = [
        (source.operation, _with_placeholders(source.operation, arguments, ids))
        for name, source in sources.items()
        if name in required and name not in ids.common and source.operation is not operation
        if (arguments := sample_arguments(source.operation, blank=True)) is not None
    ]
    calls = [*lookups, (operation, {**required, **question.arguments})]
    if not outline.trial.succeeds(calls):
        return ""
    lines = dict.fromkeys(f"{command} {callable_id(entry)}{argument_words(values)}" for entry, values in calls)
    block = "\n".join(lines) + ("" if operation.effect is Effect.READ else " --dry-run")
    return f'"{question.text}"\n\n```\n{block}\n```'


def _with_placeholders(operation: Operation, arguments: Mapping[str, object], ids: IdGuide) -> dict[str, object]:
    """Return arguments in which a file, and an id that is looked up, is a placeholder, where one is taken."""
    looked_up = {*ids.for_operation(operation), *ids.common}
    tool = compile_tool(operation)
    return {
        name: _FILE
        if file_form(tool, name) is not None
        else placeholder(name)
        if name in looked_up and takes_placeholder(argument_schema(tool, name))
        else value
        for name, value in arguments.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The data that all texts of a plugin share. `values` are those of every template, `notes` are people's."""

    spec: Spec
    name: str
    title: str
    subject: str
    """the title without the words for what an API is"""
    areas: tuple[Area, ...]
    ids: IdGuide
    trial: Trial
    values: Mapping[str, str]
    notes: Mapping[str, str]
    settings: tuple[ArgumentSetting, ...] = ()
    recipes: tuple[Recipe, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """The arguments that have a setting."""
        return [setting.argument for setting in self.settings]

    @property
    def operations(self) -> list[Operation]:
        return [operation for area in self.areas for operation in area.operations]

    def allowed(self, members: Sequence[Operation], text: str) -> str:
        """Return the permission rules of a skill with these operations and this text."""
        return read_rules(self.values["command"], self.values["tools"], self.operations, members, text)

    @property
    def has_area_skills(self) -> bool:
        """Whether areas are separate skills."""
        return len(self.areas) > 1

    def skill_name(self, area: Area) -> str:
        return f"{self.name}-{area.slug}" if self.has_area_skills else self.name


def build_skills(outline: Outline) -> dict[str, str]:
    """Return path under `skills/` -> text."""
    description = main_description(outline.subject, outline.areas)
    described: dict[str, AreaText] = {}
    if outline.has_area_skills:
        size = sum(len(outline.skill_name(area)) for area in outline.areas) + 2 * len(outline.name)
        used = size + len(description) + len(agent_description(outline.subject))
        described = area_texts(outline.subject, outline.areas, used)
    texts: dict[str, str] = {}
    bodies: dict[str, str] = {}
    for area in outline.areas:
        files = reference_files(area, outline.title, outline.values["command"])
        skill_name = outline.skill_name(area)
        texts |= {f"{skill_name}/references/{file}": text for file, text in files.items()}
        text = _area_body(outline, area, files)
        recipes = recipes_of_area(outline.recipes, area.operations)
        section = recipes_section(recipes, outline.values["command"], outline.arguments)
        bodies[skill_name] = "\n\n".join(filter(None, (text, section)))
        if outline.has_area_skills:
            texts |= _area_skill(outline, area, bodies[skill_name], described[area.slug].description)
    body = [fill_template("rules.md", **outline.values)]
    if outline.has_area_skills:
        common = common_section(outline.ids.common_lines(), outline.arguments, outline.values["command"])
        rows = [_area_row(outline, area, described[area.slug].row) for area in outline.areas]
        body += [fill_template("where.md", rows="\n".join(rows)), common]
        body += [recipe_index(outline.recipes, outline.values["command"])]
        body += [examples(questions(outline.areas, 3 * MAX_EXAMPLES), outline)]
    else:
        body += list(bodies.values())
        body += [recipe_usage(outline.recipes, outline.values["command"])]
        body += [common_section([""], outline.arguments, outline.values["command"])] if outline.settings else []
    reads = [operation for operation in outline.operations if operation.effect is Effect.READ]
    index = fill_template(
        "skill.md",
        **outline.values,
        allowed=outline.allowed(reads if len(reads) <= MAX_RULES else (), "\n\n".join(body)),
        name=outline.name,
        description=yaml_string(description),
        heading=outline.title,
        about=inert_line(outline.spec.description, 500),
        body="\n\n".join(body),
        notes="@notes@",
    )
    areas = outline.areas if outline.has_area_skills else ()
    area_notes = {name for area in areas for name in (area.slug, outline.skill_name(area))}
    names = [name for name in outline.notes if name not in area_notes]
    return {**weave_notes(outline.name, index, names, outline.notes), **texts}


def _area_skill(outline: Outline, area: Area, body: str, description: str) -> dict[str, str]:
    skill_name, label = outline.skill_name(area), inert_line(area.label, 80)
    about = inert_line(area.about, 200).rstrip(".")
    about = about or f"{count_noun(len(area.operations), 'operation')} of {outline.title}"
    text = fill_template(
        "skill.md",
        **outline.values,
        allowed=outline.allowed(area.operations, body),
        name=skill_name,
        description=yaml_string(description),
        heading=f"{outline.title}: {label}",
        about=f"{about}.",
        body=body,
        notes="@notes@",
    )
    return weave_notes(skill_name, text, (area.slug, skill_name), outline.notes)


def build_agent(outline: Outline) -> str:
    """Return the agent that turns a goal into calls of several areas."""
    rows = "\n".join(_area_row(outline, area, "") for area in outline.areas)
    ids = [*outline.ids.common_lines(), *outline.ids.lines(outline.operations, MAX_SOURCES, {})]
    return fill_template(
        "agent.md",
        **outline.values,
        name=outline.name,
        description=yaml_string(agent_description(outline.subject)),
        title=outline.title,
        rows=rows,
        ids="\n".join(ids) or "The user calls things by the names that the API uses.",
    )


def _area_row(outline: Outline, area: Area, text: str) -> str:
    """Return the row of an area in an index: a text, else that of its tag, else what one does with its things."""
    about = text or inert_line(area.about, 120).rstrip(".") or _actions(area)
    sentence = about if not about or about.endswith(("?", "!", "…")) else f"{about[:1].upper()}{about[1:]}."
    skill = f"{outline.name}:{outline.skill_name(area)}"
    return f"- {inert_line(area.label, 80)} ({len(area.operations)}): {sentence} `{skill}`"


def _actions(area: Area) -> str:
    """Return what one does with the first things of an area: `create campaigns, find ad sets, change history`."""
    return ", ".join(
        subject.name if verb == "report" else f"{verb} {subject.name}"
        for subject in subjects(area.operations, area.label)[:3]
        for verb in subject.verbs[:1]
    )
