"""Reads a folder of APIs with their workflows: NAME/openapi.json and NAME/workflows.arazzo.json."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DESCRIPTION, WORKFLOWS = "openapi.json", "workflows.arazzo.json"

# The operationPath of the collection, which the standard does not have: source#/paths/~1users/get.
_PLAIN_PATH = re.compile(r"^(?P<source>[A-Za-z0-9_\-]+)#(?P<pointer>/.*)$")
_STANDARD_PATH = re.compile(r"^\{?\$sourceDescriptions\.(?P<source>[A-Za-z0-9_\-]+)\.url\}?#(?P<pointer>/.*)$")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")

Path_ = tuple[Any, ...]
"""The keys and indexes to a value in JSON."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step as its document has it, and the method and path that its operation has in the description."""

    id: str
    tree: Mapping[str, Any]
    method: str = ""
    path: str = ""
    is_ambiguous: bool = False
    """whether several operations have its operationId, which must be unique"""

    @property
    def is_resolved(self) -> bool:
        return bool(self.method)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One workflow of an API."""

    api: Api
    tree: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.tree["workflowId"])

    @property
    def name(self) -> str:
        return f"{self.api.name} {self.id}"

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self.api.step(tree) for tree in self.tree.get("steps", ()))

    @property
    def inputs(self) -> Mapping[str, Any]:
        properties = self.tree.get("inputs", {}).get("properties")
        return properties if isinstance(properties, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class Api:
    """One API of the collection: its folder, and both files as JSON."""

    name: str
    folder: Path

    @cached_property
    def description(self) -> Mapping[str, Any]:
        tree: Mapping[str, Any] = json.loads((self.folder / DESCRIPTION).read_bytes())
        return tree

    @cached_property
    def document(self) -> Mapping[str, Any]:
        tree: Mapping[str, Any] = json.loads((self.folder / WORKFLOWS).read_bytes())
        return tree

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        return tuple(Case(api=self, tree=tree) for tree in self.document.get("workflows", ()))

    @cached_property
    def _operations(self) -> Mapping[str, list[tuple[str, str]]]:
        """(method, path) by operationId, by the letter of the description."""
        operations: dict[str, list[tuple[str, str]]] = {}
        for path, item in self.description.get("paths", {}).items():
            for method, operation in item.items():
                if method in _METHODS and isinstance(operation, Mapping) and "operationId" in operation:
                    operations.setdefault(str(operation["operationId"]), []).append((method.upper(), path))
        return operations

    def step(self, tree: Mapping[str, Any]) -> Step:
        """Return a step with the operation that it names, without one where the description has none.

        Of several operations with one operationId, it is the first with the path parameters of the step.
        """
        candidates = self._operations.get(str(tree.get("operationId", "")), [])
        names = {parameter["name"] for parameter in tree.get("parameters", ()) if parameter.get("in") == "path"}
        fitting = [entry for entry in candidates if set(_PLACEHOLDER.findall(entry[1])) == names]
        method, path = (fitting or candidates or [("", "")])[0]
        if pointer := pointer_of(str(tree.get("operationPath", ""))):
            keys = [key.replace("~1", "/").replace("~0", "~") for key in pointer.strip("/").split("/")]
            item = self.description.get("paths", {}).get(keys[1], {}) if len(keys) == 3 else {}
            if keys[0] == "paths" and keys[-1] in item:
                method, path = keys[2].upper(), keys[1]
        return Step(
            id=str(tree.get("stepId", "")), tree=tree, method=method, path=path, is_ambiguous=len(candidates) > 1
        )


def pointer_of(operation_path: str) -> str:
    """Return the JSON pointer in an operationPath, the standard's form or the collection's; "" for another text."""
    match = _STANDARD_PATH.match(operation_path) or _PLAIN_PATH.match(operation_path)
    return match["pointer"] if match else ""


def standard_path(operation_path: str) -> str:
    """Return an operationPath in the form of Arazzo 1.0.1 §4.6.5.1: {$sourceDescriptions.NAME.url}#/paths/..."""
    match = _PLAIN_PATH.match(operation_path)
    return f"{{$sourceDescriptions.{match['source']}.url}}#{match['pointer']}" if match else operation_path


def read(root: Path) -> tuple[Api, ...]:
    """Return the APIs of a folder, in the order of their names."""
    folders = (folder for folder in sorted(root.iterdir()) if (folder / WORKFLOWS).is_file())
    return tuple(Api(name=folder.name, folder=folder) for folder in folders)


def choose(apis: Sequence[Api], count: int) -> tuple[Case, ...]:
    """Return `count` workflows, those whose names have the smallest SHA-256: a choice that nobody makes by hand."""
    cases = [case for api in apis for case in api.cases]
    chosen = sorted(cases, key=lambda case: hashlib.sha256(case.name.encode()).hexdigest())[:count]
    return tuple(sorted(chosen, key=lambda case: case.name))


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Yield each scalar in a value of JSON with the path to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


@dataclass(frozen=True, kw_only=True)
class Use:
    """A value of a step that has an expression, as text, and where in the request it goes.

    `location` is path, query, header, cookie or body; `keys` lead to the value in the body, () for the whole body.
    """

    step: Step
    expression: str
    location: str
    name: str = ""
    keys: Path_ = ()


def uses(case: Case) -> Iterator[Use]:
    """Yield the values of a workflow's steps that have expressions."""
    for step in case.steps:
        for parameter in step.tree.get("parameters", ()):
            value = parameter.get("value")
            if isinstance(value, str) and "$" in value:
                location = str(parameter.get("in", ""))
                yield Use(step=step, expression=value, location=location, name=str(parameter.get("name", "")))
        for keys, value in leaves(step.tree.get("requestBody", {}).get("payload")):
            if isinstance(value, str) and "$" in value:
                yield Use(step=step, expression=value, location="body", keys=keys)
