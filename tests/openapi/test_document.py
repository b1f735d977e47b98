"""Bytes to a tree: what is read, what is told, and what is refused in one clear line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.errors import DescriptionError, Level
from nlapi.openapi.document import Document, read_document
from nlapi.openapi.parse import parse_document
from tests import describe
from tests.tables import table

YAML = """\
openapi: 3.0.3
info: {title: Café, version: 2024-01-01}
paths:
  /pets:
    get:
      operationId: listPets
      responses:
        200:
          description: ok
"""


def document(text: str | bytes) -> Document:
    return read_document(text if isinstance(text, bytes) else text.encode(), "api.yaml")


def with_extra(*lines: str) -> Document:
    return document(YAML + "\n".join(lines) + "\n")


def refusal(text: str | bytes) -> str:
    with pytest.raises(DescriptionError) as caught:
        document(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


@table(
    "data",
    [
        YAML.encode(),
        b"\xef\xbb\xbf" + YAML.encode(),
        YAML.replace("\n", "\r\n").encode(),
        YAML.encode("utf-16"),
        b"\xff\xfe" + YAML.encode("utf-16-le"),
        b"\xfe\xff" + YAML.encode("utf-16-be"),
        ("---\n" + YAML + "...\n").encode(),
    ],
    ids=["plain", "bom", "crlf", "utf16", "utf16-le", "utf16-be", "markers"],
)
def test_every_way_that_text_is_saved_gives_the_same_tree(data: bytes) -> None:
    found = document(data)
    assert found.tree == document(YAML).tree
    assert found.tree["info"]["title"] == "Café"
    assert found.issues == ()


def test_json_with_a_byte_order_mark_is_read() -> None:
    assert document(b"\xef\xbb\xbf" + describe.text({"/x": {"get": {}}})).tree["paths"] == {"/x": {"get": {}}}


def test_unquoted_response_keys_are_text() -> None:
    assert list(document(YAML).tree["paths"]["/pets"]["get"]["responses"]) == ["200"]


def test_what_yaml_1_1_would_turn_into_something_else_stays_text() -> None:
    extra = with_extra("x-values: [no, on, yes, off, 2024-01-01, 12:30:00, 1_000, n]").tree["x-values"]
    assert extra == ["no", "on", "yes", "off", "2024-01-01", "12:30:00", "1_000", "n"]


def test_numbers_booleans_and_null_are_those_of_the_core_schema() -> None:
    extra = with_extra("x-values: [true, False, null, ~, 010, 0o17, 0x1F, -3, 1.5, 1e3, '1']").tree["x-values"]
    assert extra == [True, False, None, None, 10, 15, 31, -3, 1.5, 1000.0, "1"]


def test_keys_that_are_not_text_become_text() -> None:
    assert list(with_extra("x-map: {404: a, 1.5: b, true: c, null: d, 2024-01-01: e}").tree["x-map"]) == [
        "404", "1.5", "true", "null", "2024-01-01",
    ]  # fmt: skip


def test_a_duplicate_key_is_an_issue_and_the_last_one_counts() -> None:
    found = with_extra("x-twice: {a: 1, a: 2}")
    assert found.tree["x-twice"] == {"a": 2}
    (issue,) = found.issues
    assert issue.level is Level.WARNING
    assert "'a'" in issue.message
    assert issue.where == "line 10"


@table("separators", [(",", ":"), (", ", ": "), (" , ", " : "), ("\n,", "\t:\n")])
def test_a_duplicate_key_is_found_in_a_large_text_too(separators: tuple[str, str]) -> None:
    says = 'a "key": and "one" : more, \\'
    one = {"get": {"description": says, "responses": {}}}
    paths = {"/first": one, **{f"/{n}": {"description": says * 50} for n in range(700)}, "/last": one, "/x\\": one}
    found = json.dumps({"openapi": "3.1.0", "info": {}, "paths": paths}, separators=separators)
    assert len(found) > 1_000_000
    assert read_document(found.encode(), "a.json").issues == ()
    doubled = read_document(found.replace('"/last"', '"/first"', 1).encode(), "a.json").issues
    assert [issue.message for issue in doubled] == ["duplicate key '/first'; the last one counts"]


def test_a_duplicate_path_or_method_is_an_error_as_an_operation_is_lost() -> None:
    yaml = "openapi: 3.1.0\npaths:\n  /a: {get: {}, get: {}}\n  /a: {}\n"
    text = '{"openapi": "3.1.0", "info": {"a": 1, "a": 2}, "paths": {"/a": {}, "/a": {}}}'
    assert [issue.level for issue in document(yaml).issues] == [Level.ERROR, Level.ERROR]
    assert sorted(issue.level for issue in document(text).issues) == [Level.ERROR, Level.WARNING]


def test_many_keys_with_one_double_are_read_quickly() -> None:
    keys = ", ".join(f'"k{n % 60_000}": 1' for n in range(60_001))
    assert len(document('{"openapi": "3.1.0", "x": {' + keys + "}}").issues) == 1


def test_aliases_and_merge_keys_are_followed_and_no_duplicates() -> None:
    found = with_extra("x-base: &base {a: 1, b: 2}", "x-more: {b: 3, <<: *base}", "x-same: *base")
    assert found.tree["x-more"] == {"a": 1, "b": 3}
    assert found.tree["x-same"] == {"a": 1, "b": 2}
    assert found.issues == ()


def test_of_several_merged_maps_the_first_one_wins() -> None:
    lines = ("x-a: &a {name: 1, kind: 1}", "x-b: &b {name: 2, more: 2}", "x-c: {<<: [*a, *b], kind: 3}")
    assert with_extra(*lines).tree["x-c"] == {"name": 1, "kind": 3, "more": 2}


def test_values_that_json_cannot_hold_become_text() -> None:
    tree = with_extra("x-v: [.inf, -.inf, .nan, !!timestamp 2001-12-14, !!binary aGk=, !!str 5]").tree
    assert all(isinstance(value, str) for value in tree["x-v"])


def bomb(width: int = 10, depth: int = 12) -> list[str]:
    lines = ["x-0: &a0 [lol]"]
    return lines + [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]


def merge_bomb(width: int = 10, depth: int = 12) -> list[str]:
    lines = ["x-0: &a0 {k: v}"]
    return lines + [f"x-{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * width)}], k{n}: v}}" for n in range(1, depth)]


def test_an_alias_bomb_is_refused() -> None:
    assert "aliases" in refusal(YAML + "\n".join(bomb()))


def test_a_bomb_of_merge_keys_stays_as_small_as_its_keys() -> None:
    assert len(with_extra(*merge_bomb()).tree["x-11"]) == 12


def test_a_chain_of_merge_keys_that_grows_too_large_is_refused() -> None:
    lines = ["x-0: &a0 {k: v}", *(f"x-{n}: &a{n} {{<<: *a{n - 1}, k{n}: v}}" for n in range(1, 2000))]
    assert "merge keys" in refusal(YAML + "\n".join(lines))


def test_a_map_that_holds_itself_is_refused() -> None:
    refusal(YAML + "x-self: &self\n  inner: *self\n")
    refusal(YAML + "x-self: &self [*self]\n")


@table(
    "tagged",
    ["!!python/object/apply:os.system [echo]", "!!python/name:os.system", "!include other.yaml", "!!set {a, b}"],
)
def test_a_tag_that_would_build_something_is_refused_with_its_line(tagged: str) -> None:
    assert "line 10" in refusal(YAML + f"x-tag: {tagged}\n")


@table(
    ("text", "line"),
    [
        (YAML + "x-cut: {a: [1, 2", "line 1"),
        (YAML + 'x-cut: "no end', "line 1"),
        (YAML + "   bad: indent\n", "line 10"),
        (YAML + "\tx-tab: 1\n", "line 10"),
        ('{\n"openapi": "3.1.0",\n"info": {"title', "line 3"),
        ('{\n"openapi": "3.1.0",\n"paths": {', "line 3"),
    ],
)
def test_a_cut_or_broken_file_is_refused_with_its_line(text: str, line: str) -> None:
    assert line in refusal(text)


@table(
    ("text", "said"),
    [
        ("", "empty"),
        (" \n\t\n", "empty"),
        ("# only a comment\n", "nothing"),
        ("<!DOCTYPE html><html><body>Sign in</body></html>", "HTML"),
        ("\n  <?xml version='1.0'?>", "HTML or XML"),
        ("[1, 2]", "a list"),
        ("- a\n- b\n", "a list"),
        ("just words", "text"),
        ("42", "int"),
        ("not found: the page you want", "`openapi`"),
        ('{"info": {}, "paths": {}}', "`openapi`"),
        ("openapi: 9.9.9\npaths: {}", "9.9.9"),
        ("openapi: 2.0\npaths: {}", "2.0"),
        ("openapi: [3]\npaths: {}", "[3]"),
        ("swaggerVersion: '1.2'\napis: []", "Swagger 1.2"),
        ("swagger: 1.2\npaths: {}", "1.2"),
        ('{"a": ' * 3000, "line 1"),
        ('{"a": ' * 900 + "1" + "}" * 900, "deep"),
        ("a: " + "[" * 500 + "]" * 500, "deep"),
    ],
)
def test_what_is_not_a_description_is_refused_and_says_what_it_is(text: str, said: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        parse_document(document(text))
    assert said in str(caught.value)
    assert "api.yaml" in str(caught.value)


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    said = refusal(YAML.encode("latin-1"))
    assert "UTF-8" in said
    assert "line 2" in said


def test_json_with_a_trailing_comma_is_the_yaml_that_it_also_is() -> None:
    found = document('{"openapi": "3.1.0", "paths": {"/x": {"get": {},}},}')
    assert found.tree["paths"] == {"/x": {"get": {}}}


def test_json_with_comments_is_refused_with_a_line() -> None:
    assert "line 2" in refusal('{"openapi": "3.1.0",\n// a comment\n"paths": {}}')


TAGS = [f"!!{tag} " for tag in "set map seq int bool float null binary timestamp merge str omap".split()]
MARKS = [
    "openapi: 3.1.0",
    *"{}[],#>'\"\t\0",
    ": ",
    "\n",
    "  ",
    "- ",
    "? ",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    "---\n",
    "...\n",
]
WORDS = ["!x ", "%YAML 1.1\n", "a", "1", "0x", "1e999", ".inf", "2024-01-01", "\\u", "é"]
TOKENS = st.sampled_from([*TAGS, *MARKS, *WORDS])


@given(data=st.binary(max_size=50) | st.lists(TOKENS, max_size=25).map("".join).map(str.encode))
def test_any_bytes_are_a_document_or_one_clear_error(data: bytes) -> None:
    for prefix in (b"", b"openapi: 3.1.0\n", b'{"openapi": "3.1.0", "x": '):
        try:
            found = document(prefix + data)
        except DescriptionError as error:
            assert "api.yaml" in str(error)
        else:
            assert json.loads(json.dumps(found.tree, allow_nan=False)) == found.tree


@table("version", ["3.0", "3.0.4", "3.1", "3.1.1", "3.2.0", "3.1.0-rc1"])
def test_every_version_of_openapi_3_is_read(version: str) -> None:
    found = document(f"openapi: {version}\npaths: {{}}")
    assert found.minor == int(version[2])


def test_a_ref_is_followed_through_escapes() -> None:
    found = document(describe.text({"/pets/{id}": {"get": {"x~y": 1}}}))
    assert found.lookup("#/paths/~1pets~1%7Bid%7D/get/x~0y") == 1


@table("ref", ["#/nowhere", "other.yaml#/a", "#/paths/0", "#nowhere", "https://example.com/x", "#/%"])
def test_a_ref_that_leads_nowhere_is_a_lookup_error(ref: str) -> None:
    with pytest.raises(LookupError, match="leads"):
        document(YAML).lookup(ref)


# What is not quite YAML or UTF-8, and clear all the same


@table("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_every_encoding_of_unicode_is_read(encoding: str) -> None:
    for text in (YAML, YAML.replace("\n", "\r\n")):
        assert read_document(text.encode(encoding), "a.yaml").tree == read_document(YAML.encode(), "a.yaml").tree


def test_tabs_are_taken_for_indentation_where_nothing_else_is() -> None:
    text = "openapi: 3.1.0\ninfo:\n\ttitle: a\tb\n\tversion: 1\npaths:\n\t/a:\n\t\tget: {responses: {}}\n"
    tree = read_document(text.encode(), "a.yaml").tree
    assert list(tree["paths"]["/a"]) == ["get"]
    with pytest.raises(DescriptionError, match=r"line 3.*this line has a tab"):
        read_document(text.replace("\t\tget", "    get").encode(), "a.yaml")


def test_a_second_document_is_told() -> None:
    with pytest.raises(DescriptionError, match="a second document begins here"):
        read_document(f"{YAML}---\na: b\n".encode(), "a.yaml")


def test_keys_are_what_is_written_and_values_are_not_keys() -> None:
    text = (
        "openapi: 3.1.0\npaths: {}\nx: {1: a, true: b, True: c, 1.10: d, on: e, ~: f, 2024-01-01: g, 0x1: h, '1': i}\n"
    )
    document = read_document(text.encode(), "a.yaml")
    assert document.tree["x"] == {
        "1": "i", "true": "b", "True": "c", "1.10": "d", "on": "e", "~": "f", "2024-01-01": "g", "0x1": "h",
    }  # fmt: skip
    assert [issue.message for issue in document.issues] == ["duplicate key '1'; the last one counts"]


def test_an_integer_with_more_digits_than_a_number_has_costs_only_itself() -> None:
    assert read_document(f"openapi: 3.1.0\npaths: {{}}\nx: {'9' * 5000}\n".encode(), "a.yaml").tree["x"] == "9" * 5000


def test_methods_in_capitals_and_names_that_are_numbers_are_understood() -> None:
    node = {"operationId": 7, "tags": [1], "responses": {}, "parameters": [{"name": 5, "in": "query"}]}
    (found,) = describe.spec({"/x": {"GET": node}}).operations
    assert (found.method, found.id, found.tags, found.parameters[0].name) == ("GET", "7", ("1",), "5")
