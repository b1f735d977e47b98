"""Names of tools hold whatever the description: allowed, unique, readable, and the same when operations are added."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from tests.strategies import IDS, METHODS, descriptions, examples

relaxed = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
FITS = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
CLOSE = st.sampled_from(
    ["a b", "a_b", "a.b", "a-b", "a/b", " a b", "a b" + "c" * 70, "a b" + "c" * 70 + "d", "名", "å b"]
)
"""Ids that become the same when they are rewritten."""


def names(tree: Any) -> dict[tuple[str, str], str]:
    """(method, path) -> the name of its tool."""
    spec = parse_document(read_document(json.dumps(tree).encode(), "random.json"))
    return {(tool.operation.method, tool.operation.path): tool.name for tool in nlapi.tools(spec)}


def described(ids: list[str | None]) -> dict[str, Any]:
    """A description with one GET for each id; None for an operation without one."""
    paths = {
        f"/things/{number}": {"get": {"responses": {}, **({} if id is None else {"operationId": id})}}
        for number, id in enumerate(ids)
    }
    return {"openapi": "3.1.0", "info": {"title": "Random", "version": "1"}, "paths": paths}


@relaxed
@given(ids=st.lists(CLOSE | IDS | st.none(), min_size=1, max_size=12))
def test_names_are_allowed_unique_and_the_same_each_time(ids: list[str | None]) -> None:
    found = names(described(ids))
    assert len(set(found.values())) == len(found) == len(ids)
    assert all(map(FITS.fullmatch, found.values()))
    assert names(described(ids)) == found


@relaxed
@given(
    ids=st.lists(CLOSE | IDS | st.none(), min_size=1, max_size=8), more=st.lists(CLOSE | IDS | st.none(), max_size=4)
)
def test_operations_that_are_added_behind_rename_none(ids: list[str | None], more: list[str | None]) -> None:
    """But for one case: an id that fits is kept, also where an id that was rewritten has come to the same name."""
    before = names(described(ids))
    after = names(described([*ids, *(id for id in more if id not in before.values())]))
    assert {place: after[place] for place in before} == before


@relaxed
@given(
    tree=descriptions(), path=st.sampled_from(["/", "/0", "/zz/{id}"]), method=METHODS, id=CLOSE | IDS, data=st.data()
)
def test_a_name_that_fits_is_kept_wherever_an_operation_is_added(
    tree: Any, path: str, method: str, id: str, data: st.DataObject
) -> None:
    own = [node.get("operationId") for item in tree["paths"].values() for node in item.values()]
    before = {place: name for place, name in names(tree).items() if own.count(name) == 1 and name != id}
    paths = list(tree["paths"].items())
    added = {**tree["paths"].get(path, {}), method: {"operationId": id, "responses": {}}}
    paths = [(key, item) for key, item in paths if key != path]
    paths.insert(data.draw(st.integers(0, len(paths))), (path, added))
    after = names({**tree, "paths": dict(paths)})
    replaced = (method.upper(), path)
    assert all(after[place] == name for place, name in before.items() if place != replaced)


WORDS = st.lists(st.text("abcdefgxyzABC019", min_size=1, max_size=6), min_size=1, max_size=6)


@relaxed
@given(words=WORDS, joint=st.sampled_from([" ", "/", ".", "_", "-", ": ", " > ", "::"]))
def test_a_name_holds_the_words_of_its_id(words: list[str], joint: str) -> None:
    (name,) = names(described([joint.join(words)])).values()
    assert [word for word in re.split(r"[^a-zA-Z0-9]+", name) if word] == words


@relaxed
@given(words=WORDS)
def test_without_an_id_a_name_holds_the_method_and_the_words_of_the_path(words: list[str]) -> None:
    tree = {**described([]), "paths": {"/" + "/".join(words): {"delete": {"responses": {}}}}}
    (name,) = names(tree).values()
    assert name == "_".join(("delete", *words))
