"""Looks for unhandled errors and hangs with random input: `python -m benchmarks.fuzz [--minutes 3] [--only WORD]`.

Each target gets input of hypothesis for its minutes, in one process: mutations of real descriptions, trees of JSON,
texts near the grammar. What a target may raise is named; anything else, or more than LIMIT seconds of CPU for one
input, is printed with the smallest input that shows it. Exits with 1 then. What is found becomes a test of its area.
"""

from __future__ import annotations

import argparse
import base64
import copy
import html
import io
import json
import re
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.agent.policy import Policy
from nlapi.cli.agents.plugin_hook import consent_question, hook_answer
from nlapi.cli.agents.plugin_installed import InstalledPlugin
from nlapi.cli.call.result_output import arrangement, entries_in, write_entries
from nlapi.cli.options import Output
from nlapi.client.masking import MIN_SECRET_LENGTH, secret_mask
from nlapi.client.message import Result
from nlapi.client.truncate import truncate
from nlapi.errors import NlapiError
from nlapi.openapi.check import check
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Spec
from nlapi.plugin.build import Options as PluginOptions
from nlapi.plugin.build import build as build_plugin
from nlapi.plugin.shell_calls import find_calls, find_override
from nlapi.resources.answers import extract_list
from nlapi.resources.effect import evidence_of
from nlapi.results.contents import read_contents
from nlapi.results.model_view import model_view
from nlapi.tools.compile import compile_tool
from nlapi.tools.compile import tools as compile_tools
from nlapi.tools.definitions.lint import lint
from nlapi.tools.plan import ask
from nlapi.tools.rules import parse_rules
from nlapi.tools.sending.run import Target, prepare
from nlapi.tools.texts.prompt_injection import find_injections
from nlapi.tools.tool import Call
from nlapi.workflows.expressions import ExpressionError, embedded_expressions, parse_expression, unknown_expressions

# Seconds of CPU for one input; the slowest real description takes 6.
LIMIT = 5.0

TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "$ref", "#/components/schemas/A", "get", "query", "object", "\ud800", "\x00", "9" * 5000, "${A}"]
    ),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.sampled_from([10**400, -(10**400), float("nan")])
)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)
BASES: list[dict[str, Any]] = [
    json.loads(json.dumps(nlapi.load(name).document, default=str)) for name in ("ads", "gateway")
]


def small(document: dict[str, Any], paths: int) -> dict[str, Any]:
    """Return a description with few of its paths, so that thousands are tried in a minute."""
    chosen = dict(list(document["paths"].items())[:paths])
    return {**document, "paths": chosen}


SEEDS = [small(document, count) for document in BASES for count in (1, 3)]
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Old", "version": "1"},
    "host": "api.example",
    "basePath": "/v1",
    "definitions": {"A": {"type": "object", "properties": {"b": {"$ref": "#/definitions/A"}, "c": {"type": "file"}}}},
    "paths": {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
            "post": {
                "consumes": ["multipart/form-data"],
                "parameters": [
                    {"name": "f", "in": "formData", "type": "file"},
                    {
                        "name": "l",
                        "in": "query",
                        "type": "array",
                        "items": {"type": "integer"},
                        "collectionFormat": "tsv",
                    },
                ],
                "responses": {"200": {"description": "a", "schema": {"$ref": "#/definitions/A"}}},
            },
        }
    },
}


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    """A real description in which some values are others, or stand elsewhere."""
    document = copy.deepcopy(draw(st.sampled_from([*SEEDS, SWAGGER])))
    for _ in range(draw(st.integers(1, 6))):
        node: Any = document
        for _ in range(draw(st.integers(0, 9))):
            children = (
                list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
            )
            containers = [key for key in children if isinstance(node[key], dict | list)]
            if not containers:
                break
            node = node[draw(st.sampled_from(containers))]
        if isinstance(node, dict) and node:
            key = draw(st.sampled_from(list(node)))
            action = draw(st.sampled_from(["replace", "delete", "rename", "nest"]))
            if action == "replace":
                node[key] = draw(TREES)
            elif action == "delete":
                del node[key]
            elif action == "rename":
                node[draw(TEXT)] = node.pop(key)
            else:
                node[key] = draw(
                    st.sampled_from([{"$ref": "#"}, {"$ref": "#/paths"}, [node[key]], {"allOf": [node[key]]}])
                )
        elif isinstance(node, list):
            node.append(draw(TREES))
    return document


def parsed(document: object) -> Spec:
    text = json.dumps(document, ensure_ascii=True).encode()
    return parse_document(read_document(text, "fuzz.json"))


def whole_description(document: dict[str, Any]) -> None:
    """Document, upgrade, parse, tools, rules, resources and texts of a description."""
    spec = parsed(document)
    tools = compile_tools(spec, spec.operations)
    for tool in tools:
        for form in ("anthropic", "openai", "gemini", "mcp"):
            tool.as_dict(form, strict=form == "openai")
    lint(spec)
    check(spec, standard=False)
    list(find_injections(spec.document))
    if tools:
        nlapi.toolset(spec).answer("find", {"words": "create a thing"})


def planned_description(document: dict[str, Any]) -> None:
    """Resources, effects, plans without a model, and the plugin of a description."""
    spec = parsed(document)
    for question in ("show all campaigns", "create a campaign called Tea", "delete version 3 of it"):
        with suppress(NlapiError):
            nlapi.plan(question, spec)
    for operation in spec.operations:
        evidence_of(operation)
    build_plugin(spec, spec.visible_operations, PluginOptions(name="fuzz"))


SPEC = nlapi.load("ads")
OPERATIONS = [operation for operation in SPEC.operations if operation.usable]


@st.composite
def calls(draw: st.DrawFn) -> Call:
    tool = compile_tool(draw(st.sampled_from(OPERATIONS)))
    arguments = {name: draw(TREES) for name in tool.input_schema.get("properties", {}) if draw(st.booleans())}
    arguments |= {name: draw(st.sampled_from(["a", 1, "c1"]) | TREES) for name in tool.required}
    return Call(tool=tool, arguments=arguments)


def build_request(call: Call) -> None:
    target = Target(spec=SPEC, base_url="https://api.example")
    prepared = prepare(call, target)
    Policy(yes=True, secrets=("sk-secret",)).decide(prepared, ask("create a campaign called Tea for $5"))
    json.dumps([prepared.request.method, prepared.request.url, list(prepared.request.headers)])


BODIES = st.one_of(
    TREES.map(lambda tree: json.dumps(tree).encode()),
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
    st.integers(1, 20_000).map(lambda depth: b"[" * depth),
    st.integers(1, 3_000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
)
KINDS = st.sampled_from(
    ["application/json", "text/plain", "text/html", "application/x-ndjson", "a/b; charset=utf-16", ""]
)
ANSWERS = st.tuples(BODIES, KINDS, st.sampled_from([200, 204, 301, 404, 500]), st.sampled_from(OPERATIONS))


def read_answer(case: tuple[bytes, str, int, Any]) -> None:
    content, kind, status, operation = case
    result = Result(status=status, content=content, headers=(("content-type", kind),))
    for text in (truncate(result), model_view(result, read_contents(result, operation), handle="r1")):
        json.loads(text, parse_constant=_refuse)
    extract_list(result.data, operation, {})


def print_answer(case: tuple[bytes, str, int, Any]) -> None:
    """Every form in which a person sees a list of an answer; no text of its values has a control character."""
    content, kind, status, operation = case
    result = Result(status=status, content=content, headers=(("content-type", kind),))
    entries = entries_in(result.data, operation, {}) or [result.data]
    for output in (Output.TABLE, Output.CSV, Output.VALUE, Output.YAML):
        shown = io.StringIO()
        with redirect_stdout(shown), redirect_stderr(io.StringIO()):
            write_entries(entries, output, arrangement(None, None), operation)
        # What is no table is JSON, which a pipe gets unchanged and a terminal without control characters.
        assert output is Output.TABLE or not CONTROL.search(shown.getvalue()), output


def mask_secret(case: tuple[str, list[str], str, str]) -> None:
    """A secret in an answer, after one encoding or two: no form of it is left."""
    secret, names, before, after = case
    encoded = secret
    for name in names:
        encoded = ENCODINGS[name](encoded)
    if len(encoded) < MIN_SECRET_LENGTH:
        return
    mask = secret_mask((secret,))
    assert encoded not in mask.text(f"{before} {encoded} {after}")
    assert encoded.encode() not in mask.body(f"{before} {encoded} {after}".encode("utf-8", "replace"))


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


# C0 but for tab and line break, DEL, C1.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
ENCODINGS: dict[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "HTML": html.escape,
    "percent": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
}
SECRETS = st.tuples(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=MIN_SECRET_LENGTH, max_size=60),
    st.lists(st.sampled_from(list(ENCODINGS)), min_size=1, max_size=1),
    st.text(max_size=20),
    st.text(max_size=20),
)

_TOKENS = ("$steps", "$inputs", "$response.body", "$url", "#/", "/", ".", "{", "}", "$", "~1", "~0", "a", "[0]", " ")
GRAMMAR = st.lists(st.sampled_from(_TOKENS) | TEXT, max_size=12).map("".join)


def read_expression(text: str) -> None:
    with suppress(ExpressionError):
        parse_expression(text)
    list(embedded_expressions(text))
    list(unknown_expressions({"a": [text]}))


_WORDS = ("nlapi-ads", " ", "'", '"', "$(", ")", "`", ";", "|", "&&", "\n", "\\", "--yes", "<<EOF", "env ", "bash -c ")
SHELL = st.lists(st.sampled_from(_WORDS) | TEXT, max_size=20).map("".join)


def read_shell(text: str) -> None:
    find_calls(text, "nlapi-ads")
    find_override(text, ["TOKEN"])


PLUGIN = InstalledPlugin.open(Path(__file__).resolve().parents[1] / "plugins" / "ads")
EVENTS = st.fixed_dictionaries(
    {"tool_name": st.sampled_from(["Bash", "mcp__plugin_ads_nlapi__createCampaign", "PowerShell"]) | TEXT},
    optional={
        "tool_input": SHELL.map(lambda text: {"command": f"nlapi-ads {text}"}) | TREES,
        "cwd": TEXT,
    },
)


def ask_about(event: dict[str, Any]) -> None:
    if "tool_input" in event:
        json.dumps(hook_answer(consent_question(event, PLUGIN)))


_RULE = st.dictionaries(st.sampled_from(["api", "operation", "effect"]), TREES, max_size=3)
RULES = st.dictionaries(st.sampled_from(["allow", "ask", "deny", "rule"]), TREES | st.lists(_RULE), max_size=3)


def read_policy(document: dict[str, Any]) -> None:
    parse_rules(document, "policy.toml")


DOCUMENTS = BODIES | SHELL.map(lambda text: text.encode("utf-8", "surrogatepass"))


def read_bytes(data: bytes) -> None:
    read_document(data, "fuzz")


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzTarget:
    """What is tried, and its input."""

    run: Callable[[Any], None]
    inputs: st.SearchStrategy[Any]


TARGETS = {
    "description, upgrade, parse, tools, check": FuzzTarget(run=whole_description, inputs=descriptions()),
    "resources, plans and plugin of a description": FuzzTarget(run=planned_description, inputs=descriptions()),
    "bytes of a document": FuzzTarget(run=read_bytes, inputs=DOCUMENTS),
    "request and policy (build)": FuzzTarget(run=build_request, inputs=calls()),
    "answer (truncate, contents, views, lists)": FuzzTarget(run=read_answer, inputs=ANSWERS),
    "answer in a table, CSV, YAML and values": FuzzTarget(run=print_answer, inputs=ANSWERS),
    "secret in an answer (masks)": FuzzTarget(run=mask_secret, inputs=SECRETS),
    "expression of a workflow": FuzzTarget(run=read_expression, inputs=GRAMMAR),
    "shell command of the hook": FuzzTarget(run=read_shell, inputs=SHELL),
    "event of the hook": FuzzTarget(run=ask_about, inputs=EVENTS),
    "rules of the user's policy": FuzzTarget(run=read_policy, inputs=RULES),
}


def fuzz(target: FuzzTarget, minutes: float) -> tuple[int, str]:
    """Return how many inputs were tried, and the first fault, "" without one."""
    end, count, fault = time.monotonic() + 60 * minutes, 0, ""

    def once(value: Any) -> None:
        nonlocal count
        if time.monotonic() > end:
            return
        count += 1
        began = time.process_time()
        with suppress(NlapiError):
            target.run(value)
        spent = time.process_time() - began
        assert spent < LIMIT, f"{spent:.1f} s of CPU"

    while time.monotonic() < end and not fault:
        runner = settings(
            max_examples=2_000,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.target, Phase.shrink),
        )(given(target.inputs)(once))
        try:
            runner()
        except Exception as error:
            import traceback

            fault = "".join(traceback.format_exception(error, limit=-8)).replace("\n\n", "\n")[:3000]
            fault += "\n".join(getattr(error, "__notes__", ()))[:700]
    return count, fault


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz")
    parser.add_argument("--minutes", type=float, default=3, help="for each target")
    parser.add_argument("--only", default="", metavar="WORD", help="the targets with this in their name")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    bad = 0
    for name, target in TARGETS.items():
        if options.only not in name:
            continue
        count, fault = fuzz(target, options.minutes)
        bad += bool(fault)
        print(f"{'BAD ' if fault else 'ok  '} {name}: {count:,} inputs", flush=True)
        if fault:
            print(fault, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
