"""`nlapi tools`: a manifest or a table of the LLM tools of a description, stored beside its parsed tree."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import nlapi
from nlapi import bundled, registry
from nlapi.cli import target
from nlapi.cli.options import Exclude, Include, Overlays, Root, Source, is_terminal, option
from nlapi.cli.render import console, table
from nlapi.errors import NlapiError, UsageError
from nlapi.registry import Registration
from nlapi.system import others_can

if TYPE_CHECKING:
    from nlapi.openapi.cache import Cache
    from nlapi.openapi.spec import Operation, Spec
    from nlapi.tools.tool import Tool


EPILOG = """A filter is tag:GLOB, id:GLOB, path:GLOB or method:GLOB; a bare GLOB is an operationId or a path.

nlapi tools ads
nlapi tools ads --include tag:campaigns --exclude method:DELETE
nlapi tools openapi.yaml --include 'path:/campaigns/*' --include 'id:list*'
nlapi tools openapi.yaml --overlay better.yaml --format openai > tools.json
nlapi tools openapi.yaml --include id:createOrder --format markdown --argument order.items
nlapi tools shop --workflows shop.arazzo.yaml --format anthropic > tools.json
nlapi tools openapi.yaml --defer --loaded 'id:list*' --format anthropic > tools.json"""


class Format(StrEnum):
    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    OPENAI_RESPONSES = "openai-responses"
    MCP = "mcp"
    GEMINI = "gemini"
    MARKDOWN = "markdown"


class ToolSearch(StrEnum):
    """The kinds of Claude's tool search: by words, or by a regular expression."""

    BM25 = "bm25"
    REGEX = "regex"


def tools(
    source: Source,
    format: Annotated[Format | None, option("--format -f", "The manifest format, or markdown.")] = None,
    include: Include = None,
    exclude: Exclude = None,
    overlays: Overlays = None,
    root: Root = None,
    strict: Annotated[bool, option("--strict", "Make as many tools strict as one request allows.")] = False,
    defer: Annotated[
        bool,
        option("--defer", "Defer definitions; the provider searches them (anthropic, openai-responses)."),
    ] = False,
    loaded: Annotated[
        list[str] | None, option("--loaded FILTER", "With --defer: operations that are always loaded.")
    ] = None,
    tool_search: Annotated[
        ToolSearch | None, option("--tool-search", "With --defer: how Claude searches. Default: bm25.")
    ] = None,
    workflows: Annotated[
        list[str] | None,
        option("--workflows FILE", "An Arazzo document; each of its workflows becomes a tool. Repeatable."),
    ] = None,
    argument: Annotated[
        str | None, option("--argument NAME", "With markdown: one argument, or a part such as order.items.")
    ] = None,
    # The command of a plugin, which has its own way to ask for a part.
    opener: Annotated[str | None, typer.Option("--opener", hidden=True)] = None,
) -> None:
    """Turn a description into tools for an LLM.

    Exits with 1 if the filters leave no operation.
    """
    if (loaded or tool_search) and not defer:
        raise UsageError("--loaded and --tool-search are about deferred definitions", hint="give --defer too")
    if argument and format is not Format.MARKDOWN:
        raise UsageError("--argument is about the text of an operation", hint="give --format markdown too")
    is_whole = not (include or exclude or overlays or root or loaded or workflows)
    stored = None
    if is_whole and format not in (None, Format.MARKDOWN) and not is_terminal():
        stored = StoredManifest(source, (format, strict, defer, tool_search))
        if stored.write():
            return
    from nlapi.tools.compile import defer_tools
    from nlapi.tools.compile import tools as compile_tools
    from nlapi.tools.definitions.manifest import manifest

    spec = target.load(source, overlays, root)
    chosen = target.select(spec, include, exclude)
    injections = target.injections(spec)
    compiled = compile_tools(spec, chosen)
    if skipped := len(chosen) - len(compiled):
        console.note(f"{skipped} of {len(chosen)} operations could not be converted; `nlapi check {source}` says why")
    added = _workflow_tools(spec, source, workflows, chosen, compiled) if workflows else ()
    compiled += added
    if defer:
        compiled = defer_tools(compiled, target.select(spec, loaded, option="loaded") if loaded else ())
    target.note_injections(spec)
    omissions = _omission_counts(chosen)
    for message, count in omissions.items():
        console.note(f"{count} of {len(chosen)} operations: {message}")
    if format is None and is_terminal():
        _print_tools(compiled, frozenset(tool.name for tool in added))
    elif format is Format.MARKDOWN:
        _print_texts(compiled, argument, source, opener)
    else:
        definitions = manifest(compiled, format or Format.ANTHROPIC, strict=strict, tool_search=tool_search or "")
        parts = console.list_parts(definitions)
        has_notes = skipped or injections or omissions or not chosen
        console.write_parts(parts if stored is None or has_notes else stored.stored(spec, parts))
    if not chosen:
        # An empty manifest is still printed, but a script should notice filters that match nothing.
        raise typer.Exit(1)


def _omission_counts(chosen: Iterable[Operation]) -> Counter[str]:
    """Return the number of operations by message about what was left out on purpose."""
    from nlapi.openapi.operation_parser import REFUSED_RULE

    return Counter(
        str(issue.message) for operation in chosen for issue in operation.details.issues if issue.rule == REFUSED_RULE
    )


def _workflow_tools(
    spec: Spec, source: str, files: Sequence[str], chosen: tuple[Operation, ...], compiled: tuple[Tool, ...]
) -> tuple[Tool, ...]:
    """Return the tools of the workflows of some documents that call chosen operations of the API only."""
    from nlapi.cli.workflow.registered import OpenedApi, WorkflowOpener
    from nlapi.tools.sending.run import Target

    opener = WorkflowOpener(apis=[OpenedApi(name=source, target=Target(spec=spec))])
    opened = opener.open({source: files})
    usable = opened.within(spec, chosen)
    if left := len(opened.tools) - len(usable.tools):
        console.note(f"{console.count_noun(left, 'workflow')} left out: the filters leave out operations of it")
    return tuple(entry.tool for entry in usable.tools.named(reserved=[tool.name for tool in compiled]).values())


def _print_texts(compiled: Sequence[Tool], argument: str | None, source: str, opener: str | None) -> None:
    """Print operations, or one argument of theirs, as Markdown: each text is one that a client shows whole."""
    from nlapi.tools.definitions.describe import argument_text, operation_text

    def open_part(operation: str, path: str) -> str:
        if opener:
            return f"{opener} {operation} {path}"
        return f"nlapi tools {source} --format markdown --include id:{operation} --argument {path}"

    for tool in compiled:
        text = argument_text(tool, argument, open_part) if argument else operation_text(tool, open_part)
        console.write(text.rstrip())


def _print_tools(compiled: tuple[Tool, ...], workflows: frozenset[str]) -> None:
    from nlapi.tools.definitions.lint import tokens

    # Tokens, as each tool is paid for in every request of a model (docs/design/007-what-a-model-is-sent.md).
    sizes = [tokens(tool) for tool in compiled]
    rows = [
        {
            "tool": tool.name,
            "effect": f"{tool.effect.value}, workflow" if tool.name in workflows else tool.effect.value,
            "arguments": ", ".join(f"{n}*" if n in tool.required else n for n in tool.input_schema["properties"]),
            "tokens": size,
        }
        for tool, size in zip(compiled, sizes, strict=True)
    ]
    table.print_table(rows, ("tool", "effect", "arguments", "tokens"))
    loaded = sum(size for tool, size in zip(compiled, sizes, strict=True) if not tool.deferred)
    deferred = sum(tool.deferred for tool in compiled)
    share = f", {deferred} deferred: about {loaded:,} tokens of tools in each request" if deferred else ""
    console.note(f"{len(compiled)} tools, about {sum(sizes):,} tokens{share}; * is required")


# Characters of a manifest that is stored; that of GitHub's 1,223 operations has 2 million, the longest 200.
MAX_STORED = 8_000_000

# The packages whose code decides on a manifest, beside the modules of nlapi itself.
_PACKAGES = ("english", "openapi", "resources", "tools", "client")


class StoredManifest:
    """The manifest of one source with some options. Only what was made without a note is stored."""

    def __init__(self, source: str, options: Iterable[object]) -> None:
        registered = registry.find_registration(source) or Registration(source=source)
        # A pipe (`<(curl ...)`) can be read once only.
        is_file = bundled.is_bundled(registered.source) or Path(registered.source).is_file()
        self._source = registered.source if is_file and not registered.overlays and not registered.root else ""
        self._options = " ".join(map(str, (source, *options)))
        self._key = self._current_key()

    @cached_property
    def _cache(self) -> Cache:
        from nlapi.openapi.cache import Cache

        return Cache(folder=Path(registry.user_folder("cache")))

    def write(self) -> bool:
        """Write the stored manifest; False if none exists for the current content of the file."""
        content = self._cache.load(self._key) if self._key and _is_private(self._cache.folder) else None
        if content is not None:
            console.write_bytes(content)
        return content is not None

    def stored(self, spec: Spec, parts: Iterable[str]) -> Iterator[str]:
        """Yield the parts of a manifest, and store them when the last one was taken."""
        collected: list[str] = []
        size = 0
        for part in parts:
            yield part
            size += len(part)
            if size <= MAX_STORED:
                collected.append(part)
            else:
                collected.clear()
        # A file that was changed while it was read is stored under neither content, and what other files say is in no
        # key.
        if self._key and size <= MAX_STORED and not spec.files and self._current_key() == self._key:
            self._cache.store(self._key, "".join(collected).encode())

    def _current_key(self) -> str:
        """Return the key for the current content of the file; "" if the file cannot be read."""
        from nlapi.openapi.fetch import fetch

        if not self._source:
            return ""
        with suppress(NlapiError):
            return f"manifest {hashlib.sha256(fetch(self._source).data).hexdigest()} {_code_state()} {self._options}"
        return ""


def _is_private(folder: Path) -> bool:
    """Return whether nobody else can write into a folder: what lies there is printed as it is."""
    with suppress(OSError):
        return not others_can(folder.stat(), 0o022)
    return False


def _code_state() -> str:
    """Return what changes with the code of a checkout, which keeps its version."""
    state = hashlib.sha256()
    root = Path(nlapi.__file__).parent
    folders = [next(os.walk(root)), *(folder for name in _PACKAGES for folder in os.walk(root / name))]
    for folder, _, names in sorted(folders):
        for name in sorted(names):
            if name.endswith((".py", ".toml")):
                stat = Path(folder, name).stat()
                state.update(f"{name} {stat.st_mtime_ns} {stat.st_size} ".encode())
    return state.hexdigest()
