"""Overlays laid over a description, as OpenAPI Overlay 1.0 and 1.1 say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlapi
from nlapi.errors import DescriptionError
from nlapi.openapi.overlay import apply_overlays, parse_overlay
from tests.tables import table

PETS = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://old.example"}],
    "paths": {
        "/pets": {
            "get": {"operationId": "list", "tags": ["a"], "parameters": [{"name": "n", "in": "query"}]},
            "post": {"operationId": "add", "summary": "Add"},
        },
        "/pets/{id}": {"get": {"operationId": "one", "tags": ["a", "b"], "x-paged": ["yes"]}},
    },
}


def laid(*actions: dict[str, Any], tree: Any = PETS, version: str = "1.1.0") -> tuple[Any, str]:
    """The description after some actions, and every Issue, a line each."""
    layer = {"overlay": version, "info": {"title": "o", "version": "1"}, "actions": list(actions)}
    changed, issues = apply_overlays(tree, [parse_overlay(layer, "o.yaml")])
    return changed, "\n".join(map(str, issues))


def test_objects_merge_and_what_they_do_not_name_stays() -> None:
    changed, issues = laid({"target": "$", "update": {"info": {"x-new": 1}, "paths": {"/new": {"get": {}}}}})
    assert changed["info"] == {"title": "Pets", "version": "1", "x-new": 1}
    assert [*changed["paths"]] == ["/pets", "/pets/{id}", "/new"]
    assert not issues


def test_arrays_inside_an_update_are_put_behind_those_that_are_there() -> None:
    changed, _ = laid({"target": "$.paths.*.get", "update": {"tags": ["new"]}})
    assert changed["paths"]["/pets"]["get"]["tags"] == ["a", "new"]
    assert changed["paths"]["/pets/{id}"]["get"]["tags"] == ["a", "b", "new"]


@pytest.mark.parametrize(
    ("update", "result"),
    [({"name": "m"}, [{"name": "m"}]), ([{"name": "m"}, {"name": "k"}], [{"name": "m"}, {"name": "k"}])],
)
def test_an_array_takes_an_entry_or_more_of_them(update: Any, result: list[Any]) -> None:
    changed, _ = laid({"target": "$.paths['/pets'].get.parameters", "update": update})
    assert changed["paths"]["/pets"]["get"]["parameters"] == [{"name": "n", "in": "query"}, *result]


def test_a_primitive_is_replaced() -> None:
    changed, issues = laid({"target": "$.paths['/pets'].post.summary", "update": "Adds a pet"})
    assert changed["paths"]["/pets"]["post"]["summary"] == "Adds a pet"
    assert not issues


def test_what_is_removed_leaves_its_map_or_its_list() -> None:
    changed, issues = laid(
        {"target": "$.paths['/pets'].post", "remove": True},
        {"target": "$.paths.*.get.tags[?@ == 'a']", "remove": True},
        {"target": "$..parameters[?@.name == 'n']", "remove": True},
    )
    assert "post" not in changed["paths"]["/pets"]
    assert [item["get"]["tags"] for item in changed["paths"].values()] == [[], ["b"]]
    assert changed["paths"]["/pets"]["get"]["parameters"] == []
    assert not issues


def test_removing_what_lies_inside_what_is_removed_is_no_fault() -> None:
    changed, issues = laid({"target": "$.paths..*", "remove": True})
    assert changed["paths"] == {}
    assert not issues


def test_a_filter_may_look_into_a_list() -> None:
    changed, _ = laid({"target": "$.paths[?@.get['x-paged'][?@ == 'yes']].get", "update": {"deprecated": True}})
    assert "deprecated" not in changed["paths"]["/pets"]["get"]
    assert changed["paths"]["/pets/{id}"]["get"]["deprecated"] is True


def test_a_path_item_can_be_moved_by_copying_it() -> None:
    changed, issues = laid(
        {"target": "$.paths", "update": {"/animals": {}}},
        {"target": "$.paths['/animals']", "copy": "$.paths['/pets']"},
        {"target": "$.paths['/pets']", "remove": True},
    )
    assert changed["paths"]["/animals"] == PETS["paths"]["/pets"]
    assert "/pets" not in changed["paths"]
    assert not issues


def test_actions_see_what_those_before_them_did() -> None:
    changed, _ = laid(
        {"target": "$.servers", "remove": True},
        {"target": "$", "update": {"servers": [{"url": "https://new.example"}]}},
    )
    assert changed["servers"] == [{"url": "https://new.example"}]


@table(
    ("action", "message"),
    [
        ({"target": "$.paths['/none']", "update": {}}, "matches nothing"),
        ({"target": "$.paths[", "update": {}}, "is not a JSONPath"),
        ({"target": "paths", "update": {}}, "is not a JSONPath"),
        ({"update": {}}, "needs a `target`"),
        ({"target": "$.info"}, "needs an `update`"),
        ({"target": "$.info", "update": "text"}, "does not fit"),
        ({"target": "$.info", "update": {"title": {"a": 1}}}, "title is primitive there and object here"),
        ({"target": "$['info', 'servers']", "update": {}}, "arrays and objects"),
        ({"target": "$.info", "copy": "$.paths.*"}, "selects 2 nodes, not one"),
        ({"target": "$", "remove": True}, "cannot be removed"),
    ],
)
def test_an_action_that_cannot_be_carried_out_is_an_issue_and_changes_nothing(
    action: dict[str, Any], message: str
) -> None:
    changed, issues = laid(action)
    assert message in issues
    assert "o.yaml: actions[0]" in issues
    assert changed == PETS


def test_the_description_itself_is_left_alone() -> None:
    before = json.dumps(PETS)
    laid({"target": "$", "update": {"info": {"title": "x"}}}, {"target": "$.paths", "remove": True})
    assert json.dumps(PETS) == before


def test_what_a_yaml_alias_shares_is_changed_only_where_it_was_named() -> None:
    shared = {"type": "string"}
    changed, _ = laid({"target": "$.a", "update": {"maxLength": 3}}, tree={"a": shared, "b": shared})
    assert changed == {"a": {"type": "string", "maxLength": 3}, "b": {"type": "string"}}


@table(
    ("layer", "message"),
    [
        ({"openapi": "3.1.0"}, "is not an overlay"),
        ({"overlay": "2.0.0", "actions": []}, "version '2.0.0'"),
        ({"overlay": "1.0.0"}, "`actions`"),
        ({"overlay": "1.0.0", "actions": ["x"]}, "`actions`"),
        ([], "is not an overlay"),
    ],
)
def test_what_is_no_overlay_is_refused(layer: Any, message: str) -> None:
    with pytest.raises(DescriptionError, match=message.replace("`", ".")):
        parse_overlay(layer, "o.yaml")


def test_overlays_are_loaded_beside_a_description_and_laid_in_order(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(json.dumps(PETS))
    for number in (1, 2):
        (tmp_path / f"{number}.yaml").write_text(
            f"overlay: 1.0.0\ninfo: {{title: o, version: '1'}}\nactions:\n"
            f"- target: $.paths['/pets'].post\n  update: {{summary: From {number}}}\n"
        )
    spec = nlapi.load(tmp_path / "api.json", overlays=[tmp_path / "1.yaml", tmp_path / "2.yaml"])
    assert spec.operation("add").summary == "From 2"


def test_what_an_overlay_could_not_do_is_among_the_issues_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(json.dumps(PETS))
    (tmp_path / "o.yaml").write_text("overlay: 1.0.0\nactions: [{target: $.nothing, remove: true}]\n")
    spec = nlapi.load(tmp_path / "api.json", overlays=[tmp_path / "o.yaml"])
    assert [issue.rule for issue in spec.parse_issues if "matches nothing" in issue.message] == ["overlay"]


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), trees, max_size=4), trees)
def test_whatever_is_laid_over_it_is_merged_or_told(tree: dict[str, Any], update: Any) -> None:
    changed, issues = laid({"target": "$", "update": update}, tree=tree)
    if issues:
        assert changed == tree
    else:
        assert set(changed) == set(tree) | set(update)
