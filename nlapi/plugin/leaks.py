"""Credentials that got into the files of a plugin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nlapi.issue import Issue, Level
from nlapi.plugin.build import DESCRIPTION

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


def find_secrets(files: Mapping[str, bytes], values: Mapping[str, str]) -> Iterator[Issue]:
    """Yield an Issue for each text that looks like a credential.

    `values` are the credentials themselves, by variable: none may be in a file. A warning where the description has the
    text too, as an example of its author.
    """
    described = files.get(DESCRIPTION, b"").decode("utf-8", "replace")
    for path, content in files.items():
        text = content.decode("utf-8", "replace")
        for variable, value in values.items():
            if len(value) >= MIN_SECRET and value in text:
                yield _secret_issue(path, f"holds the credential that is in {variable}", Level.ERROR)
        for kind, pattern in SECRET_PATTERNS.items():
            match = pattern.search(text)
            if match:
                is_example = path == DESCRIPTION or match[0] in described
                yield _secret_issue(path, f"has {kind} in it", Level.WARNING if is_example else Level.ERROR)


def _secret_issue(location: str, message: str, level: Level) -> Issue:
    hint = (
        "its description has it as well: is it an example?" if level is Level.WARNING else "take it out and revoke it"
    )
    return Issue(level=level, where=location, message=message, hint=hint, rule="secret")
