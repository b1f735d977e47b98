"""`nlapi completion`: the script by which a shell completes APIs, operations, arguments, choices and ids."""

from __future__ import annotations

import os
from enum import StrEnum
from importlib.resources import files
from pathlib import PurePath
from typing import Annotated

from nlapi.cli.options import argument, is_terminal
from nlapi.cli.render import console
from nlapi.errors import UsageError
from nlapi.system import IS_WINDOWS

EPILOG = """bash: nlapi completion bash > ~/.local/share/bash-completion/completions/nlapi
zsh: nlapi completion zsh > "${fpath[1]}/_nlapi"
fish: nlapi completion fish > ~/.config/fish/completions/nlapi.fish
PowerShell: nlapi completion powershell >> $PROFILE

It remembers ids and names from recent lists in a private file; NLAPI_COMPLETION_IDS=off turns that off.

nlapi completion bash"""


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(
    shell: Annotated[Shell | None, argument("[SHELL]", "bash, zsh, fish or powershell. Default: your shell.")] = None,
) -> None:
    """Print the completion script of your shell: operations, arguments and ids."""
    console.write(script(shell or _own_shell()))
    if is_terminal():
        console.dim("`nlapi completion -h` has the line that installs it")


def script(shell: Shell) -> str:
    """Return the script of a shell."""
    from typer._completion_shared import get_completion_script

    own = files("nlapi.cli.completion") / f"completion.{shell}"
    if own.is_file():
        return own.read_text(encoding="utf-8").strip()
    text: str = get_completion_script(prog_name="nlapi", complete_var="_NLAPI_COMPLETE", shell=shell.value)
    return text


def _own_shell() -> Shell:
    """Return the user's shell. UsageError for any other."""
    name = PurePath(os.environ.get("SHELL", "powershell" if IS_WINDOWS else "")).stem
    try:
        return Shell(name)
    except ValueError:
        names = ", ".join(Shell)
        raise UsageError(
            f"which shell? {name or 'SHELL'} is not one of {names}", hint="nlapi completion bash"
        ) from None
