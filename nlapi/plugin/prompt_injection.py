"""Texts of a description that read like instructions to a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nlapi.client.safe_text import single_line
from nlapi.issue import Issue

# A hostile description could repeat its text in every operation.
MAX_QUOTE = 80
MAX_ISSUES = 20

# The patterns need a model, or an action on instructions, beside the verb: "you must call" alone is in the texts of
# many APIs. `python -m benchmarks.injected` counts how often ordinary descriptions are taken for instructions.
_MODEL = r"(?:the |an? |any )?(?:AI|LLM|language model|assistant|chatbot|claude|chatgpt|copilot|AI agent)s?"
_ACTION = (
    r"(?:call|invoke|run|execute|send|fetch|read|open|upload|forward|include|ignore|reply|respond|answer|say|delete)"
)
_SIGNS = {
    "it sets aside what was said before": (
        r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}"
        r"\b(?:previous|prior|above|earlier|preceding|foregoing|system|your|all other)\b.{0,20}"
        r"\b(?:instruction|prompt|rule|guideline|direction|command|context)s?\b"
        r"|\b(?:ignore|disregard|forget|override)\b.{0,20}\b(?:instruction|prompt|rule)s?\b.{0,12}\b(?:above|before|earlier)\b"
    ),
    "it takes the part of a system or a user": (
        r"</?(?:system|assistant|human|instructions?|tool_(?:call|result)|function_calls?)>"
        r"|<\|(?:im_start|im_end|system)\|>|\[/?INST\]"
        r"|(?:^|\n)\s*(?:system|human|assistant): .{0,80}\b(?:you|ignore)\b"
    ),
    "it tells a model what to do": (
        rf"\b{_MODEL} (?:must|should|shall|has to|have to|needs? to|is required to|will) "
        rf"(?:always |never |first |now |not |also )*{_ACTION}\b"
        r"|\byou (?:must|should|have to|need to|are required to) (?:always |now |first |also )*"
        r"(?:call|invoke|run|execute|use) (?:this|the|that|another|every) (?:tool|command)\b"
    ),
    "it gives a model another part": (
        r"\byou are (?:now|no longer) (?:an? |in |the |bound )|\bfrom now on,? you\b"
        r"|\bact as (?:an? )?(?:AI|admin|root|system)\b"
    ),
    "it keeps something from the user": (
        r"\b(?:do not|don't|never|without)\b.{0,10}"
        r"\b(?:tell|telling|mention|mentioning|inform|informing|reveal|notify|alert)"
        r"(?: it| this| that| any of this)?(?: to)? the (?:user|human|person)\b"
    ),
    "it asks for what is secret": (
        r"\b(?:reveal|print|repeat|output|send|forward|upload|post|leak|exfiltrate)\b.{0,40}"
        r"\b(?:system prompt|your (?:instructions|prompt)|conversation history"
        r"|your environment variables|~/\.ssh|id_rsa|/etc/passwd)"
    ),
}
SIGNS = {sign: re.compile(pattern, re.IGNORECASE | re.DOTALL) for sign, pattern in _SIGNS.items()}
# Characters that a person does not see and a model reads (tags), or that are read in another order than they are seen.
HIDDEN = re.compile(r"[\U000e0020-\U000e007f]{4}|[\u202a-\u202e\u2066-\u2069]|[\u200b\u2060\ufeff]{6}")


def find_injections(document: Mapping[str, object]) -> Iterator[Issue]:
    """Yield an Issue for each text that reads like an instruction to a model."""
    sign_of: dict[str, tuple[str, int] | None] = {}
    count = 0
    for location, text in _texts(document):
        # Large descriptions repeat one text in every operation, such as that of a shared parameter.
        if text not in sign_of:
            sign_of[text] = _sign(text)
        if (match := sign_of[text]) is None:
            continue
        count += 1
        if count > MAX_ISSUES:
            yield _injection_issue("", "further texts read like instructions to a model")
            return
        sign, start = match
        quote = single_line(text[max(0, start - 10) : start + MAX_QUOTE]).strip()
        yield _injection_issue(location, f"reads like an instruction to a model, as {sign}: {quote!r}"[:260])


def _sign(text: str) -> tuple[str, int] | None:
    """Return why a text is more than a description, and where that begins."""
    for sign, pattern in SIGNS.items():
        if match := pattern.search(text):
            return sign, match.start()
    return ("it has characters that nobody sees", 0) if HIDDEN.search(text) else None


def _texts(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the texts of a description that reach a model, without examples and values."""
    # A stack in place of recursion: an untrusted description may be nested deeper than Python recurses.
    stack: list[tuple[str, object]] = [("", document)]
    while stack:
        location, node = stack.pop()
        if isinstance(node, Mapping):
            for key, child in reversed(list(node.items())):
                child_location = f"{location}.{key}" if location else str(key)
                if isinstance(child, str) and key in ("description", "summary", "title", "name", "operationId"):
                    yield child_location, child
                elif isinstance(child, Mapping | list) and key not in ("example", "examples"):
                    stack.append((child_location, child))
        elif isinstance(node, list):
            stack += [
                (f"{location}[{index}]", child)
                for index, child in reversed(list(enumerate(node)))
                if isinstance(child, Mapping | list)
            ]


def _injection_issue(location: str, message: str) -> Issue:
    return Issue.warning(location, message, "it is told as data; read it before you trust this description", "injected")
