"""Completes APIs, operations, arguments, choices and ids for a shell, without the rest of the command line.

It answers the scripts of `nlapi completion`; options, and commands that take no API, are left to typer.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from nlapi import registry
from nlapi.cli.command_table import COMMANDS
from nlapi.cli.completion import cache as completion_cache

Candidates = list[tuple[str, str]]

SOURCE_COMMANDS = frozenset(("call", "describe", "find", "tools", "check", "mcp", "sandbox"))
"""The commands whose first argument is an API."""
API_OPTIONS = frozenset(("-a", "--api"))
VALUE_OPTIONS = frozenset(
    "--args --argument --audience --auth --base-url --columns --config --consent --database --env --events "
    "--exclude --filter --format --header --host --http --include --issuer --jq --limit --loaded --max-items "
    "--max-pages --min-score --name-length --opener --output --overlay --pass-header --port --raw-body --root "
    "--seed --sort --timeout --token --wait --tool-search --workflows --yes-to -H -f -n -o -p".split()
)
"""The options of those commands that take a value; tests/cli/test_cli_completion.py holds it to the commands."""

# A word of bash that is only a break inside a word of the user: COMP_WORDBREAKS has `=` and `:`.
_BREAK = re.compile(r"[=:]+")


def complete(environment: Mapping[str, str]) -> int:
    """Print the completions that a shell asks for, and return the exit code."""
    shell = environment.get("_NLAPI_COMPLETE", "").removeprefix("complete_")
    words, incomplete, prefix = _command_line(shell, environment)
    try:
        matches_of_api = candidates(words, incomplete)
        matches = _of_typer(words, incomplete) if matches_of_api is None else matches_of_api
    except Exception:
        matches = []
    text = _format(shell, matches, prefix, environment)
    if text:
        sys.stdout.write(text + "\n")
    return 1 if environment.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args" and not matches else 0


def _of_typer(words: Sequence[str], incomplete: str) -> Candidates:
    """Return the completions of commands and options."""
    from typer._completion_classes import BashComplete
    from typer.main import get_command

    from nlapi.cli.app import app

    items = BashComplete(get_command(app), {}, "nlapi", "_NLAPI_COMPLETE").get_completions(list(words), incomplete)
    return [(item.value, item.help or "") for item in items if item.type == "plain"]


def _command_line(shell: str, environment: Mapping[str, str]) -> tuple[list[str], str, str]:
    """Return the words before the cursor, the word at it, and the part of that which bash does not replace."""
    if shell == "bash":
        words = environment.get("COMP_WORDS", "").split("\n")[1:]
        try:
            position = int(environment.get("COMP_CWORD", "1")) - 1
        except ValueError:
            position = len(words)
        current = words[position] if 0 <= position < len(words) else ""
        joined = _join_breaks([*words[: max(position, 0)], current])
        whole = joined.pop() if joined else ""
        kept = whole if _BREAK.fullmatch(current) else whole.removesuffix(current) if current else whole
        return [_unquote(word) for word in joined], _unquote(whole), kept
    typed = environment.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(typed)[1:]
    if shell in ("powershell", "pwsh"):
        incomplete = environment.get("_TYPER_COMPLETE_WORD_TO_COMPLETE", "")
        return (words[:-1] if incomplete else words), incomplete, ""
    return (words, "", "") if not words or typed.endswith(" ") else (words[:-1], words[-1], "")


def _join_breaks(words: Sequence[str]) -> list[str]:
    """Return the words as they were typed: bash separates `status=open` into three."""
    joined: list[str] = []
    glue = False
    for word in words:
        is_break = bool(_BREAK.fullmatch(word))
        if joined and (glue or is_break) and not joined[-1].startswith("-"):
            joined[-1] += word
        else:
            joined.append(word)
        glue = is_break
    return joined


def _split(text: str) -> list[str]:
    with suppress(ValueError):
        return shlex.split(text)
    # A quote is still open.
    return text.split()


def _unquote(word: str) -> str:
    with suppress(ValueError):
        return "".join(shlex.split(word))
    return word.lstrip("'\"")


def candidates(words: Sequence[str], incomplete: str) -> Candidates | None:
    """Return the completions of the word at the cursor, each with a text about it; None leaves it to typer."""
    if incomplete.startswith("-"):
        return None
    if not words:
        return _with_prefix(_commands(), incomplete)
    command, previous = words[0], words[-1]
    if previous in API_OPTIONS:
        return _with_prefix(api_names(), incomplete)
    if command not in SOURCE_COMMANDS or previous in VALUE_OPTIONS:
        return None
    positional = _positional(words[1:])
    if not positional:
        return _with_prefix(api_names(), incomplete)
    source = _location(positional[0])
    if command not in ("call", "describe") or (command == "describe" and len(positional) > 1):
        return []
    if len(positional) == 1:
        return _with_prefix(_operations(source), incomplete)
    return _with_prefix(_arguments(source, positional[1], positional[2:], incomplete), incomplete)


def _commands() -> Candidates:
    """Return the commands and the user's aliases."""
    entries = [(name, entry.help) for name, entry in COMMANDS.items()]
    with suppress(OSError, ValueError, AttributeError):
        # Read here and not by the command of aliases, which imports typer.
        text = (registry.user_folder("config") / "aliases.json").read_text(encoding="utf-8")
        entries += [(name, f"nlapi {command}") for name, command in json.loads(text).items()]
    return entries


def _positional(words: Sequence[str]) -> list[str]:
    """Return the words that are neither options nor values of options."""
    result, is_value = [], False
    for word in words:
        if not is_value and not word.startswith("-"):
            result.append(word)
        is_value = word in VALUE_OPTIONS or word in API_OPTIONS
    return result


def _with_prefix(matches: Candidates, prefix: str) -> Candidates:
    return [match for match in matches if match[0].startswith(prefix)]


def api_names() -> Candidates:
    """Return the names of the registered and the bundled APIs, with where their descriptions are."""
    from nlapi import bundled

    entries = {name: entry.source for name, entry in registry.read_registrations().items()}
    return [*entries.items(), *((name, "bundled") for name in bundled.spec_names() if name not in entries)]


def _location(name: str) -> str:
    registered = registry.find_registration(name)
    return registered.source if registered is not None else name


def _operations(source: str) -> Candidates:
    stored = completion_cache.operation_entries(source)
    if stored is None and (spec := _load(source)) is not None:
        stored = [(operation.id, operation.summary) for operation in spec.visible_operations]
    return stored or []


def _arguments(source: str, operation_id: str, given: Sequence[str], incomplete: str) -> Candidates:
    rows = completion_cache.read_entry(source, completion_cache.arguments_name(operation_id))
    if rows is None:
        rows = _argument_rows(source, operation_id)
    name, mark, _ = incomplete.partition("=")
    if mark:
        row = next((row for row in rows if row["name"] == name), None)
        return [] if row is None else [(f"{name}={value}", about) for value, about in _values(source, row)]
    used = {word.partition("=")[0].removesuffix(":") for word in given}
    fresh = [row for row in rows if row["name"] not in used or str(row.get("type", "")).endswith("[]")]
    return [(f"{row['name']}=", _about(row)) for row in fresh]


def _about(row: Mapping[str, Any]) -> str:
    required = "required, " if row.get("required") else ""
    text = f": {row['description']}" if row.get("description") else ""
    return f"{required}{row.get('type', '')}{text}"


def _values(source: str, row: Mapping[str, Any]) -> Candidates:
    """Return the choices of an argument, or the ids of the last list that has them."""
    if choices := row.get("choices"):
        return [(str(choice), "") for choice in choices]
    if row.get("type") == "boolean":
        return [("true", ""), ("false", "")]
    origin = row.get("from")
    if not origin or not completion_cache.stores_ids():
        return []
    return list(completion_cache.id_entries(source, origin["operation"], origin["field"]))


def _argument_rows(source: str, operation_id: str) -> list[dict[str, Any]]:
    from nlapi.cli.completion.collect import store_arguments

    spec = _load(source)
    operation = spec.operation(operation_id) if spec is not None and spec.has(operation_id) else None
    return store_arguments(operation) if operation is not None and operation.usable else []


def _load(source: str) -> Any:
    """Return the Spec of a file or a bundled description, and store its operations; None for a URL: no key press waits
    for a network."""
    if "://" in source or source == "-":
        return None
    import nlapi
    from nlapi.cli.completion.collect import store_operations

    spec = nlapi.load(source, cache=registry.user_folder("cache"))
    store_operations(spec)
    return spec


def _format(shell: str, matches: Candidates, prefix: str, environment: Mapping[str, str]) -> str:
    """Return the completions in the form that the shell's script reads."""
    clean = [(_line(value), _line(about)) for value, about in matches]
    if shell == "zsh":
        entries = [f'"{_zsh(value)}":"{_zsh(about)}"' if about else f'"{_zsh(value)}"' for value, about in clean]
        return "_arguments '*: :((" + "\n".join(entries) + "))'" if entries else "_files"
    if shell in ("fish", "lines"):
        if environment.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
            return ""
        return "\n".join(f"{value}\t{about}" if about else value for value, about in clean)
    if shell in ("powershell", "pwsh"):
        return "\n".join(f"{value}:::{about or ' '}" for value, about in clean)
    return "\n".join(
        shlex.quote(rest) if re.search(r"[^\w@%+=:,./-]", rest := value.removeprefix(prefix)) else rest
        for value, _ in clean
    )


def _line(text: str) -> str:
    """Return a text on one line without control characters: it comes from a description or an answer."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split(" ")).strip()


def _zsh(text: str) -> str:
    # The text is evaluated by zsh inside single quotes, then inside double ones.
    escaped = re.sub(r'(["$`\\])', r"\\\1", text).replace("'", "'\\''")
    return escaped.replace(":", "\\\\:")
