"""`nlapi alias`: commands and saved questions under names of the user's own."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from nlapi import registry
from nlapi.cli.command_table import COMMANDS
from nlapi.cli.options import ListOutput, argument
from nlapi.cli.render import console, table
from nlapi.credential_references import is_reference
from nlapi.errors import NlapiError, UsageError, file_faults
from nlapi.local_files import fault_of, locked, read_file, write_file

app = typer.Typer(help="Save commands and questions under short names.")

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.IGNORECASE)
# What an alias takes from the command line: `$1` is its first word.
_PLACEHOLDER = re.compile(r"\$([1-9])")

SET = """$1 to $9 are the words after the name; other words are appended.

nlapi alias set active 'ask "show the active campaigns" -a ads'
nlapi alias set campaign 'call ads getCampaign campaign_id=$1'
nlapi alias set ls 'call ads listCampaigns --all -o csv'"""


@app.callback(invoke_without_command=True)
def alias(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@app.command("set", epilog=SET)
def set_(
    name: Annotated[str, argument("NAME", "The name to use from now on, as in nlapi NAME.")],
    command: Annotated[str, argument("COMMAND", "The command it stands for, without nlapi, in quotes.")],
) -> None:
    """Save a command or a question under a short name."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a name", hint="use letters, digits, - and _")
    if name in COMMANDS:
        raise UsageError(f"{name} is a command of nlapi", hint="choose another name")
    words = _words(command, name)
    if words[:1] == ["nlapi"]:
        words = words[1:]
    if not words or words[0] not in COMMANDS:
        first = words[0] if words else "nothing"
        raise UsageError(f"{first!r} is not a command of nlapi", hint="such as 'ask \"list the campaigns\" -a ads'")
    if secret := _literal_credential(words):
        raise UsageError(
            f"the credential in {secret} would be stored in a file", hint="name a variable: --auth SCHEME=env:NAME"
        )
    _change(lambda aliases: {**aliases, name: shlex.join(words)})
    console.note(f"{name}: nlapi {shlex.join(words)}")


@app.command("list", epilog="nlapi alias list -o json")
def list_(output: ListOutput = None) -> None:
    """List the aliases and their commands."""
    rows = [{"name": name, "command": command} for name, command in sorted(read_aliases().items())]
    table.print_list(rows, output, ("name", "command"), empty="there is no alias (`nlapi alias set -h` shows how)")


@app.command(epilog="nlapi alias remove active")
def remove(name: Annotated[str, argument("NAME", "A name from `nlapi alias list`.")]) -> None:
    """Remove an alias."""
    if name not in read_aliases():
        raise UsageError(f"there is no alias {name!r}", hint="`nlapi alias list` shows them")
    _change(lambda aliases: {key: value for key, value in aliases.items() if key != name})
    console.note(f"{name} is forgotten")


def expand_alias(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with an alias at their beginning replaced. UsageError for missing words."""
    name, *rest = words
    command = read_aliases().get(name)
    if command is None:
        return list(words)
    taken: set[int] = set()

    def value(match: re.Match[str]) -> str:
        index = int(match[1])
        if index > len(rest):
            raise UsageError(f"{name} takes {console.count_noun(index, 'word')}: {command}", hint=f"nlapi {name} ...")
        taken.add(index)
        return rest[index - 1]

    expanded = [_PLACEHOLDER.sub(value, word) for word in _words(command, name)]
    return [*expanded, *(word for index, word in enumerate(rest, 1) if index not in taken)]


def read_aliases() -> dict[str, str]:
    """Return the command of each alias. NlapiError when the file is damaged."""
    file = _file()
    try:
        content = read_file(file)
        data = {} if content is None else json.loads(content)
    except (OSError, ValueError) as error:
        raise NlapiError(fault_of(file, error), hint="mend it, or move it away") from None
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise NlapiError(f"{file} is not a map of names to commands", hint="mend it, or move it away")
    return data


def _file() -> Path:
    return registry.user_folder("config") / "aliases.json"


def _change(change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    with file_faults(f"{_file()} cannot be written", hint="set NLAPI_CONFIG_DIR"), locked(_file()):
        write_file(_file(), json.dumps(change(read_aliases()), indent=2, ensure_ascii=False))


def _words(command: str, name: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the command of {name} has an open quote: {error}", hint="put it in single quotes") from None


def _literal_credential(words: Sequence[str]) -> str:
    """Return the option that gives a credential itself, with its name alone, or ""."""
    parts = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for option, word in pairwise(parts):
        value = word.partition("=")[2]
        if option == "--auth" and not (is_reference(value) or value.startswith("$")):
            return f"--auth {word.partition('=')[0]}"
        if option in ("-H", "--header") and re.search(r"(?i)auth|token|cookie|key|secret", word.partition(":")[0]):
            return f"{option} {word.partition(':')[0]}"
    return ""
