"""Finds credentials in what people write: by the form that vendors gave them, or by the words that lead to one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.client.masking import MASK
from nlapi.english import lexicon
from nlapi.english.words import singular, split_words
from nlapi.lazy_pattern import lazy_pattern

_QUOTE = "[\"'`“‘]?"
_ASSIGNED = r"\s*(?:=|:|\bis\b|\bbeing\b)\s*"
_KINDS = r"(?:api|access|auth|client|session|secret|refresh|personal|security|private)"
# Of `key` alone and of `project key` neither is a credential.
_LABEL = rf"(?:{_KINDS}?[\s_-]*(?:token|secret)|{_KINDS}[\s_-]*key)"
# Prefixes of vendors' keys, and the schemes of an Authorization header (RFC 9110 §11.6.2).
_FORMS = (
    lazy_pattern(r"\b(?:sk|pk|rk)[-_](?:[a-z]+[-_])*[A-Za-z0-9]{16,}|\bsk-ant-[\w-]{16,}"),
    lazy_pattern(r"\b(?:gh[opsur]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})"),
    lazy_pattern(r"\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"),
    lazy_pattern(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?"),
    lazy_pattern(r"(?i)\bbearer\s+(?=\S*\d)[\w.~+/-]{8,}=*|\bbasic\s+(?=\S*\d)[\w+/]{16,}=*"),
    lazy_pattern(r"(?i)(?<=://)[^\s/:@'\"`]{1,60}:[^\s/@'\"`]{3,}(?=@)"),
)
# A password may be any word, and a token has to look like one: `the token list` and `the key of bob` have none.
# To reset a password names whose it is.
_NOT_RESET = "".join(rf"(?<!{verb}\s)" for verb in ("reset", "change", "update", "rotate", "recover"))
_PASSWORD = lazy_pattern(
    rf"(?i){_NOT_RESET}\b(?:password|passwd|pwd|passphrase|passcode)(?:{_ASSIGNED}|\s+){_QUOTE}"
    r"(?P<text>[^\s\"'`“”‘’]{4,})"
)
_FLAG = lazy_pattern(rf"(?i)(?<!\w)--?[\w-]*(?:token|password|secret|api-?key)[=\s]+{_QUOTE}(?P<text>[^\s\"'`]{{4,}})")
_TOKEN = lazy_pattern(
    rf"(?i)\b{_LABEL}(?P<assigned>{_ASSIGNED}|\s+){_QUOTE}(?P<text>(?=[\w./+=~-]*\d)(?=[\w./+=~-]*[a-z])[\w./+=~-]{{8,}})"
)
# Without `is` or a mark between them the text behind `token` is as often the id of one: revoke the token tok_51.
_LEAST_UNASSIGNED = 20
_SECRET_WORDS = lexicon.words("client/words", "secret_arguments")
_KEY_WORDS = lexicon.words("client/words", "words_of_keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialText:
    """A credential in a text, from `start` to before `end`."""

    text: str
    start: int
    end: int


def find_credential_texts(text: str) -> tuple[CredentialText, ...]:
    """Return the credentials in a text, in order and without those inside of another."""
    spans = sorted({*_spans_by_form(text), *_spans_by_label(text)}, key=lambda span: (span[0], -span[1]))
    credentials: list[CredentialText] = []
    for start, end in spans:
        if not credentials or start >= credentials[-1].end:
            credentials.append(CredentialText(text=text[start:end], start=start, end=end))
    return tuple(credentials)


def _spans_by_form(text: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for pattern in _FORMS for match in pattern.finditer(text))


def _spans_by_label(text: str) -> Iterator[tuple[int, int]]:
    for match in (*_PASSWORD.finditer(text), *_FLAG.finditer(text)):
        end = match.start("text") + len(match["text"].rstrip(".,;:!?)"))
        if _is_unlike_word(text[match.start("text") : end]):
            yield match.start("text"), end
    for match in _TOKEN.finditer(text):
        if match["assigned"].strip() or len(match["text"]) >= _LEAST_UNASSIGNED:
            yield match.start("text"), match.start("text") + len(match["text"].rstrip("."))


def _is_unlike_word(text: str) -> bool:
    """Return whether a text is not a word of the sentence, as in: the password policy, reset the password for eve."""
    is_address = re.fullmatch(r"[^\s@]+@[^\s@]+\.\w+", text) is not None
    return not is_address and bool(re.search(r"\d|[^\w'’.-]|[a-z][A-Z]", text))


def mask_credential_texts(text: str, sentence: str) -> str:
    """Return a text about a sentence with `***` in place of each credential of the sentence."""
    for credential in find_credential_texts(sentence):
        text = text.replace(credential.text, MASK)
        # A word of it alone, as of `Bearer eyJ...`.
        for part in credential.text.split()[1:]:
            text = text.replace(part, MASK)
    return text


def takes_credential(argument: str, schema: Mapping[str, Any], path: str = "") -> bool:
    """Return whether an argument is for a credential: by its format, its name, or the path that is about credentials.

    `argument` is dotted where it is inside of another. `/tokens/{id}` is about tokens, whatever its parameter is
    called.
    """
    if schema.get("format") == "password" or schema.get("writeOnly") is True:
        return True
    return _is_secret_name(split_words(argument)) or any(
        _is_secret_name(split_words(part)) for part in path.split("/") if "{" not in part
    )


def _is_secret_name(words: Sequence[str]) -> bool:
    singulars = [singular(word) for word in words]
    if not _SECRET_WORDS.isdisjoint(singulars) or "".join(singulars) in _SECRET_WORDS:
        return True
    # Of `project_key` and `sort_key` neither is secret.
    return "key" in singulars and (len(singulars) == 1 or not _KEY_WORDS.isdisjoint(singulars))
