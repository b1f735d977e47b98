"""Descriptions made to break a reader, each in its own process: `python -m benchmarks.hostile [--only WORD]`.

Each has to end in tools, in Issues or in one clear error, within 5 seconds of CPU and 300 MB. Exits with 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import cost

SECONDS, MEGABYTES = 5.0, 300.0
Tree = dict[str, Any]
READ = """
import sys, nlapi
try:
    spec = nlapi.load(sys.argv[1])
    tools = nlapi.tools(spec)
    for tool in tools[:50]:
        tool.as_dict("anthropic")
    issues = spec.issues
    first = f": {str(issues[0])[:90]}" if issues else ""
    print(f"{len(tools)} tools, {len(issues)} issues{first}")
except nlapi.NlapiError as error:
    print("refused:", str(error)[-110:])
except BaseException as error:
    print("CRASHED", type(error).__name__, str(error)[:100])
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="the kinds with this in their name")
    options = parser.parse_args()
    bad = 0
    for name, make in KINDS.items():
        if options.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "hostile"
            _apart(make, file)
            spent = cost([sys.executable, "-c", READ, str(file)], runs=1)
        kept = spent.cpu <= SECONDS and spent.peak <= MEGABYTES and "CRASHED" not in spent.output
        bad += not kept
        said = " ".join(spent.output.split()).replace(str(file), "FILE")
        print(f"{'ok  ' if kept else 'BAD '} {name:<34} {spent.cpu:5.2f} s {spent.peak:5.0f} MB  {said}", flush=True)
    return 1 if bad else 0


def _apart(make: Callable[[], bytes], file: Path) -> None:
    """Writes what `make` gives in a process of its own, so that this one stays small: see `measure.cost`."""
    import multiprocessing

    process = multiprocessing.get_context("fork").Process(target=lambda: file.write_bytes(make()))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError("a description could not be made")


def whole(paths: Any, **more: Any) -> Tree:
    """A description in OpenAPI 3.1 with these paths."""
    info = {"title": "Hostile", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": "https://api.example"}], "paths": paths, **more}


def as_json(make: Callable[[], Tree]) -> Callable[[], bytes]:
    return lambda: json.dumps(make()).encode()


def posts(schema: Any, **more: Any) -> Tree:
    """One operation whose body has this schema."""
    body = {"content": {"application/json": {"schema": schema}}}
    return whole({"/x": {"post": {"operationId": "make", "requestBody": body, "responses": {}}}}, **more)


def gets(*parameters: Any, path: str = "/x", **more: Any) -> Tree:
    return whole({path: {"get": {"operationId": "get", "parameters": list(parameters), "responses": {}}}}, **more)


def ref(kind: str, name: str) -> Tree:
    return {"$ref": f"#/components/{kind}/{name}"}


def cycle(kind: str, use: Callable[[Any], Tree], links: int = 1000) -> Callable[[], Tree]:
    """`links` components that lead to each other in a ring, and an operation that uses one."""
    ring = {f"C{one}": ref(kind, f"C{(one + 1) % links}") for one in range(links)}
    return lambda: {**use(ref(kind, "C0")), "components": {kind: ring}}


def nested(levels: int, key: str) -> bytes:
    """JSON with a schema that is nested so deep that no JSON library would write it."""
    head, tail = json.dumps(posts("HERE")).encode().split(b'"HERE"')
    inner = {"properties": b'{"properties":{"a":', "items": b'{"items":', "allOf": b'{"allOf":['}[key]
    close = {"properties": b"}}", "items": b"}", "allOf": b"]}"}[key]
    return head + inner * levels + b"{}" + close * levels + tail


def many_operations(count: int) -> Tree:
    node = {"responses": {"200": {"description": "ok"}}, "parameters": [{"name": "q", "in": "query", "schema": {}}]}
    return whole({f"/things/{one}": {"get": {**node, "operationId": f"getThing{one}"}} for one in range(count)})


def explosion(levels: int, keyword: str) -> Tree:
    """Schemas that each ask twice for the next: 2 ** levels when they are put in place."""
    schemas: Tree = {f"S{one}": {keyword: [ref("schemas", f"S{one + 1}")] * 2} for one in range(levels)}
    schemas[f"S{levels}"] = {"type": "object", "properties": {"a": {"type": "string"}}}
    return posts(ref("schemas", "S0"), components={"schemas": schemas})


def wide(count: int) -> Tree:
    """Objects that each hold all the others."""
    names = [f"W{one}" for one in range(count)]
    one = {"type": "object", "properties": {name: ref("schemas", name) for name in names}}
    return posts(ref("schemas", "W0"), components={"schemas": dict.fromkeys(names, one)})


def inherited(levels: int) -> Tree:
    """A chain of `allOf`, each with properties of its own."""
    schemas: Tree = {
        f"I{one}": {"allOf": [ref("schemas", f"I{one + 1}"), {"properties": {f"p{one}": {"type": "string"}}}]}
        for one in range(levels)
    }
    return posts(ref("schemas", "I0"), components={"schemas": {**schemas, f"I{levels}": {"type": "object"}}})


def contradictory() -> Tree:
    string = {"type": "string"}
    schema = {
        "type": "string",
        "properties": {"a": {"type": "number", "minimum": 5, "maximum": 1}, "b": {"enum": []}, "c": {"type": "no"}},
        "required": ["z", "z", 5],
        "minLength": 9,
        "maxLength": 2,
    }
    body = {"content": {"application/json": {"schema": schema}}}
    twice = [{"name": "p", "in": "query", "schema": string}] * 2
    lost = {"name": "gone", "in": "path", "required": True, "schema": string}
    return whole({
        "/a": {"post": {"operationId": "same", "requestBody": body, "responses": {}}},
        "/b": {"get": {"operationId": "same", "parameters": [*twice, lost], "responses": {}}},
        "/c/{id}": {"get": {"operationId": "same", "parameters": [], "responses": {}}},
        "no slash": {"get": {"responses": {}}},
        "/d/{": {"get": {"responses": {}}},
    })  # fmt: skip


def texts(count: int) -> list[str]:
    return [f"q{one}" for one in range(count)]


def family() -> Tree:
    """Schemas with a discriminator, each of which is all of the others."""
    names = [f"B{one}" for one in range(25)]
    schemas = {
        name: {
            "discriminator": {"propertyName": "k", "mapping": {other.lower(): other for other in names}},
            "allOf": [ref("schemas", other) for other in names if other != name],
        }
        for name in names
    }
    return posts(ref("schemas", "B0"), components={"schemas": schemas})


def mesh(count: int = 300) -> Tree:
    """As many operations as schemas, and every schema refers to every other."""
    made = wide(count)
    post = made["paths"]["/x"]["post"]
    made["paths"] = {f"/x{one}": {"post": {**post, "operationId": f"make{one}"}} for one in range(count)}
    return made


def aliases(levels: int) -> bytes:
    lines = ["openapi: 3.1.0", "info: {title: a, version: '1'}", "paths: {}", "x0: &a0 [z, z]"]
    lines += [f"x{one}: &a{one} [*a{one - 1}, *a{one - 1}, *a{one - 1}]" for one in range(1, levels)]
    return "\n".join(lines).encode()


def truncated(encoded: bytes, seed: int) -> bytes:
    return encoded[: random.Random(seed).randrange(1, len(encoded))]


def yaml_lines(count: int) -> bytes:
    lines = ["openapi: 3.0.3", "info:", "  title: a", "  version: '1'", "paths:"]
    for one in range(count):
        lines += [f"  /things/{one}:", "    get:", f"      operationId: get{one}", "      responses: {}"]
    return "\n".join(lines).encode()


def _kinds() -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield "JSON cut in the middle", lambda: truncated(json.dumps(many_operations(50_000)).encode(), 1)
    yield "YAML cut in the middle", lambda: truncated(yaml_lines(20_000), 2)
    yield "YAML, 20,000 operations", lambda: yaml_lines(20_000)
    yield "path items in a ring", as_json(cycle("pathItems", lambda one: whole({"/x": one, "/y": {"get": {}}})))
    yield "parameters in a ring", as_json(cycle("parameters", gets))
    yield "schemas in a ring", as_json(cycle("schemas", posts))
    yield (
        "request bodies in a ring",
        as_json(cycle("requestBodies", lambda one: whole({"/x": {"post": {"requestBody": one, "responses": {}}}}))),
    )
    yield (
        "responses in a ring",
        as_json(cycle("responses", lambda one: whole({"/x": {"get": {"responses": {"200": one}}}}))),
    )
    schemas = {f"C{one}": {"allOf": [ref("schemas", f"C{(one + 1) % 1000}")]} for one in range(1000)}
    yield "allOf in a ring", as_json(lambda: posts(ref("schemas", "C0"), components={"schemas": schemas}))
    for key in ("properties", "items", "allOf"):
        yield f"{key} 10,000 deep, JSON", lambda key=key: nested(10_000, key)  # type: ignore[misc]
    yield "brackets 100,000 deep", lambda: b"[" * 100_000
    yield "YAML lists 10,000 deep", lambda: b"openapi: 3.1.0\nx: " + b"[" * 10_000 + b"]" * 10_000
    yield "YAML maps 10,000 deep", lambda: b"openapi: 3.1.0\nx: " + b"{a: " * 10_000 + b"}" * 10_000
    yield "200,000 operations", as_json(lambda: many_operations(200_000))
    yield (
        "a text of 50 MB",
        as_json(lambda: whole({"/x": {"get": {"description": "a " * 25_000_000, "responses": {}}}})),
    )
    yield "a YAML text of 50 MB", lambda: b"openapi: 3.1.0\ninfo: {title: " + b"a" * 50_000_000 + b"}\npaths: {}"
    yield "six million lists", as_json(lambda: whole({}, **{"x-lists": [[1, 2, 3]] * 6_000_000}))
    yield "ten million numbers", as_json(lambda: whole({}, **{"x-numbers": [1.5] * 10_000_000}))
    yield "a million choices", as_json(lambda: gets({"name": "q", "in": "query", "schema": {"enum": texts(1_000_000)}}))
    yield (
        "20,000 parameters",
        as_json(lambda: gets(*({"name": name, "in": "query", "schema": {}} for name in texts(20_000)))),
    )
    yield "a family of 25, each made from all", as_json(family)
    yield "300 schemas that each refer to all", as_json(mesh)
    yield "a pattern of 1 MB", as_json(lambda: posts({"type": "string", "pattern": "(a+)+" * 200_000}))
    yield "aliases of aliases", lambda: aliases(40)
    yield "100,000 choices", as_json(lambda: posts({"enum": [f"choice {one}" for one in range(100_000)]}))
    yield (
        "100,000 choices in a list",
        as_json(lambda: posts({"type": "array", "items": {"enum": list(range(100_000))}})),
    )
    yield (
        "100,000 properties",
        as_json(
            lambda: posts({"type": "object", "properties": {f"p{one}": {"type": "string"} for one in range(100_000)}})
        ),
    )
    yield (
        "10,000 parameters",
        as_json(lambda: gets(*({"name": f"p{one}", "in": "query", "schema": {}} for one in range(10_000)))),
    )
    yield (
        "10,000 parameters of one name",
        as_json(lambda: gets(*({"name": f"[p]{' ' * one}", "in": "query", "schema": {}} for one in range(10_000)))),
    )
    yield (
        "10,000 operations of one id",
        as_json(lambda: whole({f"/{one}": {"get": {"operationId": "same", "responses": {}}} for one in range(10_000)})),
    )
    yield (
        "10,000 operations of one path name",
        as_json(lambda: whole({f"/a{'.' * one}": {"get": {"responses": {}}} for one in range(3, 3_003)})),
    )
    for keyword in ("allOf", "anyOf", "oneOf"):
        yield f"{keyword}, twice the next, 60 levels", as_json(lambda keyword=keyword: explosion(60, keyword))  # type: ignore[misc]
    yield "allOf, a chain of 500", as_json(lambda: inherited(500))
    yield "allOf, a chain of 5,000", as_json(lambda: inherited(5_000))
    yield "300 objects that hold each other", as_json(lambda: wide(300))
    yield (
        "a chain of 100,000 $refs",
        as_json(
            lambda: posts(
                ref("schemas", "R0"),
                components={"schemas": {f"R{one}": ref("schemas", f"R{one + 1}") for one in range(100_000)}},
            )
        ),
    )
    yield "a path of 1 MB", as_json(lambda: whole({"/" + "{a}" * 300_000: {"get": {"responses": {}}}}))
    yield (
        "100,000 servers",
        as_json(lambda: whole({"/x": {"get": {"responses": {}}}}, servers=[{"url": "https://a.example"}] * 100_000)),
    )
    yield "contradictory", as_json(contradictory)


KINDS = dict(_kinds())


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    sys.exit(main())
