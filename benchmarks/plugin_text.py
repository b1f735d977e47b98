"""What the texts of a plugin say to a model: `python -m benchmarks.plugin_text [--held-out] [--only API] [--show]`.

Twenty requests of people to each of five large APIs (plugin_requests.jsonl), and ten to each of two that were written
last and are run once (plugin_requests_held_out.jsonl). Each is traced through the built text as a model would go
through it, with the retrieval of texts that nlapi has (BM25 with the synonyms of common verbs):

1. the skill whose name and description fit the sentence best is opened. One point if it has the operation.
2. that skill is read, with the main skill, and the two that fit best by the main skill's index of areas as well. One
   point for each operation that stands there.
3. of an operation that stands there, its entry is read with what its file says once for several, and its `--about`,
   as the skills tell to. One point for each argument, for each id whose source is in one line with it, for each
   amount with its unit, and for each value of an enum.

Exits with 1 unless 90 % of the points, 1,200 tokens and 12 KB (the median skill with its largest reference) hold.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import nlapi
from benchmarks.descriptions import directory, github, shared
from benchmarks.measure import Figure
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.definitions.describe import operation_text
from nlapi.tools.search.index import FIELD_WEIGHTS, TextIndex, build_postings, text_terms
from nlapi.tools.search.phrase import read_phrase

REQUESTS = Path(__file__).with_name("plugin_requests.jsonl")
HELD_OUT = Path(__file__).with_name("plugin_requests_held_out.jsonl")

MIN_SHARE = 0.9
MAX_TOKENS = 1_200
MAX_BYTES = 12_000

OPENED = 3
"""Skills that a model opens for one request, beside the main one."""

KINDS = ("skill", "operation", "argument", "source", "unit", "value")

# A name counts more than a description, as the id of an operation does in the index of tools.
NAME_WEIGHT = FIELD_WEIGHTS["id"]

# Arguments that an entry leaves to the top of its file.
_NAMES = re.compile(r"`[^`]+`")

# A unit is said when a number is, as the command takes it or as the description explains it.
_UNIT = re.compile(r"'[\d.,]+ ?[A-Za-z%]+'|number is in|\bcents?\b|smallest|minor unit|\bGi?B\b|gigabyte|\bseconds\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A sentence, and what a model has to read for it; `a|b` takes either of two operations."""

    api: str
    say: str
    operations: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    sources: Mapping[str, str]
    units: tuple[str, ...] = ()
    values: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One point: what was looked for, and whether it stands."""

    kind: str
    name: str
    stands: bool


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugin_text", description=__doc__)
    parser.add_argument("--held-out", action="store_true", help="the requests that were written last")
    parser.add_argument("--only", metavar="API", help="one of the APIs")
    parser.add_argument("--show", action="store_true", help="each point that is lost")
    options = parser.parse_args()
    requests = list(read_requests(HELD_OUT if options.held_out else REQUESTS))
    totals: Counter[tuple[str, bool]] = Counter()
    tokens, sizes = list[int](), list[int]()
    for api in dict.fromkeys(item.api for item in requests):
        file = description(api)
        if file is None or (options.only and api != options.only):
            continue
        spec = nlapi.load(file)
        texts = PluginTexts(built_files(spec, str(file)), spec)
        items = Counter[tuple[str, bool]]()
        for request in (item for item in requests if item.api == api):
            traced = list(trace(request, texts))
            items.update((item.kind, item.stands) for item in traced)
            if options.show and not all(item.stands for item in traced):
                lost = ", ".join(f"{item.kind} {item.name}" for item in traced if not item.stands)
                print(f"  {request.say}\n    lost: {lost}")
        totals += items
        tokens.append(texts.session_tokens)
        sizes += texts.sizes
        kinds = ", ".join(f"{kind} {items[kind, True]}/{items[kind, True] + items[kind, False]}" for kind in KINDS)
        print(f"{api}: {share(items):.1%} ({kinds}); {tokens[-1]:,} tokens always on; {median(texts.sizes):,.0f} bytes")
    for figure in figures(totals, tokens, sizes):
        print(f"{figure.name}: {figure.value:g} {figure.unit} (wanted {figure.limit:g})")
    holds = share(totals) >= MIN_SHARE and max(tokens, default=0) <= MAX_TOKENS and median(sizes or [0]) <= MAX_BYTES
    return 0 if holds else 1


def figures(totals: Counter[tuple[str, bool]], tokens: Sequence[int], sizes: Sequence[int]) -> list[Figure]:
    return [
        Figure(name="points of the requests", value=round(100 * share(totals), 1), unit="%", limit=100 * MIN_SHARE),
        Figure(name="always on, the most", value=max(tokens, default=0), unit="tokens", limit=MAX_TOKENS),
        Figure(name="skill and largest reference, median", value=median(sizes or [0]), unit="bytes", limit=MAX_BYTES),
    ]


def share(items: Counter[tuple[str, bool]]) -> float:
    return sum(count for (_, stands), count in items.items() if stands) / max(items.total(), 1)


def read_requests(path: Path) -> Iterator[Request]:
    for line in path.read_text(encoding="utf-8").splitlines():
        node: dict[str, Any] = json.loads(line)
        yield Request(
            api=node["api"],
            say=node["say"],
            operations=tuple(node["operations"]),
            arguments=tuple(node.get("arguments", ())),
            sources=node.get("sources", {}),
            units=tuple(node.get("units", ())),
            values=node.get("values", {}),
        )


def description(api: str) -> Path | None:
    """The description of an API: Spotify's beside the checkout, the others from npm."""
    if api == "spotify-ads":
        return shared("data/specs/spotify-ads.yaml")
    if api == "github":
        return github()
    folder = directory()
    return folder / f"{api}.com.json" if folder is not None and "." not in api else folder and folder / f"{api}.json"


def built_files(spec: Spec, source: str) -> Mapping[str, bytes]:
    """The files of the plugin that `nlapi plugin build` makes of a description."""
    from nlapi.plugin.build import Options, build

    return build(spec, [item for item in spec.operations if not item.hidden], Options(source=source)).files


class PluginTexts:
    """The skills of a plugin and their references, as a model reads them."""

    def __init__(self, files: Mapping[str, bytes], spec: Spec) -> None:
        self.files = files
        self.spec = spec
        self.skills = [path.split("/")[1] for path in files if re.fullmatch(r"skills/[^/]+/SKILL\.md", path)]
        self.main = min(self.skills, key=len)

    @cached_property
    def session_tokens(self) -> int:
        from tests.plugin.client_rules import session_tokens

        return session_tokens(self.files)

    @cached_property
    def sizes(self) -> list[int]:
        """The bytes of each skill with its largest reference."""
        return [
            len(self.files[f"skills/{skill}/SKILL.md"])
            + max((len(self.files[path]) for path in self.references(skill)), default=0)
            for skill in self.skills
        ]

    def references(self, skill: str) -> list[str]:
        return [path for path in self.files if path.startswith(f"skills/{skill}/references/")]

    def skill_text(self, skill: str) -> str:
        return self.files[f"skills/{skill}/SKILL.md"].decode()

    @cached_property
    def index(self) -> tuple[list[str], TextIndex]:
        """The skills, and their names and descriptions, which are in every session, as `nlapi` retrieves texts."""
        skills = [skill for skill in self.skills if skill != self.main or len(self.skills) == 1]
        return skills, self._text_index({skill: self.heads[skill] for skill in skills})

    @cached_property
    def row_index(self) -> TextIndex:
        """The same skills, with the rows of the index of areas in the main skill."""
        skills, _ = self.index
        found = re.finditer(r"(?m)^- (.+) `[^`]+:([^`]+)`$", self.skill_text(self.main))
        rows = {match[2]: match[1] for match in found}
        return self._text_index({skill: f"{self.heads[skill]} {rows.get(skill, '')}" for skill in skills})

    def _text_index(self, texts: Mapping[str, str]) -> TextIndex:
        fields = [
            [(NAME_WEIGHT, text_terms(self.tail(skill))), (1.0, text_terms(text))] for skill, text in texts.items()
        ]
        return TextIndex(build_postings(fields), len(texts))

    def tail(self, skill: str) -> str:
        """A skill's name without that of the plugin, which all have."""
        return skill.removeprefix(f"{self.main}-")

    @cached_property
    def heads(self) -> dict[str, str]:
        """The descriptions of the skills without the title, with which all begin."""
        texts = {
            skill: self.skill_text(skill).split("\n---\n")[0].partition("description:")[2].partition("\n")[0]
            for skill in self.skills
            if skill != self.main or len(self.skills) == 1
        }
        words = [text.split() for text in texts.values()]
        title = 0
        while len(words) > 1 and all(len(text) > title + 1 and text[title] == words[0][title] for text in words):
            title += 1
        return {skill: " ".join(text.split()[title:]) for skill, text in texts.items()}

    def ranked(self, sentence: str) -> list[str]:
        """The skills by their heads, best first, without the main one, which fits everything."""
        return self._best(sentence, self.index[1])

    def opened(self, sentence: str) -> list[str]:
        """The skills that are opened: that with the best head, the main one, and the best by its index of areas."""
        best = [*self.ranked(sentence)[:1], *self._best(sentence, self.row_index)]
        return [*list(dict.fromkeys(best))[:OPENED], self.main]

    def _best(self, sentence: str, index: TextIndex) -> list[str]:
        skills, _ = self.index
        scores = index.scores(read_phrase(sentence))
        return [skills[place] for place in sorted(range(len(skills)), key=lambda place: -scores.get(place, 0.0))]

    @cached_property
    def sections(self) -> dict[str, list[tuple[str, str]]]:
        """Path of a reference -> its sections: the heading and the text."""
        parts = {}
        for path in self.files:
            if "/references/" in path:
                pieces = re.split(r"(?m)^## (.+)$", self.files[path].decode())
                parts[path] = [("", pieces[0]), *zip(pieces[1::2], pieces[2::2], strict=True)]
        return parts

    def home(self, operation: str) -> str:
        """The skill that has the entry of an operation; "" without one."""
        for path, sections in self.sections.items():
            if any(_heading(heading) == operation for heading, _ in sections):
                return path.split("/")[1]
        return ""

    def entry(self, operation: str) -> str:
        """The reference of an operation, with what its file says once: the parts, and the arguments of several."""
        for sections in self.sections.values():
            for heading, text in sections:
                if _heading(heading) == operation:
                    seen = re.findall(r"(?m)^- see above: (.+)$", text)
                    others = [f"- {name}" for line in seen for name in _NAMES.findall(line)]
                    common = [line for line in sections[0][1].splitlines() if line.startswith(tuple(others))]
                    parts = sections[-1][1].partition("\n# Parts\n")[2]
                    return "\n".join([text, *common, parts, self.about(operation)])
        return ""

    def about(self, operation: str) -> str:
        """What `--about` of an operation prints, with which the skills tell to open the rest."""
        tool = compile_tool(self.spec.operation(operation))
        return operation_text(tool, lambda id, path: f"--about {id} {path}")

    @cached_property
    def operations(self) -> frozenset[str]:
        """The operations of the bundled description."""
        paths = json.loads(self.files["api/openapi.json"])["paths"]
        nodes = [node for item in paths.values() if isinstance(item, dict) for node in item.values()]
        return frozenset(str(node.get("operationId")) for node in nodes if isinstance(node, dict))


def _heading(heading: str) -> str:
    return heading.strip().strip("`").partition(" ")[0].strip("`")


def trace(request: Request, texts: PluginTexts) -> Iterator[Item]:
    """Yield the points of a request."""
    ranked = texts.ranked(request.say)
    homes = [{texts.home(id) for id in choice.split("|")} - {""} for choice in request.operations]
    yield Item(kind="skill", name=f"{ranked[0]} for {homes}", stands=any(ranked[0] in home for home in homes))
    opened = texts.opened(request.say)
    skills = "\n".join(texts.skill_text(skill) for skill in opened)
    entries = {
        id: texts.entry(id)
        for choice in request.operations
        for id in choice.split("|")
        if texts.home(id) in opened or f"`{id}`" in skills
    }
    for choice in request.operations:
        yield Item(kind="operation", name=choice, stands=any(id in entries for id in choice.split("|")))
    read = "\n".join(entries.values())
    for name in request.arguments:
        yield Item(kind="argument", name=name, stands=_has_name(read, name))
    for name, choice in request.sources.items():
        stands = any(_has_name(line, name) and _names_any(line, choice.split("|")) for line in _lines(skills, read))
        yield Item(kind="source", name=f"{name} from {choice}", stands=stands)
    for name in request.units:
        stands = any(_has_name(line, name) and _UNIT.search(line) for line in _lines(skills, read))
        yield Item(kind="unit", name=name, stands=stands)
    for name, values in request.values.items():
        for value in values:
            yield Item(kind="value", name=f"{name}={value}", stands=_has_name(read, value))


def _lines(*texts: str) -> Iterable[str]:
    return (line for text in texts for line in text.splitlines())


def _has_name(text: str, name: str) -> bool:
    """Whether a text has a name as it is spelled, and not as part of a longer one."""
    return bool(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text))


def _names_any(line: str, operations: Sequence[str]) -> bool:
    return any(_has_name(line, operation) for operation in operations)


if __name__ == "__main__":
    sys.exit(main())
