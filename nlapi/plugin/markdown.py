"""Text of a description made safe for Markdown that a model reads and a client acts on."""

from __future__ import annotations

import json
import re

from nlapi import bundled
from nlapi.tools.texts.plain_text import safe_line as safe_line

_PLACEHOLDER = re.compile(r"@([a-z_]+)@")


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
