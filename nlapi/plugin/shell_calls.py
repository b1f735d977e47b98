"""The calls of a plugin's command within a shell command, or the finding that they cannot be told from its text.

Claude Code asks before each Bash command (docs/design/015). Whatever is not literal needs the user's consent: a
variable in the place of an operation, a quote that does not end, arguments from elsewhere.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

MAX_NESTED = 4

# What a shell replaces in a word that is not quoted: variables, output of commands, names of files, homes, braces. In
# double quotes it is the first two. What is literal is put into Unicode's private use area while a command is cut.
_EXPANDED = "$`*?~{"
_EXPANDED_IN_QUOTES = "$`"
_LITERALS = {character: chr(0xE000 + index) for index, character in enumerate(_EXPANDED)}
_ORIGINALS = str.maketrans({mark: character for character, mark in _LITERALS.items()})


class ShellWord(str):
    """A word of a command without its quotes. With `expands`, the shell replaces a part of it before it is used."""

    __slots__ = ("expands",)

    expands: bool

    def __new__(cls, text: str, *, expands: bool = False) -> ShellWord:
        self = super().__new__(cls, text)
        self.expands = expands
        return self


# Commands that take a name without running it; a model uses them to find the command.
_NAMING_COMMANDS = frozenset(("which", "type", "ls", "cat", "head", "grep"))
_REDIRECTION = re.compile(r"&>>?|>[>|&]?|<(?:<<?|[>&])?")
# Variables by which one command can replace the program of the next, or change where it sends.
_STEERING_VARIABLES = (
    r"PATH|HOME|ENV|BASH_ENV|IFS|NLAPI_\w+|CLAUDE\w*|LD_\w+|PYTHON\w+|(?:UV|PIPX?|SSL|XDG)_\w+|\w*_(?:PROXY|proxy)"
)

# Commands that set, or may set, a variable which they name without `=`.
_SETTING_COMMANDS = r"read|readarray|mapfile|getopts|printf\s+-v|declare|typeset|local|export|readonly|for|select"


def find_override(command: str, variables: Iterable[str]) -> str:
    """Return what a command sets for the call, or "". `variables` are those that the plugin's command reads."""
    names = "|".join([_STEERING_VARIABLES, *map(re.escape, variables)])
    plain = re.sub(r"[\\'\"]", "", command)
    match = re.search(rf"(?<![\w-])({names})(?:\+?=|:?=)", plain)
    match = match or re.search(rf"(?<![\w-])(?:{_SETTING_COMMANDS})\b[^;&|\n]*?(?<![\w$-])({names})(?!\w)", plain)
    if match:
        return match[1]
    sourced = re.search(r"(?:^|[;&|({\n]|\bthen|\bdo|\bbuiltin|\bcommand)\s*(?:\.|source)\s+(\S+)", plain)
    return f"what {sourced[1]} says" if sourced else ""


def find_calls(command: str, name: str, depth: int = 0) -> list[list[ShellWord]] | None:
    """Return the arguments of each call of `name` in a command; None when they cannot be determined.

    Commands within words (`bash -c '...'`, `"$(...)"`) are examined as well. A word that may begin a comment ends the
    arguments, and what follows it is examined all the same. A name that is stored (a variable, an alias, a list of
    words) may be run in ways that cannot be seen.
    """
    results: list[list[ShellWord]] = []
    stored_name = re.compile(rf"[=,{{\[]{re.escape(name)}(?![\w-])|(?<![\w-]){re.escape(name)}[,}}\]]")
    try:
        segments = list(_simple_commands(command))
    except ValueError:
        return None
    for words in segments:
        is_mention = words[:1] and (words[0] in _NAMING_COMMANDS or words[:2] == ["command", "-v"])
        positions = [index for index, word in enumerate(words) if word.rpartition("/")[2] == name]
        if positions and not is_mention:
            arguments = words[positions[0] + 1 :]
            comment = next((index for index, word in enumerate(arguments) if word.startswith("#")), len(arguments))
            results.append(arguments[:comment])
        for word in words:
            if stored_name.search(word):
                return None
            if name in word and re.search(r"[\s;&|()`$]", word):
                inner = find_calls(word, name, depth + 1) if depth < MAX_NESTED else None
                if inner is None:
                    return None
                results += inner
    return results


def _mark_literals(command: str) -> str:
    """Return a command in which what a shell takes as it is, by quotes or a backslash, is marked as literal."""
    marked, quote, position = "", "", 0
    while position < len(command):
        character = command[position]
        if character == "\\" and quote != "'" and position + 1 < len(command):
            following = command[position + 1]
            marked += _LITERALS.get(following, f"\\{following}")
            position += 2
            continue
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        literal = quote == "'" or (quote == '"' and character not in _EXPANDED_IN_QUOTES)
        marked += _LITERALS.get(character, character) if literal else character
        position += 1
    return marked


def _word(text: str) -> ShellWord:
    return ShellWord(text.translate(_ORIGINALS), expands=any(character in text for character in _EXPANDED))


def _simple_commands(command: str) -> Iterator[list[ShellWord]]:
    """Yield the words of each simple command, without quotes and redirections. ValueError for an open quote."""
    # A backtick begins a command, which becomes a segment of its own; "$" marks the words that its output is put into.
    pieces = _mark_literals(command.replace("\\\n", " ")).split("`")
    plain = "".join(
        piece + ("" if piece is pieces[-1] else "; $ " if index % 2 else "$; $ ") for index, piece in enumerate(pieces)
    )
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[ShellWord] = []
    in_redirection = False
    for piece in lexer:
        if in_redirection and piece == "-":  # of `<<- WORD`
            continue
        if not piece or piece.strip("();<>|&\n"):
            if not in_redirection:
                words.append(_word(piece))
            in_redirection = False
        elif _REDIRECTION.fullmatch(piece):
            if words and words[-1].isdigit():
                words.pop()
            in_redirection = True
        else:
            yield words
            words, in_redirection = [], piece.endswith(("<", ">", ">|", ">&", "<&"))
    yield words
