"""Broken and hostile descriptions end in tools and Issues, or in one clear error, in bounded time and text."""

from __future__ import annotations

import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import nlapi
from nlapi.errors import NlapiError
from tests.tables import table

OK = {"200": {"description": "ok"}}


def document(paths: Any, **more: Any) -> bytes:
    info = {"title": "Hostile", "version": "1"}
    servers = [{"url": "https://api.example"}]
    return json.dumps({"openapi": "3.1.0", "info": info, "servers": servers, "paths": paths, **more}).encode()


def get(**node: Any) -> bytes:
    return document({"/x": {"get": {"operationId": "get", "responses": OK, **node}}})


def query(schema: Any, **more: Any) -> bytes:
    return get(parameters=[{"name": "q", "in": "query", "schema": schema, **more}])


CASES = {
    "empty": b"",
    "only a byte-order mark": b"\xef\xbb\xbf",
    "JSON that ends early": document({"/x": {}})[:-9],
    "UTF-16 without a mark": document({}).decode().encode("utf-16-le"),
    "binary": bytes(range(256)) * 40,
    "YAML with a Python object": b"openapi: 3.1.0\ninfo: !!python/object/apply:os.system ['touch /tmp/x']\npaths: {}",
    "YAML of billions": b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
    b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nopenapi: 3.1.0\npaths: *e",
    "an integer of 10,000 digits": document({}).replace(b'"1"', b"9" * 10_000),
    "paths is a text": document("none"),
    "an operation is a list": document({"/x": {"get": []}}),
    "parameters are a number": get(parameters=7),
    "a parameter that is its own reference": document(
        {"/x": {"get": {"parameters": [{"$ref": "#/components/parameters/A"}], "responses": OK}}},
        components={"parameters": {"A": {"$ref": "#/components/parameters/A"}}},
    ),
    "a schema that is the whole document": query({"$ref": "#"}),
    "a reference by percent signs into nothing": query({"$ref": "#/components/%2e%2e/%00"}),
    "an enum of other types": query({"enum": [None, True, {"a": 1}, [1], "x", 1e400]}),
    "types that are none": query({"type": ["object", 7, None, "thing"]}),
    "a name of controls": query({"type": "string"}, name="a\x1b]0;x\x07b\u202e\x00"),
    "a name of 100,000 characters": query({"type": "string"}, name="n" * 100_000),
    "an operation id that is a path": get(operationId="../../../../tmp/evil"),
    "a path with a fragment, a query and a newline": document({"/x?a=1#b\nHost: evil": {"get": {"responses": OK}}}),
    "a server with a credential": document(
        {"/x": {"get": {"responses": OK}}}, servers=[{"url": "https://u:p@a.example"}]
    ),
    "a pattern that backtracks": query({"type": "string", "pattern": "^(a+)+$", "default": "a" * 60 + "!"}),
    "a description of tags and marks": get(description="\u202eevil\u202c\U000e0041\x1b[2J" * 2_000),
    "a thousand nested anyOf": query(json.loads('{"anyOf":[' * 300 + "{}" + "]}" * 300)),
}


@table("name", CASES)
def test_it_ends_in_tools_or_in_one_clear_error(name: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile"
    file.write_bytes(CASES[name])
    began = time.process_time()
    try:
        spec = nlapi.load(file)
        tools = nlapi.tools(spec)
        texts = [json.dumps(tool.as_dict("anthropic"), allow_nan=False, ensure_ascii=False) for tool in tools]
        texts += map(str, spec.issues)
    except NlapiError as error:
        texts = [str(error)]
        assert "\n" not in texts[0] and texts[0]
    for text in texts:
        assert len(text) < 400_000
        assert not [char for char in text if unicodedata.category(char) in ("Cf", "Co") or char in "\x1b\x07\x00"]
    assert time.process_time() - began < 10
    assert not (tmp_path.parent / "evil").exists() and not Path("/tmp/x").exists()
