"""`nlapi completion`: the script by which a shell completes APIs, operations, arguments, choices and ids."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import PurePath
from typing import Annotated

import typer

from nlapi.cli import console
from nlapi.cli.options import is_terminal
from nlapi.errors import UsageError

EPILOG = """bash: nlapi completion bash > ~/.local/share/bash-completion/completions/nlapi
zsh: nlapi completion zsh > "${fpath[1]}/_nlapi"
fish: nlapi completion fish > ~/.config/fish/completions/nlapi.fish
PowerShell: nlapi completion powershell >> $PROFILE

Ids and names of the last lists are kept for it, for you alone; NLAPI_COMPLETION_IDS=off keeps none.

nlapi completion bash"""


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


# No space follows `limit=`. mapfile, and not a list of an unquoted substitution: a completion with `*` is no pattern.
_BASH = r"""
_nlapi_completion() {
    local lines
    lines=$(IFS=$'\n'; COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" _NLAPI_COMPLETE=complete_bash "$1")
    COMPREPLY=()
    [[ -n $lines ]] && mapfile -t COMPREPLY <<< "$lines"
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2> /dev/null
    return 0
}

complete -o default -o nosort -F _nlapi_completion nlapi
"""

# Nothing of an API is evaluated: its lines become an array.
_ZSH = r"""
#compdef nlapi

_nlapi() {
    local -a lines values shown open open_shown
    local line value
    lines=("${(@f)$(_TYPER_COMPLETE_ARGS="${(j: :)words[1,$CURRENT]}" _NLAPI_COMPLETE=complete_lines nlapi)}")
    for line in "${lines[@]}"; do
        [[ -n $line ]] || continue
        value="${line%%$'\t'*}"
        if [[ $value == *= ]]; then
            open+=("$value"); open_shown+=("${line/$'\t'/  }")
        else
            values+=("$value"); shown+=("${line/$'\t'/  }")
        fi
    done
    if (( ${#open} + ${#values} == 0 )); then
        _files
        return
    fi
    (( ${#open} )) && compadd -S '' -l -d open_shown -- "${open[@]}"
    (( ${#values} )) && compadd -l -d shown -- "${values[@]}"
    return 0
}

if [[ "$funcstack[1]" == "_nlapi" ]]; then
    _nlapi
else
    compdef _nlapi nlapi
fi
"""


def completion(
    shell: Annotated[
        Shell | None, typer.Argument(metavar="[SHELL]", help="bash, zsh, fish or powershell; yours, if not given.")
    ] = None,
) -> None:
    """Print the script by which a shell completes APIs, operations, arguments, choices and ids."""
    console.write(script(shell or _own_shell()))
    if is_terminal():
        console.dim("`nlapi completion -h` has the line that installs it")


def script(shell: Shell) -> str:
    """Return the script of a shell."""
    from typer._completion_shared import get_completion_script

    own = {Shell.BASH: _BASH, Shell.ZSH: _ZSH}.get(shell)
    if own is not None:
        return own.strip()
    text: str = get_completion_script(prog_name="nlapi", complete_var="_NLAPI_COMPLETE", shell=shell.value)
    return text


def _own_shell() -> Shell:
    """Return the user's shell. UsageError where it is none of those."""
    name = PurePath(os.environ.get("SHELL", "powershell" if os.name == "nt" else "")).stem
    try:
        return Shell(name)
    except ValueError:
        names = ", ".join(Shell)
        raise UsageError(f"which shell? {name or 'SHELL'} is none of {names}", hint="nlapi completion bash") from None
