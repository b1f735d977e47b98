"""Descriptions in many files to one: `python -m benchmarks.bundle [--prance PYTHON]` times nlapi, and prance beside it.

PYTHON is an interpreter that has prance; its `reference_cache` is given every file parsed, so that it opens none.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

OURS = """
from nlapi.openapi.bundle import bundle
from nlapi.openapi.document import read_tree
from nlapi.openapi.fetch import DescriptionFiles
start = time.process_time()
tree, lost, _ = bundle(read_tree(open(path, "rb").read(), path)[0], DescriptionFiles(root=path))
"""
PRANCE = """
import pathlib, yaml
from prance.util import url
from prance.util.resolver import KEEP_REF, RESOLVE_FILES, RefResolver
start = time.process_time()
root, cache, lost = pathlib.Path(path).resolve(), {}, {}
def load(file):
    key = url.urlresource(url.absurl(file.as_uri())), True
    if key not in cache:
        cache[key] = yaml.load(file.read_text(), yaml.CSafeLoader)
        bring(cache[key], file)
    return cache[key]
def bring(node, file):
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str) and not ref.startswith("#"):
            load((file.parent / ref.partition("#")[0]).resolve())
        node = list(node.values())
    for one in node if isinstance(node, list) else ():
        bring(one, file)
tree = load(root)
resolver = RefResolver(tree, root.as_uri(), reference_cache=cache, resolve_types=RESOLVE_FILES,
    recursion_limit_handler=lambda *_: KEEP_REF)
resolver.resolve_references()
tree = resolver.specs
"""
FRAME = """
import json, resource, sys, time
path = sys.argv[1]
{code}
spent = time.process_time() - start
text = json.dumps(tree)
dangling = 0
def look(node):
    global dangling
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str):
            at = tree
            for step in ref[2:].split("/") if ref.startswith("#/") else ["?"]:
                at = at.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(at, dict) else None
            dangling += at is None
        node = [one for key, one in node.items() if not key.startswith("x-")]
    for one in node if isinstance(node, list) else ():
        look(one)
look(tree.get("paths"))
look(tree.get("components"))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(f"{{spent:.3f}} s, {{peak}} MB, result {{len(text) / 1e6:.2f}} MB, {{dangling}} $refs that lead nowhere")
"""


def make(folder: Path, files: int, *, ring: bool = False) -> Path:
    """A description in that many files, two fifths of them paths; `ring`: ten schemas each refer to one another."""
    for name in ("paths", "schemas", "parameters"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    paths, parameters = files * 2 // 5, files // 10
    schemas = files - paths - parameters - 1
    tree = {"openapi": "3.0.3", "info": {"title": "Many", "version": "1"}, "servers": [{"url": "https://many.example"}]}
    items = {f"/things{i}/{{id}}": {"$ref": f"paths/things{i}.yaml"} for i in range(paths)}
    _write(folder / "openapi.yaml", {**tree, "paths": items})
    for i in range(paths):
        content = {"application/json": {"schema": {"$ref": f"../schemas/S{i % schemas}.yaml"}}}
        refs = [{"$ref": "../parameters/p0.yaml"}, {"$ref": f"../parameters/p{1 + i % (parameters - 1)}.yaml"}]
        item = {"get": {"operationId": f"get{i}", "responses": {"200": {"description": "ok", "content": content}}}}
        item["put"] = {"operationId": f"put{i}", "requestBody": {"content": content}, "responses": {}}
        _write(folder / "paths" / f"things{i}.yaml", {"parameters": refs, **item})
    for i in range(parameters):
        where = {"name": "id", "in": "path", "required": True} if i == 0 else {"name": f"q{i}", "in": "query"}
        _write(folder / "parameters" / f"p{i}.yaml", {**where, "schema": {"type": "string"}})
    for i in range(schemas):
        following = i // 10 * 10 + (i + 1) % 10 if ring else i + 1 if (i + 1) % 10 else schemas
        properties = {f"f{k}": {"type": "string", "description": f"Field {k}."} for k in range(10)}
        more = {"next": {"$ref": f"S{following}.yaml"}} if following < schemas else {}
        _write(folder / "schemas" / f"S{i}.yaml", {"type": "object", "properties": {**properties, **more}})
    return folder / "openapi.yaml"


def _write(path: Path, tree: object) -> None:
    path.write_text(yaml.dump(tree, Dumper=yaml.SafeDumper, sort_keys=False))


def _run(python: str, code: str, path: Path) -> str:
    run = subprocess.run([python, "-c", FRAME.format(code=code), str(path)], capture_output=True, text=True)
    return run.stdout.strip() if run.returncode == 0 else f"raised {run.stderr.strip().splitlines()[-1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("descriptions", nargs="*", type=Path, help="more descriptions, by their root file")
    parser.add_argument("--prance", metavar="PYTHON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = {
            "500 files": make(Path(folder) / "a", 500),
            "500 files in rings": make(Path(folder) / "b", 500, ring=True),
        }
        made["3,000 files in rings"] = make(Path(folder) / "c", 3000, ring=True)
        for name, path in {**made, **{str(one): one for one in options.descriptions}}.items():
            print(f"{name}: nlapi {_run(sys.executable, OURS, path)}", flush=True)
            if options.prance:
                print(f"{name}: prance {_run(options.prance, PRANCE, path)}", flush=True)


if __name__ == "__main__":
    main()
