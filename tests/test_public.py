"""The public face: what there is, and that importing it costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nlapi
from tests.tables import table

PUBLIC = {
    "ArgumentError", "Call", "ConsentError", "CredentialError", "Effect", "Issue", "Ledger", "NlapiError", "Operation",
    "Plan", "Prepared", "Request", "Result", "SendError", "Spec", "Tool", "Toolset", "UsageError", "aio", "answer",
    "build", "call", "load", "manifest", "plan", "search", "testing", "tools", "toolset",
}  # fmt: skip
HEAVY = (
    "httpx2",
    "httpcore2",
    "anthropic",
    "jsonschema",
    "referencing",
    "rich",
    "typer",
    "yaml",
    "orjson",
    "starlette",
)


def imported(code: str) -> set[str]:
    """The top-level modules that are loaded after `code` in a fresh interpreter."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}; {report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_public_names_are_these() -> None:
    assert set(nlapi.__all__) == PUBLIC
    assert sorted(nlapi.__all__) == nlapi.__all__
    for name in PUBLIC:
        assert getattr(nlapi, name) is not None
    assert set(dir(nlapi)) >= PUBLIC


def test_a_star_import_gives_them_all() -> None:
    names: dict[str, object] = {}
    exec("from nlapi import *", names)
    assert set(names) >= PUBLIC


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = nlapi.nothing_of_the_kind


@table("first", ["nlapi.tools.compile", "nlapi.tools.tool", "nlapi.api"])
def test_tools_is_the_public_function_whatever_was_imported_first(first: str) -> None:
    code = f"import {first}, nlapi; print(len(nlapi.tools(nlapi.load('ads'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 0


def test_importing_nlapi_loads_none_of_what_is_heavy() -> None:
    assert not imported("import nlapi") & set(HEAVY)


def test_every_public_name_can_be_had_without_an_http_client() -> None:
    assert not imported("from nlapi import *") & {"httpx2", "httpcore2", "anthropic", "rich", "typer", "yaml"}


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert nlapi.__version__ == version("nlapi")


def test_the_old_name_of_a_parameters_location_warns_and_works() -> None:
    parameter = nlapi.load("ads").operation("getCampaign").parameters[0]
    with pytest.warns(DeprecationWarning, match=r"Parameter\.location"):
        assert parameter.where == parameter.location == "path"
