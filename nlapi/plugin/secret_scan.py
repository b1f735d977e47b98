"""Finds texts that look like credentials in the files of a plugin, and takes them out of the texts of a description."""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
    masker = _Masker(kinds=kinds, ordinary=ordinary)
    return masker.node(document), tuple(masker.masked_kinds)


@dataclass(slots=True, kw_only=True)
class _Masker:
    """Masks `kinds` of secrets; parts of the document with an identity in `ordinary` have none."""

    kinds: Sequence[str]
    ordinary: Collection[int]
    masked_kinds: dict[str, None] = field(default_factory=dict)

    def text(self, text: str) -> str:
        masked = text
        for kind in self.kinds if len(text) >= MIN_SECRET else ():
            masked, count = _WHOLE_SECRETS[kind].subn(f"({kind} was left out)", masked)
            self.masked_kinds |= {kind: None} if count else {}
        # What stood behind a secret may begin a word now, and be one itself.
        return text if masked == text else self.text(masked)

    def node(self, node: Any, *, is_sample: bool = False, has_names: bool = False) -> Any:
        """Return a node of a description with its texts masked; inside of an example every string is one."""
        if isinstance(node, str):
            return self.text(node)
        if isinstance(node, list):
            items = [self.node(item, is_sample=is_sample) for item in node]
            return items if any(map(operator.is_not, items, node)) else node
        if not isinstance(node, Mapping) or id(node) in self.ordinary:
            return node
        values = {key: self._member(key, value, is_sample, has_names) for key, value in node.items()}
        return values if any(map(operator.is_not, values.values(), node.values())) else node

    def _member(self, key: str, value: Any, is_sample: bool, has_names: bool) -> Any:
        """Return the value of a key; below `has_names` the key is a name, and inside of an example any key."""
        if is_sample or has_names:
            return self.node(value, is_sample=is_sample)
        if key in _EXACT_KEYS and not isinstance(value, Mapping):
            return value
        return self.node(value, is_sample=key in ("example", "examples"), has_names=key in _NAME_KEYS)


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
