"""What Claude Code and its users ask of a plugin's files, and its client does not say."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from nlapi.issue import Issue, Level
from nlapi.plugin.build import MARKETPLACE, PLUGIN
from nlapi.plugin.command import HOOKS
from nlapi.plugin.names import KEBAB, MAX_SKILL
from nlapi.tools.slugs import RESERVED

MAX_DESCRIPTION = 1024
MAX_LINES = 500
KNOWN = frozenset(("name", "description", "allowed-tools", "license", "metadata", "version"))
"""Keys of a skill's front matter."""

_FRONT = re.compile(r"---\n(.*?)\n---\n(.*)", re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_RUN = re.compile(r"!`|```!|\$\{(?!CLAUDE_)|\$ARGUMENTS|\$\d")


def broken(files: Mapping[str, bytes]) -> tuple[Issue, ...]:
    """Every rule that the files of a plugin (path -> bytes) break."""
    return tuple(
        Issue(level=Level.ERROR, where=where, message=message, hint=hint, rule="client")
        for found in (_manifests(files), _skills(files), _links(files), _others(files))
        for where, message, hint in found
    )


Fault = tuple[str, str, str]


def _object(files: Mapping[str, bytes], path: str) -> dict[str, Any] | None:
    try:
        found = json.loads(files[path])
    except (KeyError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _manifests(files: Mapping[str, bytes]) -> Iterator[Fault]:
    plugin, market = _object(files, PLUGIN), _object(files, MARKETPLACE)
    for path, found, keys in (
        (PLUGIN, plugin, ("name", "version", "description", "author")),
        (MARKETPLACE, market, ("name", "owner", "plugins")),
        (HOOKS, _object(files, HOOKS), ("hooks",)),
    ):
        if found is None:
            yield path, "no JSON object", "build the plugin again"
        yield from ((path, f"has no {key}", "") for key in keys if found is not None and not found.get(key))
    for path, found in ((PLUGIN, plugin), (MARKETPLACE, market)):
        name = (found or {}).get("name")
        if isinstance(name, str) and (fault := _name_fault(name)):
            yield path, f"the name {name[:80]!r} {fault}", ""
        for key in ("author", "owner"):
            if not isinstance((found or {}).get(key, {}), dict):
                yield path, f"{key} is no object", '{"name": ...}'
    listed = (market or {}).get("plugins")
    for one in listed if isinstance(listed, list) else ():
        source = one.get("source") if isinstance(one, dict) else None
        if isinstance(source, str) and not source.startswith("./"):
            yield MARKETPLACE, f"source {source!r} does not start with ./", ""


def _name_fault(name: str) -> str:
    if not KEBAB.fullmatch(name) or len(name) > MAX_SKILL:
        return f"is not lower-case words with dashes, at most {MAX_SKILL} characters"
    return "is reserved" if RESERVED & set(name.split("-")) else ""


def _skills(files: Mapping[str, bytes]) -> Iterator[Fault]:
    paths = [path for path in files if re.fullmatch(r"skills/[^/]+/SKILL\.md", path)]
    if not paths:
        yield "skills", "there is no skill", "build the plugin again"
    for path in paths:
        text = files[path].decode("utf-8", "replace")
        if len(text.splitlines()) > MAX_LINES:
            yield path, f"has more than {MAX_LINES} lines", "move some of it to references"
        front = _FRONT.fullmatch(text)
        try:
            head = yaml.safe_load(front[1]) if front else None
        except yaml.YAMLError:
            head = None
        if not front or not isinstance(head, dict):
            yield path, "has no front matter", "it begins with ---, name, description, ---"
            continue
        if "---" in front[1]:
            yield path, "has --- within its front matter, where the client ends it", "write it otherwise"
        yield from ((path, message, "") for message in _head_faults(head, path.split("/")[1]))
        if run := _RUN.search(front[2]):
            yield path, f"{run[0]!r} in the text is something that the client acts on", "write it otherwise"


def _head_faults(head: Mapping[Any, Any], folder: str) -> Iterator[str]:
    name, description = head.get("name"), head.get("description")
    if name != folder:
        yield f"the name {name!r} is not that of its folder"
    if isinstance(name, str) and (fault := _name_fault(name)):
        yield f"the name {fault}"
    if not isinstance(description, str) or not description.strip():
        yield "there is no description"
    elif len(description) > MAX_DESCRIPTION:
        yield f"the description has more than {MAX_DESCRIPTION} characters"
    elif re.search(r"[<>]", description):
        yield "the description has a tag in it"
    elif re.match(r"(?i)(i|you|we)\b", description):
        yield "the description is not in the third person"
    for key in sorted(map(str, head.keys() - KNOWN)):
        yield f"the front matter has {key[:40]!r}, which no client knows"


def _links(files: Mapping[str, bytes]) -> Iterator[Fault]:
    for path, content in files.items():
        if not path.endswith(".md"):
            continue
        for target in _LINK.findall(content.decode("utf-8", "replace")):
            if re.match(r"[a-z]+:|#", target):
                continue
            full = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.partition("#")[0]))
            if full not in files:
                yield path, f"the link to {target} is dead", ""
            elif path.endswith("SKILL.md") and full.count("/") > path.count("/") + 1:
                yield path, f"the link to {target} is more than one level deep", "a model may read only the first"


def _others(files: Mapping[str, bytes]) -> Iterator[Fault]:
    if "CLAUDE.md" in files:
        yield "CLAUDE.md", "the client does not read it in a plugin", "make it a skill"
    for path, content in files.items():
        if content.startswith((b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe")):
            yield path, "is compiled code", "a plugin is text that its users can read"
