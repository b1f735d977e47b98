"""Every manifest form is what the vendor's own package has a type for, and what its API takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.manifests import faults, refusal, vendors
from nlapi.tools.definitions.manifest import FORMATS
from tests.describe import parameter
from tests.tools.test_tools_compile import tool

SHARED = Path(__file__).parents[3] / "shared" / "data" / "specs"
FILES = (path.relative_to(SHARED) for path in (*SHARED.glob("*.*"), *SHARED.glob("*/openapi/openapi.yaml")))


@pytest.mark.parametrize("name", ["ads", "gateway", *sorted(map(str, FILES))])
def test_every_tool_comes_back_from_the_types_of_every_vendor_as_it_went_in(name: str) -> None:
    for package in ("anthropic", "openai", "google.genai", "mcp"):
        pytest.importorskip(package)
    through = vendors()
    assert through.keys() == set(FORMATS)
    count, found = faults(SHARED / name if "." in name else name, through)
    assert count > 0
    assert found == {}


def test_the_responses_api_is_told_which_tools_are_not_strict() -> None:
    made = tool({"parameters": [parameter("a", required=True), parameter("b")]})
    assert made.as_dict("openai-responses") == {
        "type": "function",
        "name": made.name,
        "description": made.description,
        "parameters": made.input_schema,
        "strict": False,
    }
    whole = tool({"parameters": [parameter("a", required=True)]})
    assert whole.as_dict("openai-responses", strict=True)["strict"] is True
    assert made.as_dict("openai-responses", strict=True)["strict"] is False


def test_a_list_of_anything_says_so() -> None:
    schemas = {"p": {"type": "array"}, "q": {"type": ["array", "null"], "description": "Some."}}
    made = tool({"parameters": [parameter(name, schema=schema) for name, schema in schemas.items()]})
    assert made.input_schema["properties"] == {name: {**schema, "items": {}} for name, schema in schemas.items()}
    assert refusal("openai", made.as_dict("openai")) == ""
