"""The calls of a plugin's command within a shell command, or the finding that they cannot be told from its text.

Claude Code asks before each Bash command (docs/design/015). Whatever is not literal needs the user's consent: a
variable in the place of an operation, a quote that does not end, arguments from elsewhere.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

MAX_NESTED = 4

# Commands that take a name without running it; a model uses them to find the command.
_SPOKEN_OF = frozenset(("which", "type", "ls", "cat", "head", "grep"))
_REDIRECTION = re.compile(r"&>>?|>[>|&]?|<(?:<<?|[>&])?")
# Variables by which one command can replace the program of the next, or change where it sends.
_STEERING = (
    r"PATH|HOME|ENV|BASH_ENV|IFS|NLAPI_\w+|CLAUDE\w*|LD_\w+|PYTHON\w+|(?:UV|PIPX?|SSL|XDG)_\w+|\w*_(?:PROXY|proxy)"
)

# Commands that set, or may set, a variable which they name without `=`.
_SET = r"read|readarray|mapfile|getopts|printf\s+-v|declare|typeset|local|export|readonly|for|select"


def steers(command: str, variables: Iterable[str]) -> str:
    """Return what a command sets for the call, or "". `variables` are those that the plugin's command reads."""
    names = "|".join([_STEERING, *map(re.escape, variables)])
    plain = re.sub(r"[\\'\"]", "", command)
    found = re.search(rf"(?<![\w-])({names})(?:\+?=|:?=)", plain)
    found = found or re.search(rf"(?<![\w-])(?:{_SET})\b[^;&|\n]*?(?<![\w$-])({names})(?!\w)", plain)
    if found:
        return found[1]
    sourced = re.search(r"(?:^|[;&|({\n]|\bthen|\bdo|\bbuiltin|\bcommand)\s*(?:\.|source)\s+(\S+)", plain)
    return f"what {sourced[1]} says" if sourced else ""


def calls(command: str, name: str, depth: int = 0) -> list[list[str]] | None:
    """Return the arguments of each call of `name` in a command; None when they cannot be determined.

    Commands within words (`bash -c '...'`, `"$(...)"`) are examined as well. A word that may begin a comment ends the
    arguments, and what follows it is examined all the same. A name that is stored (a variable, an alias, a list of
    words) may be run in ways that cannot be seen.
    """
    found: list[list[str]] = []
    kept = re.compile(rf"[=,{{\[]{re.escape(name)}(?![\w-])|(?<![\w-]){re.escape(name)}[,}}\]]")
    try:
        segments = list(_segments(command))
    except ValueError:
        return None
    for words in segments:
        spoken_of = words[:1] and (words[0] in _SPOKEN_OF or words[:2] == ["command", "-v"])
        places = [at for at, word in enumerate(words) if word.rpartition("/")[2] == name]
        if places and not spoken_of:
            given = words[places[0] + 1 :]
            comment = next((at for at, word in enumerate(given) if word.startswith("#")), len(given))
            found.append(given[:comment])
        for word in words:
            if kept.search(word):
                return None
            if name in word and re.search(r"[\s;&|()`$]", word):
                inner = calls(word, name, depth + 1) if depth < MAX_NESTED else None
                if inner is None:
                    return None
                found += inner
    return found


def _segments(command: str) -> Iterator[list[str]]:
    """Yield the words of each simple command, without quotes and redirections. ValueError for an open quote."""
    # A backtick begins a command, which becomes a segment of its own; "$" marks the word that its output replaces.
    plain = command.replace("\\\n", " ").replace("`", "; $ ")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[str] = []
    redirected = False
    for piece in lexer:
        if redirected and piece == "-":  # of `<<- WORD`
            continue
        if not piece or piece.strip("();<>|&\n"):
            if not redirected:
                words.append(piece)
            redirected = False
        elif _REDIRECTION.fullmatch(piece):
            if words and words[-1].isdigit():
                words.pop()
            redirected = True
        else:
            yield words
            words, redirected = [], piece.endswith(("<", ">", ">|", ">&", "<&"))
    yield words
