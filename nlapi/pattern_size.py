"""Says how large becomes what others wrote: a regular expression when it is compiled, and a schema in its use.

An expression of thirty characters may take all memory. The schemas that one value is held against grow exponentially by
`allOf`, choices and `$ref`s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef")


class CombinedSizes:
    """The number of schemas that a value is held against with one, each target of a reference counted once.

    Thirty levels of two references to the level below are 2^30 schemas in a page of text, and whoever merges or checks
    them visits each. `lookup` returns the target of a reference; LookupError for none. No size exceeds `limit` + 1.
    """

    def __init__(self, lookup: Callable[[str], object], limit: int) -> None:
        self._lookup = lookup
        self._limit = limit
        self._sizes: dict[str, int] = {}

    def is_larger(self, schema: object) -> bool:
        """Return whether a schema combines more than `limit` schemas. One within itself counts once."""
        count, references = _count_parts(schema)
        return count + sum(map(self._size, references)) > self._limit

    def _size(self, reference: str) -> int:
        # An explicit stack: a chain of 10,000 references would exceed Python's recursion limit.
        stack, parts = [reference], dict[str, tuple[int, list[str]]]()
        while stack:
            current = stack[-1]
            if current not in self._sizes and current not in parts:
                parts[current] = self._parts(current)
                stack += (part for part in parts[current][1] if part not in self._sizes and part not in parts)
                continue
            if current not in self._sizes:
                count, references = parts[current]
                # A part that is not counted yet leads back here; cycles end where they are followed.
                total = count + sum(self._sizes.get(part, 1) for part in references)
                self._sizes[current] = min(total, self._limit + 1)
            stack.pop()
        return self._sizes[reference]

    def _parts(self, reference: str) -> tuple[int, list[str]]:
        try:
            return _count_parts(self._lookup(reference))
        except LookupError:
            return 1, []


def largest_exceeds(schema: Mapping[str, object], limit: int) -> bool:
    """Return whether some part of a schema, which refers to itself alone, combines more than `limit` schemas."""
    nodes = list(objects_in(schema))
    anchors = {f"#{node['$anchor']}": node for node in nodes if isinstance(node.get("$anchor"), str)}

    def lookup(reference: str) -> object:
        target: object = anchors.get(reference, schema)
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, Mapping) else None
        return target

    return any(map(CombinedSizes(lookup, limit).is_larger, nodes))


def _count_parts(schema: object) -> tuple[int, list[str]]:
    """Return the number of schemas in a schema that apply to the same value, and the references among them."""
    count, references, todo = 0, list[str](), [schema]
    while todo:
        node = todo.pop()
        count += 1
        if not isinstance(node, Mapping):
            continue
        references += (node[name] for name in _REFERENCES if isinstance(node.get(name), str))
        for name in _LISTS:
            todo += parts if isinstance(parts := node.get(name), list) else ()
        todo += (node[name] for name in _SINGLE if name in node)
        todo += dependent.values() if isinstance(dependent := node.get("dependentSchemas"), Mapping) else ()
    return count, references


def objects_in(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield all objects of a schema, itself first."""
    pending: list[object] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            yield node
            pending += node.values()
        elif isinstance(node, list | tuple):
            pending += node


# Characters and sets of a pattern; more takes `re` too long to compile (tests/openapi/test_parse_hostile.py). A set of
# many letters takes up to 5 ms; the most sets in 2,640 real descriptions are 92.
MAX_PATTERN = 20_000
MAX_SETS = 200
# Steps of a compiled pattern, each of 0.3 to 1.4 kB in `regex`. Of the 3,531 patterns of 2,639 public descriptions a
# list of fonts has 19,444, and one that is not a list 1,002.
MAX_STEPS = 30_000
# Characters that stand side by side: `regex` takes the third power of their number to prepare a search, 8 ms for these.
# The most in those descriptions are 66.
MAX_LITERAL = 300

_TOKEN = re.compile(
    r"""(?P<escape>\\(?:[pP]\{[^{}]*\}|k<\w+>|.))
    |(?P<set>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])
    |(?P<open>\((?:\?(?:[:=!>]|<[=!]|P?<\w+>|[aimsu]*(?:-[ims]+)?:)|(?![?*])))
    |(?P<flags>\(\?(?:[aimsu]+|P=\w+)\))
    |(?P<close>\))
    |(?P<bar>\|)
    |(?P<count>(?:[*+?]|\{(?:(?P<least>\d+)(?P<comma>,(?P<most>\d*))?|,(?P<only>\d+))\})[?+]?)
    |(?P<text>[^()\[\\|*+?{]+|\{)""",
    re.VERBOSE | re.DOTALL,
)
_POSIX_CLASS = re.compile(r"\[:\^?\w+:\]")
_COUNT = re.compile(r"\{(\d+)")
# Steps that an automaton over bytes has for a set that is not of ASCII: a few for all other characters, hundreds for a
# property of Unicode.
_WIDE, _PROPERTY = 10, 300


@dataclass(frozen=True, slots=True)
class PatternSize:
    """The steps of a pattern whose counted repeats are written out, and the characters of its longest literal."""

    steps: int
    literal: int


def pattern_refusal(pattern: str) -> str:
    """Return why a pattern is not compiled, as the rest of a sentence about it; "" for one that may be."""
    if len(pattern) > MAX_PATTERN:
        return f"has more than {MAX_PATTERN:,} characters"
    if pattern.count("[") > MAX_SETS:
        return f"has more than {MAX_SETS} sets"
    # However its parts are nested, it has no more steps than this product.
    bound = len(pattern) << pattern.count("+")
    for least in _COUNT.findall(pattern):
        bound *= _count(least) + 1
    if bound <= MAX_STEPS and len(pattern) <= MAX_LITERAL:
        return ""
    try:
        size = measure(pattern)
    except ValueError as error:
        return str(error)
    if size.literal > MAX_LITERAL:
        return f"has a literal of more than {MAX_LITERAL} characters"
    return f"has more than {MAX_STEPS:,} steps when its repeats are written out" if size.steps > MAX_STEPS else ""


def measure(pattern: str, *, widest: bool = False) -> PatternSize:
    """Return the size of a pattern, which no engine exceeds.

    Each repeat is written out as often as its least count, as `regex` does it, or with `widest` its highest, as an
    automaton over bytes has it. ValueError, the rest of a sentence about the pattern, for a syntax in which it is not
    clear what is repeated (free spacing, recursion).
    """
    stack, steps, last, end, run, literal = list[int](), 0, 0, 0, 0, 0
    for token in _TOKEN.finditer(pattern):
        if token.start() != end:
            break
        end = token.end()
        kind = token.lastgroup
        if kind == "open":
            stack.append(steps)
            steps = last = 0
        elif kind == "close" and stack:
            last = steps + 1
            steps = stack.pop() + last
        elif kind == "count":
            copies = _copies(token, widest)
            steps, last = steps + last * (copies - 1), last * copies
            # `regex` drops a repeat of exactly one, and joins what is around it.
            run = run if "1" in token[0] and copies < 3 else 0
        elif kind in ("bar", "flags"):
            steps, last, run = steps + 1, 0, 0 if kind == "bar" else run
        elif kind == "set" and "[:" in _POSIX_CLASS.sub("", token[0][1:]):
            break
        else:
            characters = len(token[0]) if kind == "text" else 1
            last = _width(token[0], kind) if widest else 1
            steps += last * characters
            run += characters
            literal = max(literal, run)
    if end != len(pattern) or stack:
        raise ValueError("has a syntax whose size is not clear")
    return PatternSize(steps, literal)


def _copies(token: re.Match[str], widest: bool) -> int:
    least, most = _count(token["least"]), _count(token["most"] or token["only"])
    if widest and most:
        return most
    is_exact = token["least"] and not token["comma"]
    return max(least, 1) + (not is_exact and (least > 0 or token[0][0] == "+"))


def _count(digits: str | None) -> int:
    # Python reads no number of over 4,300 digits, and no pattern means one.
    return int((digits or "0").lstrip("0")[:9] or 0)


def _width(text: str, kind: str | None) -> int:
    if re.search(r"\\[pPX]", text):
        return _PROPERTY
    is_wide = not text.isascii() or text.startswith("[^") or "[:^" in text or re.search(r"\\[WSDu]", text)
    return _WIDE if is_wide or (kind == "text" and "." in text) else 1


def patterns_in(schema: object) -> Iterator[str]:
    """Yield the patterns of a JSON Schema, with those of names."""
    for node in objects_in(schema):
        yield from node_patterns(node)


def node_patterns(node: Mapping[str, Any]) -> list[str]:
    """Return the patterns of one object of a JSON Schema."""
    names = node.get("patternProperties")
    candidates = (node.get("pattern"), *(names if isinstance(names, Mapping) else ()))
    return [pattern for pattern in candidates if isinstance(pattern, str)]
