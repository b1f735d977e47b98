"""Invented REST APIs and sentences that ask for one of their operations: the public sets hold hardly any such APIs.

They are only trained on, never measured with; patterns and a seed make them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from training.invented import FLAG, NUMBER, TEXT, Thing, things

_PARTS = ("note", "photo", "comment", "member", "event", "label")
_ACTS = ("archive", "publish", "restore", "clone", "approve", "lock")
_SENTENCES: Mapping[str, tuple[str, ...]] = {
    "list": (
        "show all {many}",
        "list {many}",
        "which {many} are {state}?",
        "how many {many} are there",
        "{many} please",
        "give me the {state} {many}",
        "what {many} do we have",
        "show me my {many}",
        "find {many} that are {state}",
        "are there any {state} {many}?",
        "let me see the first 10 {many}",
    ),
    "get": (
        "get {one} {id}",
        "show me the details of {one} {id}",
        "what is the status of {one} {id}",
        "open {one} {id}",
        "I need information about {one} {id}",
        "look up the {one} with id {id}",
        "is {one} {id} {state}?",
    ),
    "create": (
        "create a {one} called {name}",
        "add a new {one} named {name}",
        "make a {state} {one}",
        "new {one} {name}",
        "set up a {one} with the name {name}",
        "register {name} as a {one}",
    ),
    "update": (
        "rename {one} {id} to {name}",
        "set the status of {one} {id} to {state}",
        "change {one} {id} to {state}",
        "update the name of {one} {id}",
        "mark {one} {id} as {state}",
        "edit {one} {id}",
    ),
    "delete": (
        "delete {one} {id}",
        "remove the {one} {id}",
        "get rid of {one} {id}, delete it",
        "please drop {one} {id}",
    ),
    "list_parts": (
        "show the {parts} of {one} {id}",
        "list all {parts} for {one} {id}",
        "which {parts} does {one} {id} have",
        "how many {parts} are on {one} {id}",
        "{parts} of {one} {id}",
    ),
    "create_part": (
        "add a {part} to {one} {id}",
        "create a {part} for {one} {id}",
        "attach a new {part} to {one} {id}",
    ),
    "delete_part": ("delete {part} 12 of {one} {id}", "remove the {part} 12 from {one} {id}"),
    "act": ("{act} {one} {id}", "please {act} the {one} {id}", "I want to {act} {one} {id}"),
    "report": ("show the statistics of the {many}", "how did our {many} do last month", "a report on {many} for May"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An invented API, a sentence, and the id of the operation that it asks for."""

    document: Mapping[str, Any]
    question: str
    operation_id: str


def choices() -> Iterator[Choice]:
    for seed, thing in enumerate(things()):
        dice = random.Random(seed)
        part, act = dice.choice(_PARTS), dice.choice(_ACTS)
        document, ids = _document(thing, part, act, dice)
        for kind, sentences in _SENTENCES.items():
            for sentence in sentences:
                said = sentence.format(
                    one=thing.one,
                    many=thing.many,
                    part=part,
                    parts=f"{part}s",
                    act=act,
                    state=dice.choice(thing.states),
                    id=dice.choice(("42", "17", f"{thing.one[:2]}_9k2", "7")),
                    name=dice.choice(("Silver Gate", "Orion")),
                )
                yield Choice(document=document, question=said, operation_id=ids[kind])


def _document(thing: Thing, part: str, act: str, dice: random.Random) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    one, many = thing.one.title(), thing.many.title()
    key = f"{thing.one}_id"
    root, item = f"/{thing.many}", f"/{thing.many}/{{{key}}}"
    body = {"name": TEXT, "status": {**TEXT, "enum": list(thing.states)}, "remark": TEXT}
    filters = [_query("status", {**TEXT, "enum": list(thing.states)}), _query("limit", NUMBER), _query("verbose", FLAG)]
    table = {
        "list": ("get", root, f"list{many}", f"List {thing.many}", filters, None),
        "get": ("get", item, f"get{one}", f"Get a {thing.one}", [], None),
        "create": ("post", root, f"create{one}", f"Create a {thing.one}", [], body),
        "update": ("patch", item, f"update{one}", f"Update a {thing.one}", [], body),
        "delete": ("delete", item, f"delete{one}", f"Delete a {thing.one}", [], None),
        "list_parts": (
            "get",
            f"{item}/{part}s",
            f"list{one}{part.title()}s",
            f"List the {part}s of a {thing.one}",
            [],
            None,
        ),
        "create_part": (
            "post",
            f"{item}/{part}s",
            f"add{one}{part.title()}",
            f"Add a {part} to a {thing.one}",
            [],
            {"text": TEXT},
        ),
        "delete_part": (
            "delete",
            f"{item}/{part}s/{{{part}_id}}",
            f"remove{one}{part.title()}",
            f"Remove a {part}",
            [],
            None,
        ),
        "act": ("post", f"{item}/{act}", f"{act}{one}", f"{act.title()} a {thing.one}", [], None),
        "report": (
            "get",
            f"/reports{root}",
            f"get{one}Report",
            f"Statistics of the {thing.many} over time",
            [_query("start_date", {**TEXT, "format": "date"}), _query("end_date", {**TEXT, "format": "date"})],
            None,
        ),
    }
    kept = [kind for kind in table if kind in _SENTENCES]
    dice.shuffle(kept)
    paths: dict[str, dict[str, Any]] = {}
    for kind in kept:
        method, path, id, summary, query, properties = table[kind]
        paths.setdefault(path, {})[method] = _operation(id, summary, path, query, properties)
    document = {"openapi": "3.1.0", "info": {"title": thing.home.title(), "version": "1"}, "paths": paths}
    return document, {kind: table[kind][2] for kind in table}


def _operation(
    id: str, summary: str, path: str, query: list[Any], properties: Mapping[str, Any] | None
) -> dict[str, object]:
    names = [segment.strip("{}") for segment in path.split("/") if segment.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    node: dict[str, object] = {"operationId": id, "summary": summary, "parameters": [*parameters, *query]}
    if properties is not None:
        schema = {"type": "object", "properties": properties, "required": list(properties)[:1] if id[0] != "u" else []}
        node["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {**node, "responses": {"200": {"description": "ok"}}}


def _query(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}
