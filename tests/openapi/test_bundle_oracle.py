"""What the bundler makes of a description in several files is what prance, a resolver of others, makes of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlapi import bundled
from nlapi.openapi.bundle import bundle
from nlapi.openapi.document import read_tree
from nlapi.openapi.fetch import DescriptionFiles

resolver = pytest.importorskip("prance.util.resolver")
ROOT = "openapi/openapi.yaml"

MUSEUM = {
    ROOT: """
openapi: 3.1.0
info: {title: Museum, version: "1"}
paths:
  /hours: {$ref: paths/hours.yaml}
  /events/{id}: {$ref: 'paths/events.yaml#/one'}
  /tickets:
    post:
      requestBody: {$ref: ../shared/bodies.json#/ticket}
      responses:
        "201": {$ref: '#/components/responses/Bought'}
        default: {$ref: 'responses/Problem.yaml'}
components:
  responses:
    Bought: {description: bought, content: {application/json: {schema: {$ref: schemas/Ticket.yaml}}}}
""",
    "openapi/paths/hours.yaml": """
get:
  parameters:
    - {$ref: ../parameters/From.yaml}
    - {$ref: '../parameters/all.yaml#/Limit'}
  responses:
    "200":
      description: hours
      headers: {X-Total: {$ref: ../headers/Total.yaml}}
      content: {application/json: {schema: {type: array, items: {$ref: ../schemas/Day.yaml}}}}
""",
    "openapi/paths/events.yaml": """
one:
  parameters: [{name: id, in: path, required: true, schema: {$ref: '../schemas/ids.yaml#/$defs/event~1id'}}]
  get: {responses: {"200": {description: ok, content: {application/json: {schema: {$ref: ../schemas/Event.yaml}}}}}}
  put: {requestBody: {$ref: '../../shared/bodies.json#/event'}, responses: {"204": {description: done}}}
""",
    "openapi/parameters/From.yaml": "{name: from, in: query, schema: {$ref: ../schemas/Day.yaml#/properties/date}}",
    "openapi/parameters/all.yaml": "{Limit: {name: limit, in: query, schema: {type: integer}}}",
    "openapi/headers/Total.yaml": "{schema: {type: integer}}",
    "openapi/responses/Problem.yaml": "{description: no, content: {application/json: {schema: {type: object}}}}",
    "openapi/schemas/Day.yaml": "{type: object, properties: {date: {type: string, format: date}}}",
    "openapi/schemas/ids.yaml": "{$defs: {event/id: {type: string, format: uuid}}}",
    "openapi/schemas/Event.yaml": """
allOf:
  - {$ref: Named.yaml}
  - type: object
    properties:
      id: {$ref: 'ids.yaml#/$defs/event~1id'}
      day: {$ref: ./Day.yaml}
      price: {$ref: ../../shared/Money.json}
""",
    "openapi/schemas/Named.yaml": "{type: object, required: [name], properties: {name: {type: string}}}",
    "openapi/schemas/Ticket.yaml": "{type: object, properties: {event: {$ref: Event.yaml}, day: {$ref: Day.yaml}}}",
    "shared/Money.json": '{"type": "integer", "description": "cents"}',
    "shared/bodies.json": """{
  "ticket": {"content": {"application/json": {"schema": {"$ref": "../openapi/schemas/Ticket.yaml"}}}},
  "event": {"required": true, "content": {"application/json": {"schema": {"$ref": "../openapi/schemas/Event.yaml"}}}}}
""",
}


def by_nlapi(path: Path) -> Any:
    """The paths that the bundler makes, with every `$ref` of the one tree expanded."""
    tree, unresolved, _ = bundle(
        read_tree(path.read_bytes(), str(path))[0], DescriptionFiles(root=str(path), within=str(path.parents[1]))
    )
    assert not unresolved
    return expanded(tree["paths"], tree)


def by_prance(path: Path) -> Any:
    specs = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    resolving = resolver.RefResolver(specs, path.as_uri(), strict=False, resolve_types=resolver.RESOLVE_ALL)
    resolving.resolve_references()
    return plain(resolving.specs["paths"])


def plain(node: Any) -> Any:
    """The same as JSON has it: prance parses YAML with classes of its own."""
    return json.loads(json.dumps(node, default=str))


def expanded(node: Any, tree: Any) -> Any:
    if isinstance(node, list):
        return [expanded(item, tree) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return {name: expanded(item, tree) for name, item in node.items()}
    target = tree
    for step in reference.removeprefix("#/").split("/"):
        target = target[step.replace("~1", "/").replace("~0", "~")]
    return expanded(target, tree)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / ROOT


def test_a_description_in_many_folders_is_what_prance_resolves(tmp_path: Path) -> None:
    path = write(tmp_path, MUSEUM)
    ours = by_nlapi(path)
    assert ours == by_prance(path)
    assert "cents" in json.dumps(ours)
    assert "$ref" not in json.dumps(ours)


def split(document: Any, home: Callable[[str, str], str]) -> dict[str, str]:
    """The files of a description whose components live where `home(section, name)` says; "" is the root."""
    components = {
        (section, name): value for section, group in document["components"].items() for name, value in group.items()
    }
    homes = {key: home(*key) or ROOT for key in components}

    def moved(node: Any, file: str) -> Any:
        if isinstance(node, list):
            return [moved(item, file) for item in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            section, name = node["$ref"].split("/")[-2:]
            target = homes[section, name]
            relative = "" if target == file else os.path.relpath(target, PurePosixPath(file).parent)
            pointer = f"#/components/{section}/{name}" if target == ROOT else f"#/{section}/{name}"
            return {"$ref": f"{relative}{pointer}"}
        return {key: moved(item, file) for key, item in node.items()}

    root: dict[str, Any] = {"components": {}, **{key: document[key] for key in ("openapi", "info", "servers")}}
    files: dict[str, Any] = {ROOT: {**root, "paths": moved(document["paths"], ROOT)}}
    for (section, name), value in components.items():
        file = homes[section, name]
        place = files[ROOT]["components"] if file == ROOT else files.setdefault(file, {})
        place.setdefault(section, {})[name] = moved(value, file)
    return {name: json.dumps(value) for name, value in files.items()}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(choices=st.randoms(use_true_random=False))
def test_however_it_is_split_a_description_stays_what_it_is(
    choices: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = yaml.load(bundled.text("specs/ads.yaml"), yaml.CSafeLoader)
    homes = ("", "openapi/parts.json", "openapi/a/b/parts.json", "shared/parts.json")
    path = write(tmp_path_factory.mktemp("split"), split(document, lambda *_: choices.choice(homes)))
    ours = plain(by_nlapi(path))
    assert ours == by_prance(path)
    assert ours == plain(expanded(document["paths"], document))
