"""The rules of clients for what `nlapi plugin build` makes: forms, names and limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from nlapi.openapi.spec import Spec, as_list
from nlapi.plugin.build import MARKETPLACE, PLUGIN
from nlapi.plugin.file_checks import broken_rules
from nlapi.plugin.names import KEBAB, SECRET_OPTION
from nlapi.plugin.programs import HOOKS, MAX_TOOL_NAME, MCP
from nlapi.tools.texts.names import MAX_LENGTH, RESERVED_WORDS, tool_names

MAX_SKILL = 64
MAX_DESCRIPTION = 1024

# Of a README, as Claude Code's plugin directory requires.
MIN_WORDS = 40

FRONT_MATTER_KEYS = frozenset(("name", "description", "allowed-tools", "license", "metadata", "version"))
"""The keys of a skill's front matter."""

_FRONT = re.compile(r"---\n(.*?)\n---\n(.*)", re.DOTALL)

# For the names and descriptions of skills and agents, which Claude Code has in every session. Of six large APIs
# 1,192 is the most (benchmarks.plugin_text).
MAX_SESSION_TOKENS = 1_200

# Characters of a token, as `claude plugin details` counts them at most (2.1.331).
TOKEN_LENGTH = 3.6


Fault = tuple[str, str, str]


def client_faults(files: Mapping[str, bytes]) -> list[Fault]:
    """What a client would refuse or miss in the files of a plugin (path -> bytes): place, message, hint."""
    made = (_manifest_faults, _settings_faults, _skill_faults, _agent_faults, _file_faults)
    faults = [fault for find in made for fault in find(files)]
    return [*faults, *((issue.where, issue.message, issue.hint) for issue in broken_rules(files))]


def _manifest_faults(files: Mapping[str, bytes]) -> Iterator[Fault]:
    plugin, market = read_object(files, PLUGIN), read_object(files, MARKETPLACE)
    for path, data, keys in (
        (PLUGIN, plugin, ("name", "version", "description", "author")),
        (MARKETPLACE, market, ("name", "owner", "plugins")),
        (HOOKS, read_object(files, HOOKS), ("hooks",)),
    ):
        if data is None:
            yield path, "no JSON object", "build the plugin again"
        yield from ((path, f"has no {key}", "") for key in keys if data is not None and not data.get(key))
    for path, data in ((PLUGIN, plugin), (MARKETPLACE, market)):
        name = (data or {}).get("name")
        if isinstance(name, str) and (fault := _name_fault(name)):
            yield path, f"the name {name[:80]!r} {fault}", ""
        for key in ("author", "owner"):
            if not isinstance((data or {}).get(key, {}), dict):
                yield path, f"{key} is not an object", '{"name": ...}'
    listed = (market or {}).get("plugins")
    for entry in as_list(listed):
        source = entry.get("source") if isinstance(entry, dict) else None
        if isinstance(source, str) and not source.startswith("./"):
            yield MARKETPLACE, f"source {source!r} does not start with ./", ""


def _settings_faults(files: Mapping[str, bytes]) -> Iterator[Fault]:
    """Yield faults of the options that a plugin asks for, and of their use in hooks and servers."""
    options = (read_object(files, PLUGIN) or {}).get("userConfig", {})
    options = options if isinstance(options, dict) else {}
    for key, option in options.items():
        for part in ("type", "title", "description"):
            if not isinstance(option, dict) or not option.get(part):
                yield PLUGIN, f"userConfig.{key} has no {part}", ""
        if isinstance(option, dict) and SECRET_OPTION.search(key) and not option.get("sensitive"):
            yield PLUGIN, f"userConfig.{key} is not said to be sensitive", '"sensitive": true'
    for path in (MCP, HOOKS):
        for name in dict.fromkeys(
            re.findall(r"\$\{user_config\.([^}]*)\}", files.get(path, b"").decode("utf-8", "replace"))
        ):
            if name not in options:
                yield path, f"uses ${{user_config.{name}}}, which plugin.json does not declare", ""
    servers = (read_object(files, MCP) or {}).get("mcpServers") if MCP in files else {}
    if not isinstance(servers, dict):
        yield MCP, "has no mcpServers", "build the plugin again"


def _name_fault(name: str) -> str:
    if not KEBAB.fullmatch(name) or len(name) > MAX_SKILL:
        return f"is not lower-case words with dashes, at most {MAX_SKILL} characters"
    return "is reserved" if RESERVED_WORDS & set(name.split("-")) else ""


def _skill_faults(files: Mapping[str, bytes]) -> Iterator[Fault]:
    paths = [path for path in files if re.fullmatch(r"skills/[^/]+/SKILL\.md", path)]
    if not paths:
        yield "skills", "there is no skill", "build the plugin again"
    for path in paths:
        text = files[path].decode("utf-8", "replace")
        front, head = _FRONT.fullmatch(text), _front_matter(text)
        if not front or head is None:
            yield path, "has no front matter", "it begins with ---, name, description, ---"
            continue
        # The client drops the whole of the front matter then, without a word.
        if "---" in front[1]:
            yield path, "has --- within its front matter, where the client ends it", "write it otherwise"
        yield from ((path, message, "") for message in _head_faults(head, path.split("/")[1]))


def _head_faults(head: Mapping[str, object], folder: str, kind: str = "folder") -> Iterator[str]:
    name, description = head.get("name"), head.get("description")
    if name != folder:
        yield f"the name {name!r} is not that of its {kind}"
    if isinstance(name, str) and (fault := _name_fault(name)):
        yield f"the name {fault}"
    if not isinstance(description, str) or not description.strip():
        yield "there is no description"
    elif len(description) > MAX_DESCRIPTION:
        yield f"the description has more than {MAX_DESCRIPTION} characters"
    elif re.search(r"[<>]", description):
        yield "the description has a tag in it"
    elif re.match(r"(?i)(i|you|we|my|your|our)\b", description):
        yield "the description is not in the third person"
    for key in sorted(map(str, head.keys() - FRONT_MATTER_KEYS)) if kind == "folder" else ():
        yield f"the front matter has {key[:40]!r}, which no client knows"


def _agent_faults(files: Mapping[str, bytes]) -> Iterator[Fault]:
    for path in files:
        if re.fullmatch(r"agents/[^/]+\.md", path):
            head = _front_matter(files[path].decode("utf-8", "replace"))
            if head is None:
                yield path, "has no front matter", "it begins with ---, name, description, ---"
                continue
            yield from ((path, message, "") for message in _head_faults(head, path[len("agents/") : -3], "file"))


def _front_matter(text: str) -> dict[str, Any] | None:
    """Return the front matter of a Markdown file, None when there is none that can be read."""
    front = _FRONT.fullmatch(text)
    try:
        head = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return None
    return head if isinstance(head, dict) else None


def _file_faults(files: Mapping[str, bytes]) -> Iterator[Fault]:
    if len(files.get("README.md", b"").split()) < MIN_WORDS:
        yield "README.md", f"has fewer than {MIN_WORDS} words", "say what the plugin does and what it needs"
    if "LICENSE" not in files and not (read_object(files, PLUGIN) or {}).get("license"):
        yield "LICENSE", "there is none", "put one there, or `license` into plugin.json"
    if "CLAUDE.md" in files:
        yield "CLAUDE.md", "the client does not read it in a plugin", "make it a skill"
    for path, content in files.items():
        if content.startswith((b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe")):
            yield path, "is compiled code", "a plugin is text that its users can read"


def session_tokens(files: Mapping[str, bytes]) -> int:
    """Return the tokens that a plugin adds to every session, as the client counts them or a few more."""
    heads = [path for path in files if re.fullmatch(r"skills/[^/]+/SKILL\.md|agents/[^/]+\.md", path)]
    return round(sum(len(text) for path in heads for text in _head_texts(files[path])) / TOKEN_LENGTH)


def _head_texts(content: bytes) -> list[str]:
    head = _front_matter(content.decode("utf-8", "replace")) or {}
    return [str(head.get(key) or "") for key in ("name", "description")]


def exceeded_limits(files: Mapping[str, bytes], spec: Spec) -> Iterator[Fault]:
    """What in a plugin is larger than a client accepts."""
    if (tokens := session_tokens(files)) > MAX_SESSION_TOKENS:
        message = f"names and descriptions cost {tokens:,} tokens in every session, more than {MAX_SESSION_TOKENS:,}"
        yield "skills", message, "shorter descriptions, or fewer skills"
    for server, prefix in _mcp_servers(files):
        max_length = _name_length(files, server)
        names = tool_names(spec.operations, max_length=max(max_length, 16))
        longest_name = max(names, key=len, default="")
        if (length := len(prefix) + len(longest_name)) > MAX_TOOL_NAME:
            message = f"the tool {prefix}{longest_name} has {length} characters, more than {MAX_TOOL_NAME}"
            yield MCP, message, "a shorter name of plugin or server, or a smaller --name-length"


def _mcp_servers(files: Mapping[str, bytes]) -> list[tuple[dict[str, object], str]]:
    """Return the MCP servers of a plugin, each with the prefix of its tools' full names."""
    try:
        servers, plugin = json.loads(files[MCP])["mcpServers"], json.loads(files[PLUGIN])["name"]
        return [(dict(server), f"mcp__plugin_{plugin}_{name}__") for name, server in servers.items()]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _name_length(files: Mapping[str, bytes], server: Mapping[str, object]) -> int:
    """Return the --name-length that a server is started with, by itself or by the plugin's command."""
    arguments = server.get("args")
    words = " ".join(map(str, arguments)) if isinstance(arguments, list) else ""
    started = [path for path in files if path in words.replace("${CLAUDE_PLUGIN_ROOT}/", "")]
    texts = [words, *(files[path].decode("utf-8", "replace") for path in started)]
    match = next((hit for text in texts if (hit := re.search(r"--name-length[ =](\d{1,3})", text))), None)
    return int(match[1]) if match else MAX_LENGTH


def read_object(files: Mapping[str, bytes], path: str) -> dict[str, Any] | None:
    """The JSON object in a file of a plugin; None where there is none."""
    try:
        data = json.loads(files[path])
    except (KeyError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
