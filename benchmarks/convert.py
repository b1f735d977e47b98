"""nlapi beside fastmcp, mcpify and openapi-llm: `python -m benchmarks.convert` has each make tools of the same files.

The others are installed into environments of their own in the cache folder. Each conversion is a process of its own:
CPU from its start to the finished list of tools, its peak memory, and the characters of a tool as JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.descriptions import github, stripe
from benchmarks.environments import environment
from benchmarks.measure import Figure
from benchmarks.npm import cache

RESULTS = Path(__file__).with_name("CONVERT.md")
GENERATED = 20_000
SECONDS = 240
LIMITS = {"GitHub": (0.6, 200), "Stripe": (0.5, 150), f"{GENERATED:,} generated operations": (5, 400)}
"""CPU seconds and MB that nlapi may take."""

MOST_CHARACTERS = 1300
"""Characters that one of nlapi's tools may have on GitHub's description, on average."""

NLAPI = """
import nlapi
tools = [tool.as_dict("anthropic") for tool in nlapi.tools(nlapi.load(path))]
"""
OTHERS = {
    "fastmcp": """
import asyncio, json, logging
logging.disable(logging.WARNING)
from fastmcp import FastMCP
async def made():
    server = FastMCP.from_openapi(openapi_spec=json.load(open(path)))
    return [one.to_mcp_tool() for one in await server.list_tools()]
tools = [{"name": t.name, "description": t.description, "input_schema": t.input_schema if hasattr(t, "input_schema")
    else t.inputSchema} for t in asyncio.run(made())]
""",
    "mcpify-openapi": """
from mcpify.spec import load_spec
from mcpify.tools import spec_to_tools
tools = spec_to_tools(load_spec(path))
""",
    "openapi-llm": """
from pathlib import Path
from openapi_llm.client.config import ClientConfig
from openapi_llm.core.spec import OpenAPISpecification
from openapi_llm.providers.anthropic import AnthropicProvider
spec = OpenAPISpecification.from_file(path)
tools = ClientConfig(openapi_spec=spec, llm_provider=AnthropicProvider()).get_tool_definitions()
""",
}
FRAME = """
import json, resource, sys, time
path = sys.argv[1]
{conversion}
usage = resource.getrusage(resource.RUSAGE_SELF)
scale = 2**20 if sys.platform == "darwin" else 2**10
spent = {{"cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / scale}}
print(json.dumps({{**spent, "tools": len(tools), "characters": sum(len(json.dumps(one)) for one in tools)}}))
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One conversion. `cpu` in seconds, `peak` in MB; `fault` is why there is no list."""

    cpu: float = 0.0
    peak: float = 0.0
    tools: int = 0
    characters: int = 0
    fault: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convert", description=__doc__)
    parser.add_argument("--github", type=Path, metavar="FILE", help="GitHub's description, if you have it already")
    parser.add_argument("--alone", action="store_true", help="nlapi only")
    options = parser.parse_args()
    runs = {} if options.alone else beside(options.github)
    figures = measure(options.github)
    for figure in figures:
        print(f"{'ok  ' if figure.kept else 'HIGH'} {figure.name}: {figure.value:,.2f} {figure.unit}")
    if runs:
        RESULTS.write_text(page(runs), encoding="utf-8")
    return 0 if all(figure.kept for figure in figures) else 1


def measure(given: Path | None = None) -> list[Figure]:
    """The Figures of nlapi alone."""
    figures: list[Figure] = []
    for title, file in descriptions(given).items():
        own = convert(Path(sys.executable), NLAPI, file, runs=3)
        if own.fault:
            raise RuntimeError(f"nlapi on {title}: {own.fault}")
        figures += _figures(title, own)
    return figures


def descriptions(given: Path | None) -> dict[str, Path]:
    """What is converted, by title; without npm only what is generated."""
    files = {"GitHub": github(given), "Stripe": stripe(), f"{GENERATED:,} generated operations": generated()}
    return {title: file for title, file in files.items() if file is not None}


def beside(given: Path | None) -> dict[tuple[str, str], Run]:
    """A Run of every converter on every description, printed as they end."""
    runs: dict[tuple[str, str], Run] = {}
    for title, file in descriptions(given).items():
        for name, conversion in {"nlapi": NLAPI, **OTHERS}.items():
            python = Path(sys.executable) if name == "nlapi" else environment(name, name)
            runs[title, name] = convert(python, conversion, file, runs=3 if name == "nlapi" else 1)
            print(row(runs, title, name), flush=True)
    return runs


def page(runs: Mapping[tuple[str, str], Run]) -> str:
    """The runs as a page of Markdown."""
    head = [
        "# nlapi beside other converters",
        "",
        "`python -m benchmarks.convert`; in brackets: times what nlapi takes.",
        "",
    ]
    head += [
        "| description | converter | CPU s | MB | tools | characters a tool |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *(row(runs, title, name) for title, name in runs), ""])


def row(runs: Mapping[tuple[str, str], Run], title: str, name: str) -> str:
    run, own = runs[title, name], runs[title, "nlapi"]
    if run.fault:
        return f"| {title} | {name} | {run.fault} | | | |"
    cpu = f"{run.cpu:.2f}" + ("" if run is own else f" ({run.cpu / own.cpu:.1f})")
    peak = f"{run.peak:.0f}" + ("" if run is own else f" ({run.peak / own.peak:.1f})")
    return f"| {title} | {name} | {cpu} | {peak} | {run.tools:,} | {run.characters / max(run.tools, 1):,.0f} |"


def _figures(title: str, own: Run) -> list[Figure]:
    cpu, peak = LIMITS[title]
    most = MOST_CHARACTERS if title == "GitHub" else None
    characters = own.characters / max(own.tools, 1)
    return [
        Figure(name=f"tools of {title}, CPU", value=own.cpu, unit="s", limit=cpu),
        Figure(name=f"tools of {title}, peak memory", value=own.peak, unit="MB", limit=peak),
        Figure(name=f"tools of {title}, each", value=characters, unit="characters", limit=most),
    ]


def convert(python: Path, conversion: str, file: Path, runs: int) -> Run:
    """The cheapest of several runs of a conversion."""
    return min((_convert(python, conversion, file) for _ in range(runs)), key=lambda one: one.cpu)


def _convert(python: Path, conversion: str, file: Path) -> Run:
    command = [str(python), "-c", FRAME.format(conversion=conversion), str(file)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return Run(fault=f"no end after {SECONDS} s")
    if ran.returncode:
        said = (ran.stderr.strip().splitlines() or [f"signal {-ran.returncode}"])[-1]
        return Run(fault=said[:120])
    return Run(**json.loads(ran.stdout.splitlines()[-1]))


def generated(count: int = GENERATED) -> Path:
    """A description with `count` operations, such as a large platform has: a few parameters, bodies, shared schemas."""
    file = cache() / f"generated-{count}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(_generated(count)), encoding="utf-8")
    return file


def _generated(operations: int) -> dict[str, object]:
    text = {"type": "string", "description": "A text that says what this is."}
    paths: dict[str, object] = {}
    schemas: dict[str, object] = {}
    for number in range((operations + 3) // 4):
        ref = {"$ref": f"#/components/schemas/Thing{number}"}
        answer = {"200": {"description": "ok", "content": {"application/json": {"schema": ref}}}}
        body = {"required": True, "content": {"application/json": {"schema": ref}}}
        id = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
        page = {
            "name": "page",
            "in": "query",
            "schema": {"type": "integer", "default": 1},
            "description": "Which page.",
        }

        def one(verb: str, number: int = number, answer: object = answer, **more: object) -> dict[str, object]:
            summary = f"{verb.title()} things of kind {number}"
            return {"operationId": f"{verb}Thing{number}", "summary": summary, "responses": answer, **more}

        schemas[f"Thing{number}"] = {
            "type": "object",
            "required": ["name"],
            "properties": {
                "id": {"type": "integer", "readOnly": True},
                "name": text,
                "size": {"type": "number", "minimum": 0},
                "kind": {"type": "string", "enum": ["small", "large"]},
                "next": {"$ref": f"#/components/schemas/Thing{(number + 1) % 50}"},
            },
        }
        paths[f"/things{number}"] = {"get": one("list", parameters=[page]), "post": one("create", requestBody=body)}
        paths[f"/things{number}/{{id}}"] = {
            "parameters": [id],
            "get": one("read"),
            "put": one("replace", requestBody=body),
        }
    info = {"title": "Generated", "version": "1"}
    servers = [{"url": "https://api.example"}]
    return {
        "openapi": "3.0.3", "info": info, "servers": servers, "paths": paths, "components": {"schemas": schemas},
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
