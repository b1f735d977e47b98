"""The commands of the benchmark: one YAML file an API, each command with the request that is right for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks import descriptions

COMMANDS = Path(__file__).with_name("commands")
FRESH = Path(__file__).with_name("fresh")
"""Sentences for other APIs, questions too, to which nothing has been fitted."""
PLAIN = "plain"
"""The kind of a command that is no trap."""
READ = "read"
"""The kind of a question: its right requests change nothing."""
FILE = "file"
"""What a description begins with that is a path: `file:/tmp/api.json`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """A right request: `POST /path?query`, with its JSON body (a form's fields too), None where it has none."""

    request: str
    body: Any = None
    headers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.request.split(" ", 1)[0]

    @property
    def target(self) -> str:
        return self.request.split(" ", 1)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A command. `right` are the sequences of requests of which each would be right; none where no change may stand.

    `known` are the values that go to `--set`, `answers` what the API answers, by `GET /path` or `GET /path?query`.
    """

    api: str
    number: int
    kind: str
    sentence: str
    right: tuple[tuple[Gold, ...], ...]
    why: str = ""
    known: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    at: tuple[str, ...] = ()
    """the paths of what exists, beside those of the right requests"""
    may_ask: bool = False
    """Whether it is as good to show the right request and ask: it touches everything of a kind."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the right requests, and `at`: what they name exists."""
        return (*(gold.target for sequence in self.right for gold in sequence), *self.at)

    @property
    def id(self) -> str:
        return f"{self.api}/{self.number}"

    @property
    def must_stand(self) -> bool:
        return bool(self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An API: where its description is, and the commands."""

    name: str
    description: str
    cases: tuple[Case, ...]

    def path(self) -> Path | None:
        """The file of the description; None where it cannot be had."""
        where, _, file = self.description.partition(":")
        if where == FILE:
            return Path(file)
        if where == "shared":
            return descriptions.shared(f"data/specs/{file}")
        if where == "bundled":
            return Path(__file__).parents[2] / "specs" / file
        if where == "octokit":
            return descriptions.github()
        folder = descriptions.directory()
        return folder / file if folder is not None and (folder / file).exists() else None


def load(folder: Path = COMMANDS) -> tuple[Api, ...]:
    """Every API of a folder, by name. ValueError for a command that is written wrongly, with its place."""
    return tuple(_api(path) for path in sorted(folder.glob("*.yaml")))


def _api(path: Path) -> Api:
    document = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    cases = tuple(_cases(path, document["commands"], document.get("set", {})))
    return Api(name=path.stem, description=document["description"], cases=cases)


def _cases(path: Path, entries: list[dict[str, Any]], known: Mapping[str, Any]) -> Iterator[Case]:
    for number, entry in enumerate(entries, 1):
        unknown = entry.keys() - {"say", "trap", "right", "body", "headers", "or", "then", "why", "set", "answers"}
        unknown -= {"at", "asks", "read"}
        if unknown or not isinstance(entry.get("say"), str):
            raise ValueError(f"{path.name}, command {number}: {entry.get('say')!r} has {sorted(unknown)}")
        right = tuple(_sequences(entry))
        if not right and not (entry.get("trap") and entry.get("why")):
            raise ValueError(f"{path.name}, command {number}: neither a right request nor a trap with its reason")
        yield Case(
            api=path.stem,
            number=number,
            kind=entry.get("trap", READ if _reads(entry) else PLAIN),
            sentence=entry["say"],
            right=right,
            why=entry.get("why", ""),
            known={name: str(value) for name, value in {**known, **entry.get("set", {})}.items()},
            answers=entry.get("answers", {}),
            at=tuple(entry.get("at", "").split()),
            may_ask=entry.get("asks", False),
        )


def _reads(entry: dict[str, Any]) -> bool:
    """Whether it is a question: its right request is a GET, or one that the file has as a `read`."""
    return entry.get("read", False) or entry.get("right", "").startswith("GET ")


def _sequences(entry: dict[str, Any]) -> Iterator[tuple[Gold, ...]]:
    """The right sequences: the request with those that follow (`then`), and each alternative (`or`)."""
    if "right" in entry:
        yield (_gold(entry), *(_gold(one) for one in entry.get("then", ())))
        yield from ((_gold(one),) for one in entry.get("or", ()))


def _gold(entry: dict[str, Any]) -> Gold:
    return Gold(request=entry["right"], body=entry.get("body"), headers=entry.get("headers", {}))
