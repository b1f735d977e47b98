"""Text of a description made safe for Markdown that a model reads and a client acts on."""

from __future__ import annotations

import json
import re
from html import unescape

from nlapi import bundled
from nlapi.client.safe_text import single_line
from nlapi.tools.text import plain_text

# Code (which Claude Code runs after a `!`), a tag, or a cell of a table.
_MARKUP_CHARACTERS = str.maketrans({"`": "'", "<": "‹", ">": "›", "|": "¦"})

_LINK = re.compile(r"(!?)\[([^\[\]]*)\]\(|\]\s*[\[(:]")
_EMPHASIS = re.compile(r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)")
_PLACEHOLDER = re.compile(r"@([a-z_]+)@")


def safe_line(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text` on one line, in which nothing is markup, code or a link."""
    text = single_line(unescape(plain_text(unescape(text))))
    text = _LINK.sub(lambda match: f"{match[2] or ''} (", text)
    text = _EMPHASIS.sub("", text).translate(_MARKUP_CHARACTERS).strip("# ")
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def inert_line(text: str, limit: int) -> str:
    """Return the same for skills and manifests, in which the client fills in `$ARGUMENTS` and `${...}`."""
    return safe_line(text, limit).replace("$", "＄")


def yaml_string(text: str) -> str:
    """Return a text as a value of YAML front matter: a JSON string is one."""
    # Claude Code ends front matter at any `---`, even within a value (seen in 2.1.331).
    return json.dumps(re.sub("-{3,}", "—", text), ensure_ascii=False)


def fill_template(name: str, /, **values: str) -> str:
    """Return the template `name` with each `@key@` replaced once, so that a value cannot contain another key."""
    text = _PLACEHOLDER.sub(lambda match: values[match[1]].strip("\n"), bundled.text(f"prompts/skills/{name}"))
    return re.sub(r"\n{3,}", "\n\n", text)
