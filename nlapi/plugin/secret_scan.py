"""Finds texts that look like credentials in the files of a plugin, and takes them out of the texts of a description."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.english import lexicon
from nlapi.errors import Issue, Level

# Prefixes that vendors chose so that scanners find their keys; anything looser finds the examples of every description.
_SECRET_PATTERNS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
    "a key of Anthropic's": r"\bsk-ant-[\w-]{20,}",
    "a key that begins with sk-": r"\bsk-(?:proj-|live-)?[A-Za-z0-9]{32,}",
    "a token of GitHub's": r"\b(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_\w{50,})",
    "a token of Slack's": r"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "a key of AWS's": r"\bAKIA[0-9A-Z]{16}\b",
    "a key of Google's": r"\bAIza[\w-]{35}\b",
    "a key of Stripe's": r"\b[rs]k_live_[A-Za-z0-9]{20,}",
    "a JSON Web Token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "a bearer token": r"(?i)\bbearer [a-z0-9._~+/-]{24,}=*",
    "a password in an address": r"https?://[^\s/:@'\"`]{1,60}:[^\s/@'\"`]{3,}@",
}
SECRET_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _SECRET_PATTERNS.items()}
# A shorter credential is likely to occur in a text by chance.
MIN_SECRET = 8

# Quick to search for, and found in JSON too, where `\n` is two characters: the text before a secret is not looked at.
_HINTS = {kind: re.compile(text.replace(r"\b", "").removeprefix("[rs]")) for kind, text in _SECRET_PATTERNS.items()}
# The rest of a private key, which tells more than its first line.
_KEY_BODY = r"(?:(?:(?!-----BEGIN).)*?-----END (?:[A-Z]+ )?PRIVATE KEY-----|[\w+/=\s\\]*)"
_WHOLE_SECRETS = {
    kind: re.compile(f"{pattern}{_KEY_BODY}" if kind == "a private key" else pattern, re.DOTALL)
    for kind, pattern in _SECRET_PATTERNS.items()
}
# Values of these keys decide what is sent, or where: a text in the place of one would make another request.
_EXACT_KEYS = lexicon.words("plugin/words", "exact_keys")
# Below these a key is a name, such as that of a property called `default`.
_NAME_KEYS = frozenset("properties patternProperties $defs definitions schemas parameters".split())


def mask_examples(
    document: dict[str, Any], text: str, written: Mapping[int, str] | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a description without what looks like a credential in its texts and examples, and the kinds of it.

    `text` is the document as JSON, `written` that of parts of it, by their identity. What is sent as it stands (`enum`,
    `default`, addresses) is left as it is. Parts of the document that are not changed are the same objects.
    """
    kinds = [kind for kind, pattern in _HINTS.items() if pattern.search(text)]
    if not kinds:
        return document, ()
    ordinary = {part for part, row in (written or {}).items() if not any(_HINTS[kind].search(row) for kind in kinds)}
    masked_kinds: dict[str, None] = {}

    def mask(text: str) -> str:
        masked = text
        for kind in kinds if len(text) >= MIN_SECRET else ():
            masked, count = _WHOLE_SECRETS[kind].subn(f"({kind} was left out)", masked)
            if count:
                masked_kinds[kind] = None
        # What stood behind a secret may begin a word now, and be one itself.
        return text if masked == text else mask(masked)

    def transform(node: Any, *, is_sample: bool = False, has_names: bool = False) -> Any:
        """Return a node of a description with its texts masked; inside of an example every string is one."""
        if isinstance(node, str):
            return mask(node)
        if isinstance(node, list):
            items = [transform(item, is_sample=is_sample) for item in node]
            return items if any(new is not old for new, old in zip(items, node, strict=True)) else node
        if not isinstance(node, Mapping) or id(node) in ordinary:
            return node
        values: dict[str, Any] = {}
        for key, value in node.items():
            is_plain = is_sample or has_names
            if not is_plain and key in _EXACT_KEYS and not isinstance(value, Mapping):
                values[key] = value
            else:
                inside_sample = is_sample or (not has_names and key in ("example", "examples"))
                values[key] = transform(value, is_sample=inside_sample, has_names=not is_plain and key in _NAME_KEYS)
        return values if any(values[key] is not node[key] for key in node) else node

    return transform(document), tuple(masked_kinds)


def find_secrets(files: Mapping[str, bytes], values: Mapping[str, str], description: str) -> Iterator[Issue]:
    """Yield an Issue for each text that looks like a credential.

    `values` are the credentials themselves, by variable: none may be in a file. A warning where the file `description`
    has the text too: the build leaves there what is sent as it stands, such as a value of an enum.
    """
    described = _decoded(files.get(description, b""))
    for path, content in files.items():
        text = _decoded(content) if not path.endswith(".whl") else ""
        for variable, value in values.items():
            if len(value) >= MIN_SECRET and value in text:
                yield _secret_issue(path, f"holds the credential that is in {variable}", Level.ERROR)
        for kind, pattern in SECRET_PATTERNS.items():
            match = pattern.search(text)
            if match:
                is_example = path == description or match[0] in described
                yield _secret_issue(path, f"has {kind} in it", Level.WARNING if is_example else Level.ERROR)


def _decoded(content: bytes) -> str:
    """Return the text of a file, with a line break for one that JSON escapes: a word begins behind it."""
    return content.decode("utf-8", "replace").replace("\\n", "\n")


def _secret_issue(location: str, message: str, level: Level) -> Issue:
    hint = (
        "its description has it as well: is it an example?" if level is Level.WARNING else "take it out and revoke it"
    )
    return Issue(level=level, where=location, message=message, hint=hint, rule="secret")
