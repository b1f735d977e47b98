"""Names of tools and arguments: readable, unique, stable, and such that model APIs take them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

import nlapi
from nlapi.tools.texts.names import argument_name
from tests.describe import spec
from tests.tables import table

OK = {"responses": {"200": {"description": "ok"}}}


def names(*ids: str) -> list[str]:
    paths = {f"/{number}": {"get": {**OK, "operationId": id}} for number, id in enumerate(ids)}
    return [tool.name for tool in nlapi.tools(spec(paths))]


@table("id", ["listPets", "list-pets", "list_pets", "a", "_", "x" * 64])
def test_an_operation_id_that_fits_is_kept(id: str) -> None:
    assert names(id) == [id]


@table(
    ("id", "wanted"),
    [
        ("list pets", "list_pets"),
        ("pets/list", "pets_list"),
        ("pets.list", "pets_list"),
        ("größe", "groe"),
        (" {pets} ", "pets"),
        ("café", "cafe"),
        ("2fa", "_2fa"),
        ("-x", "x"),
    ],
)
def test_any_other_is_rewritten_and_stays_readable(id: str, wanted: str) -> None:
    assert names(id) == [wanted]


def test_a_name_that_must_be_cut_keeps_its_beginning_and_stays_unique() -> None:
    one, two = names("list_" + "very_" * 20 + "one", "list_" + "very_" * 20 + "two")
    assert one != two
    assert len(one) == len(two) == 64
    assert one.startswith("list_very_")


def test_a_name_in_another_script_gets_its_method_and_a_hash() -> None:
    one, two = names("名前", "場所")
    assert re.fullmatch(r"get_[0-9a-f]{8}", one)
    assert one != two


def test_rewritten_names_never_take_one_that_is_kept() -> None:
    first, second = names("list pets", "list_pets")
    assert second == "list_pets"
    assert re.fullmatch(r"list_pets_[0-9a-f]{8}", first)


def test_a_name_is_the_same_whatever_else_is_asked_for() -> None:
    description = spec({f"/{n}": {"get": {**OK, "operationId": id}} for n, id in enumerate(("a b", "a/b", "a_b"))})
    from nlapi.tools.compile import compile_tool

    last_first = [compile_tool(one).name for one in reversed(description.operations)]
    assert last_first[::-1] == [tool.name for tool in nlapi.tools(description)]


@table(
    ("wire", "wanted"),
    [
        ("limit", "limit"),
        ("user-id", "user-id"),
        ("a.b", "a.b"),
        ("$top", "top"),
        ("filter[name]", "filter_name"),
        ("filter[name][eq]", "filter_name_eq"),
        ("ids[]", "ids"),
        ("größe", "groe"),
        ("x" * 64, "x" * 64),
    ],
)
def test_an_argument_is_called_as_on_the_wire_where_that_is_allowed(wire: str, wanted: str) -> None:
    assert argument_name(wire, "query", ()) == wanted


def test_a_taken_argument_name_says_its_place() -> None:
    assert argument_name("id", "query", ["id"]) == "id_query"
    assert argument_name("id", "query", ["id", "id_query"]).startswith("id_")


PLACES = st.sampled_from(["path", "query", "header", "cookie", "body"])


@given(wires=st.lists(st.tuples(PLACES, st.sampled_from(["id", "id_query", "[id]", "$id"]) | st.text()), unique=True))
def test_argument_names_are_allowed_and_never_the_same(wires: list[tuple[str, str]]) -> None:
    taken: list[str] = []
    for place, wire in wires:
        name = argument_name(wire, place, taken)
        assert re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name)
        assert name not in taken
        taken.append(name)
