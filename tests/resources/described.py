"""Small APIs for tests, a line for each operation: `GET /repos/{id} ref? -> Repo`, `GET /repos page* -> [Repo]`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nlapi
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.id_sources import IdSource, id_sources

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def thing(*names: str, **more: Any) -> dict[str, Any]:
    """The schema of a thing with some properties; `id` is a whole number, the others are texts."""
    return {"type": "object", "properties": {**{name: NUMBER if name == "id" else TEXT for name in names}, **more}}


def listed(name: str) -> dict[str, Any]:
    """The schema of a list of things whose schema has that name."""
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _answer(text: str) -> dict[str, Any]:
    """`Repo` is one, `[Repo]` a list, `{data: [Repo]}` an envelope of it; nothing is no answer."""
    if not text:
        return {"204": {"description": ""}}
    wrapped = re.fullmatch(r"\{(\w+): (.+)\}", text)
    name = wrapped[2] if wrapped else text
    bare = name.strip("[]")
    schema = listed(bare) if name.startswith("[") else {"$ref": f"#/components/schemas/{bare}"}
    schema = {"type": "object", "properties": {wrapped[1]: schema}} if wrapped else schema
    return {"200": {"description": "", "content": {"application/json": {"schema": schema}}}}


def api(folder: Path, operations: str, parameters: dict[str, Any] | None = None, **schemas: Any) -> Spec:
    """The Spec of an API. A name with a `*` is required in the query, one with a `?` is not; `(Repo)` is a body.

    `parameters` are schemas of parameters by their name, with a `description` where there is one.
    """
    paths: dict[str, Any] = {}
    for line in filter(None, map(str.strip, operations.splitlines())):
        request, _, answer = line.partition(" -> ")
        method, path, *words = request.split()
        names = [*((name, "path") for name in re.findall(r"\{(\w+)\}", path))]
        names += [(word[:-1], "query" if word[-1] == "?" else "required") for word in words if word[-1] in "*?"]
        node: dict[str, Any] = {"responses": _answer(answer.strip()), "parameters": []}
        for name, where in names:
            schema = (parameters or {}).get(name, TEXT)
            place = {"in": "path" if where == "path" else "query", "required": where != "query"}
            node["parameters"].append(
                {"name": name, **place, "schema": schema, "description": schema.get("description", "")}
            )
        for word in (word for word in words if word.startswith("(")):
            ref = {"$ref": f"#/components/schemas/{word.strip('()')}"}
            node["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref}}}
        paths.setdefault(path, {})[method.lower()] = node
    document = {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": paths}
    file = folder / "openapi.json"
    file.write_text(json.dumps({**document, "components": {"schemas": schemas}}))
    return nlapi.load(file)


def operation(spec: Spec, request: str) -> Operation:
    """The operation that is written so: `GET /repos/{owner}/{repo}`."""
    return next(one for one in spec.operations if f"{one.method} {one.path}" == request)


def first(spec: Spec, request: str, name: str, where: str = "path") -> str:
    """The best source of an argument as `GET /user/repos .name`; "" where there is none."""
    found = id_sources(spec).best_source(operation(spec, request), (where, name))
    return written(found) if found is not None else ""


def written(source: IdSource) -> str:
    narrowing = "".join(f" {name}={value}" for (_, name), value in source.narrowing)
    return f"{source.operation.method} {source.operation.path}{narrowing} .{source.field}"
