"""The calls of a plugin's command within a shell command, or the finding that its text does not show them.

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
# A list of characters in the name of a file (`k=/etc/pass[w]d`); filters of jq have brackets too, and no path.
_EXPANDED_PATH = re.compile(r"[^=]*=[^\[]*/[^\[]*\[|[^=]*=[^\[]*\[.*/")
_LITERALS = {character: chr(0xE000 + index) for index, character in enumerate(f"{_EXPANDED}[#")}
# A `#` behind one of these begins a comment.
_BEFORE_COMMENT = " \t\n;&|()<>"
_ORIGINALS = str.maketrans({mark: character for character, mark in _LITERALS.items()})


class ShellWord(str):
    """A word of a command without its quotes. With `expands`, the shell replaces a part of it before it is used.

    With `is_comment` it begins a comment.
    """

    __slots__ = ("expands", "is_comment")

    expands: bool
    is_comment: bool

    def __new__(cls, text: str, *, expands: bool = False, is_comment: bool = False) -> ShellWord:
        self = super().__new__(cls, text)
        self.expands = expands
        self.is_comment = is_comment
        return self


# Commands that take a name without running it; a model uses them to find the command.
_NAMING_COMMANDS = frozenset(("which", "type", "ls", "cat", "head", "grep"))
# What may make another command of such a one: a function, an alias, a text that is run.
_REDEFINITION = re.compile(
    rf"\b(?:{'|'.join(sorted(_NAMING_COMMANDS))})\s*\(\s*\)|(?:^|[\s;&|({{])(?:function|alias|eval|source|\.)\s"
)
# Commands that add words to the command that they run.
_ADDING_COMMANDS = frozenset(("xargs", "parallel"))
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
    # `-Snlapi-shop` is a value behind an option: `env -S`.
    stored_name = re.compile(
        rf"[=,{{\[]{re.escape(name)}(?![\w-])|(?<![\w-]){re.escape(name)}[,}}\]]|^-\w+{re.escape(name)}(?![\w-])"
    )
    try:
        segments = list(_simple_commands(command))
    except ValueError:
        return None
    is_redefined = _REDEFINITION.search(re.sub(r"[\\'\"]", "", command)) is not None
    for words in segments:
        is_named = words[:1] and words[0] in _NAMING_COMMANDS and not (is_redefined or words[0].expands)
        is_mention = is_named or words[:2] == ["command", "-v"]
        positions = [index for index, word in enumerate(words) if word.rpartition("/")[2] == name]
        if positions and not is_mention:
            results.append(_arguments(words, positions[0]))
        for index, word in enumerate(words):
            if stored_name.search(word):
                return None
            if name in word and re.search(r"[\s;&|()`$]", word):
                inner = find_calls(word, name, depth + 1) if depth < MAX_NESTED else None
                if inner is None:
                    return None
                # `eval 'nlapi-shop get' k=$S`: the words behind the text may belong to its last command.
                added = [following for following in words[index + 1 :] if following.expands][:1]
                results += [[*arguments, *added] for arguments in inner]
    return results


def _arguments(words: list[ShellWord], position: int) -> list[ShellWord]:
    """Return the words behind the name of a command, and in front of a comment."""
    arguments = words[position + 1 :]
    comment = next((index for index, word in enumerate(arguments) if word.is_comment), len(arguments))
    added = [word for word in words[:position] if word.rpartition("/")[2] in _ADDING_COMMANDS]
    return [*arguments[:comment], *(ShellWord(word, expands=True) for word in added[:1])]


def _mark_literals(command: str) -> str:
    """Return a command in which what a shell takes as it is, by quotes or a backslash, is marked as literal.

    Continued lines are joined. In a comment, which ends with its line, a quote is not a quote.
    """
    marked, quote, position = "", "", 0
    in_comment = False
    while position < len(command):
        character = command[position]
        following = command[position + 1 : position + 2]
        if in_comment:
            in_comment = character != "\n"
            marked += f"\\{character}" if character in "'\"\\" else character
        elif character == "\\" and quote != "'" and following:
            marked += "" if following == "\n" else _LITERALS.get(following, f"\\{following}")
            position += 1
        else:
            in_comment = character == "#" and not quote and (not marked or marked[-1] in _BEFORE_COMMENT)
            if character in "'\"" and quote in ("", character):
                quote = "" if quote else character
            literal = quote == "'" or (quote == '"' and character not in _EXPANDED_IN_QUOTES)
            marked += _LITERALS.get(character, character) if literal else character
        position += 1
    return marked


def _word(text: str) -> ShellWord:
    expands = any(character in text for character in _EXPANDED) or _EXPANDED_PATH.match(text) is not None
    return ShellWord(text.translate(_ORIGINALS), expands=expands, is_comment=text.startswith("#"))


def _simple_commands(command: str) -> Iterator[list[ShellWord]]:
    """Yield the words of each simple command, without quotes and redirections. ValueError for an open quote."""
    # A backtick begins a command, which becomes a separate segment; "$" marks the words that its output is put into.
    pieces = _mark_literals(command).split("`")
    plain = "".join(
        piece + ("" if piece is pieces[-1] else "; $ " if index % 2 else "$; $ ") for index, piece in enumerate(pieces)
    )
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[ShellWord] = []
    in_redirection = is_continued = False
    for piece in lexer:
        if in_redirection and piece == "-":  # of `<<- WORD`
            continue
        if not piece or piece.strip("();<>|&\n"):
            if not in_redirection:
                words.append(ShellWord(_word(piece), expands=True) if is_continued else _word(piece))
            in_redirection = is_continued = False
        elif _REDIRECTION.fullmatch(piece):
            if words and words[-1].isdigit():
                words.pop()
            in_redirection = True
        else:
            # The command continues after `<(...)`. Within a word `(` is a pattern, or a command in other shells:
            # `k=@(a|b)`, `k=(cat FILE)`.
            if words and piece.startswith(("(", "<(", ">(")):
                words[-1] = ShellWord(words[-1], expands=True)
            yield words
            # A word may continue after `)`: the first one of the next segment is not that of a command.
            is_continued = piece.endswith(")")
            words, in_redirection = [], piece.endswith(("<", ">", ">|", ">&", "<&"))
    yield words
