"""Texts of a description that look like credentials are in no file of its plugin."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nlapi.plugin.argument_settings import ArgumentSetting, setting_options
from nlapi.plugin.secret_scan import SECRET_PATTERNS, mask_examples
from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.plugin.kit import LIBRARY, plugin_of

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx3\nqRtG/7+ab==\n-----END RSA PRIVATE KEY-----"
TOKEN = "ghp_" + "a1B2" * 9


def library(**changes: Any) -> dict[str, Any]:
    tree = copy.deepcopy(LIBRARY)
    tree["paths"]["/books"]["get"] |= changes
    return tree


def test_a_secret_in_a_text_or_an_example_is_left_out_and_said(tmp_path: Path) -> None:
    source, folder = tmp_path / "library.json", tmp_path / "made"
    example = {"name": "key", "in": "query", "schema": {"type": "string", "example": KEY}}
    source.write_text(json.dumps(library(summary=f"List books with {TOKEN}", parameters=[example])))
    built = run("plugin", "build", str(source), "-o", str(folder))
    assert built.code == 0
    assert "a private key in a text or an example of the description was left out" in built.err
    assert "a token of GitHub's in a text or an example of the description was left out" in built.err
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert not [text for text in texts if TOKEN in text or "MIIEow" in text or "qRtG" in text]
    assert "List books with (a token of GitHub's was left out)" in (folder / "api" / "openapi.json").read_text()
    checked = run("plugin", "check", str(folder), "-o", "json")
    assert (checked.code, checked.json) == (0, [])


def test_a_value_that_is_sent_stays_and_is_warned_of(tmp_path: Path) -> None:
    source, folder = tmp_path / "library.json", tmp_path / "made"
    choice = {"name": "key", "in": "query", "schema": {"type": "string", "enum": [TOKEN, "none"]}}
    source.write_text(json.dumps(library(parameters=[choice])))
    assert run("plugin", "build", str(source), "-o", str(folder)).code == 0
    assert TOKEN in (folder / "api" / "openapi.json").read_text()
    issues = run("plugin", "check", str(folder), "-o", "json").json
    assert {(issue["level"], issue["message"]) for issue in issues} == {("warning", "has a token of GitHub's in it")}


def test_a_bearer_token_on_a_line_of_its_own_is_seen() -> None:
    plugin = plugin_of(library(description="Send this:\nBearer abcdefghijklmnopqrstuvwxyz012345"))
    assert not [path for path, content in plugin.files.items() if b"abcdefghijklmnopqrstuvwxyz" in content]
    assert [issue.rule for issue in plugin.issues] == ["secret"]


def test_a_property_called_default_is_no_default() -> None:
    schema = {"properties": {"default": {"description": TOKEN}, "example": {"enum": [TOKEN]}}}
    masked, kinds = mask_examples(schema, json.dumps(schema))
    assert kinds == ("a token of GitHub's",)
    assert "left out" in masked["properties"]["default"]["description"]
    assert masked["properties"]["example"] is schema["properties"]["example"]


@given(st.lists(st.sampled_from([KEY, TOKEN, "sk-" + "x9" * 20, "Bearer ", "a_", "\n", "AKIA" + "Z" * 16]), max_size=8))
def test_nothing_is_left_to_mask_after_a_mask(parts: list[str]) -> None:
    document = {"description": "".join(parts)}
    masked, _ = mask_examples(document, json.dumps(document))
    assert not [kind for kind, pattern in SECRET_PATTERNS.items() if pattern.search(masked["description"])]
    assert mask_examples(masked, json.dumps(masked)) == (masked, ())


def test_a_setting_that_is_a_key_in_the_path_is_hidden_by_clients() -> None:
    options = ("your_api_key_here", "account_id")
    settings = [ArgumentSetting(argument=option, option=option, variable=option.upper()) for option in options]
    hidden = {name: option.get("sensitive", False) for name, option in setting_options(settings).items()}
    assert hidden == {"your_api_key_here": True, "account_id": False}
