"""What is built: skills that the client takes, references with every operation once, the same bytes each time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.errors import UsageError
from nlapi.openapi.selection import select_operations
from nlapi.openapi.spec import Effect
from nlapi.plugin.build import Options, Plugin, build
from nlapi.plugin.names import COMMAND_WORDS, callable_id, plugin_name
from nlapi.plugin.skills import read_rules
from tests import describe
from tests.plugin.client_rules import client_faults
from tests.plugin.kit import GOLDEN, HOSTILE, LIBRARY, big, placed, plugin_of, spec_of
from tests.strategies import examples
from tests.tables import table

MANY: dict[str, dict[str, Any]] = {"library": LIBRARY, "hostile": HOSTILE, "many tags": big(300, 40), "few": big(9, 3)}
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Old", "version": "1"},
    "host": "old.example",
    "paths": {
        "/api/v1/pets": {"get": {"responses": {"200": {"schema": {"$ref": "#/definitions/Pet"}}}}},
        "/api/v1/pets/{id}": {
            "put": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "type": "integer"},
                    {"name": "pet", "in": "body", "schema": {"$ref": "#/definitions/Pet"}},
                ],
                "responses": {},
            }
        },
    },
    "definitions": {"Pet": {"type": "object", "properties": {"name": {"type": "string"}}}, "Unused": {}},
}


def text(plugin: Plugin, path: str) -> str:
    return plugin.files[path].decode()


def skills(plugin: Plugin) -> list[str]:
    return [path for path in plugin.files if path.endswith("SKILL.md")]


def operations(plugin: Plugin) -> list[str]:
    """The headings of all references."""
    references = [content.decode() for path, content in plugin.files.items() if "/references/" in path]
    return [id for one in references for id in re.findall(r"^## (\S+)$", one, re.MULTILINE)]


@pytest.fixture(scope="module", params=[*MANY, "swagger", "ads", "gateway"])
def plugin(request: pytest.FixtureRequest) -> Plugin:
    if request.param in ("ads", "gateway"):
        spec = nlapi.load(request.param)
        return build(spec, select_operations(spec).operations, Options(name=request.param))
    return plugin_of({**MANY, "swagger": SWAGGER}[request.param])


def test_every_operation_is_in_exactly_one_reference(plugin: Plugin) -> None:
    assert sorted(operations(plugin)) == sorted(plugin.operations)
    assert plugin.operations


def test_no_rule_of_the_client_is_broken(plugin: Plugin) -> None:
    assert client_faults(plugin.files) == []


def test_front_matter_is_what_a_client_reads(plugin: Plugin) -> None:
    for path in skills(plugin):
        head = yaml.safe_load(text(plugin, path).split("---\n")[1])
        assert head["name"] == path.split("/")[1]
        assert re.fullmatch(r"[a-z0-9-]{1,64}", head["name"])
        assert 20 <= len(head["description"]) <= 500
        assert len(text(plugin, path).splitlines()) < 200
        rules = head["allowed-tools"].split(", ")
        assert rules[-1] == f"mcp__plugin_{plugin.name}_api__*"
        assert all(rule.startswith(f"Bash({plugin.command} ") for rule in rules[:-1])
        begins = [rule.removeprefix(f"Bash({plugin.command} ").removesuffix(":*)") for rule in rules[:-1]]
        described = spec_of(json.loads(plugin.files["api/openapi.json"])).operations
        # Whether a client takes a rule for a whole word or for a beginning, it allows reads alone.
        others = [*(one.id for one in described if one.effect is not Effect.READ), *COMMAND_WORDS]
        assert not [word for word in others if any(word.startswith(begin) for begin in begins)]
        assert not [begin for begin in begins if not begin.startswith("--") and begin not in plugin.operations]


WORDS = st.one_of(
    st.sampled_from([*COMMAND_WORDS, "b", "se", "batchGet", "batchGetItems", "runReport", "settingsList", "resumeAll"]),
    st.from_regex(r"\A[a-z]{1,4}([A-Z_./:-][a-z]{1,3}){0,2}\Z"),
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(WORDS, st.booleans()), min_size=1, max_size=8, unique_by=lambda pair: pair[0]))
def test_no_rule_of_a_skill_allows_a_change_or_a_word_of_the_command(ids: list[tuple[str, bool]]) -> None:
    paths = {f"/{n}": {"get" if reads else "put": {"operationId": id}} for n, (id, reads) in enumerate(ids)}
    operations = describe.spec(paths).operations
    rules = read_rules("nlapi-x", "mcp__x__", operations, operations, "").split(", ")
    begins = [rule.removeprefix("Bash(").removesuffix(":*)") for rule in rules[:-1]]
    changing = [callable_id(one) for one in operations if one.effect is not Effect.READ]
    for word in (*changing, *COMMAND_WORDS):
        assert not [begin for begin in begins if f"nlapi-x {word}".startswith(begin)]
    assert not {callable_id(one) for one in operations} & COMMAND_WORDS


def test_a_read_that_begins_like_a_word_of_the_command_is_allowed_by_its_whole_name() -> None:
    paths = {f"/{id}": {"get": {"operationId": id}} for id in ("batchGetItems", "run", "se", "settingsOf")}
    operations = describe.spec(paths).operations
    rules = read_rules("nlapi-x", "mcp__x__", operations, operations[:3], "Of `settingsOf`, see `listOthers`.")
    assert rules == (
        "Bash(nlapi-x batchGetItems:*), Bash(nlapi-x run_operation:*), Bash(nlapi-x se_operation:*), "
        "Bash(nlapi-x settingsOf:*), Bash(nlapi-x --find:*), Bash(nlapi-x --about:*), mcp__x__*"
    )


def test_a_read_that_an_argument_makes_a_change_has_no_rule() -> None:
    reset = describe.parameter("reset", schema={"type": "boolean"}, description="Reset the counter")
    paths = {"/count": {"get": {"operationId": "getCount", "parameters": [reset]}}}
    rules = read_rules("nlapi-x", "mcp__x__", (found := describe.spec(paths).operations), found, "")
    assert "getCount" not in rules


def test_its_own_description_makes_the_same_plugin_again(plugin: Plugin) -> None:
    again = spec_of(json.loads(plugin.files["api/openapi.json"]))
    made = Options(**json.loads(plugin.files["nlapi-plugin.json"])["options"])
    assert build(again, again.visible_operations, made).files == plugin.files


@pytest.mark.parametrize("name", ["library", "hostile"])
def test_the_plugin_is_the_one_that_was_read_by_people(name: str, tmp_path: Path) -> None:
    made = placed(tmp_path / name, MANY[name])
    there = {path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()}
    kept = {path.relative_to(GOLDEN / name): path.read_bytes() for path in (GOLDEN / name).rglob("*") if path.is_file()}
    assert there.keys() == kept.keys(), "`python -m tests.plugin.kit` writes them anew"
    for path, content in kept.items():
        assert there[path] == content, f"{path}: `python -m tests.plugin.kit` writes it anew"
    assert {path.name for path in made.rglob("*") if path.is_file() and path.stat().st_mode & 0o100} == {
        f"nlapi-{plugin_name(spec_of(MANY[name]).title)}",
        "consent.sh",
        "event.sh",
        "session.sh",
    }


@table(("operations", "tags"), [(9, 3), (40, 40), (300, 40), (500, 500), (60, 1)])
def test_there_are_three_to_twenty_skills_whatever_the_size(operations: int, tags: int) -> None:
    plugin = plugin_of(big(operations, tags))
    assert 3 <= len(skills(plugin)) <= 20
    assert all(len(text(plugin, path).splitlines()) < 200 for path in skills(plugin))
    heads = [yaml.safe_load(text(plugin, path).split("---\n")[1]) for path in (*skills(plugin), "agents/big.md")]
    assert sum(len(head["name"]) + len(head["description"]) for head in heads) <= 5_000


def test_a_few_operations_are_one_skill() -> None:
    assert skills(plugin_of(big(1, 1))) == ["skills/big/SKILL.md"]
    assert "`list0`" in text(plugin_of(big(1, 1)), "skills/big/SKILL.md")


def test_a_group_that_is_too_large_to_be_read_at_once_is_in_several_files() -> None:
    tagged = plugin_of(big(240, 2))
    files = [path for path in tagged.files if "/references/tag-0" in path]
    assert [path.rpartition("/")[2] for path in files] == ["tag-0-2.md", "tag-0.md"]
    assert "(2 of 2)" in text(tagged, files[0])
    assert all(len(text(tagged, path)) < 9_000 for path in files)


def test_an_area_of_large_operations_keeps_its_skill_short() -> None:
    def long_operation(number: int) -> dict[str, Any]:
        names = [f"value_{number}_{index}" for index in range(88)]
        schema = {"properties": {name: {"type": "string", "description": f"The {name}."} for name in names}}
        body = {"content": {"application/json": {"schema": {"type": "object", **schema}}}}
        tags = ["parts" if number < 54 else "users"]
        return {"operationId": f"createPart{number}", "tags": tags, "requestBody": body, "responses": {}}

    tree: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "Large", "version": "1"}}
    tree["paths"] = {f"/parts{number}": {"post": long_operation(number)} for number in range(56)}
    plugin = plugin_of(tree)
    assert all(len(text(plugin, path).splitlines()) < 200 for path in skills(plugin))
    files = [path for path in plugin.files if "/references/" in path]
    named = "".join(text(plugin, path) for path in skills(plugin))
    assert not [path for path in files if f"](references/{path.rpartition('/')[2]})" not in named]
    assert not [f"createPart{number}" for number in range(56) if f"`createPart{number}`" not in named]


def test_a_description_without_a_title_gives_away_no_path() -> None:
    spec = spec_of({**LIBRARY, "info": {}}, "/home/s3cret-folder/library.json")
    made = build(spec, spec.visible_operations, Options())
    assert made.name == "api"
    assert not [path for path, content in made.files.items() if b"s3cret" in content]


def test_without_tags_the_resource_in_the_path_says_what_belongs_together() -> None:
    reference = text(plugin_of(SWAGGER), "skills/old/references/pets.md")
    assert "## get_api_v1_pets\n" in reference
    assert "## put_api_v1_pets_id\n" in reference


def test_a_reference_says_what_an_argument_may_be() -> None:
    books = text(plugin_of(LIBRARY), "skills/city-library-books/references/books.md")
    assert "- `genre` (one of `NOVEL`, `POETRY`)" in books
    assert "- `limit` (integer, 1 to 50)" in books
    assert "- `title` (required, string): Its title." in books
    assert "- `shelf` (object)\n  - `floor` (required, integer)\n  - `row` (any value)" in books
    assert "cents: `'15 USD'` or a number of cents" in next(
        line for line in books.splitlines() if line.startswith("- `fine`")
    )
    assert "Leads on to getBook." in books
    assert "`id`" not in books.partition("## addBook")[2].partition("##")[0]


def test_the_description_holds_what_the_operations_need_and_no_more() -> None:
    tree = json.loads(plugin_of(LIBRARY, include=("tag:loans",)).files["api/openapi.json"])
    assert list(tree["paths"]) == ["/loans"]
    assert list(tree["components"]["schemas"]) == ["Book", "Shelf", "Loan"]
    assert list(tree["components"]["securitySchemes"]) == ["staff"]
    old = json.loads(plugin_of(SWAGGER).files["api/openapi.json"])
    assert list(old["definitions"]) == ["Pet"]


def test_credentials_come_from_variables_named_after_the_plugin_or_as_asked() -> None:
    command = text(plugin_of(LIBRARY), "bin/nlapi-city-library")
    assert """[ -z "${CITY_LIBRARY_TOKEN:-}" ] || set -- --auth staff=env:CITY_LIBRARY_TOKEN "$@\"""" in command
    asked = text(plugin_of(LIBRARY, variables={"staff": "MINE"}, name="lib"), "bin/nlapi-lib")
    assert "--auth staff=env:MINE" in asked
    with pytest.raises(UsageError, match="no security scheme 'other'"):
        plugin_of(LIBRARY, variables={"other": "MINE"})
    with pytest.raises(UsageError, match="cannot be the name of a variable"):
        plugin_of(LIBRARY, variables={"staff": "$(x)"})


def twice(**schemes: list[str]) -> dict[str, Any]:
    """The library with an operation whose requirement names these schemes beside its own."""
    more = {name: {"type": "oauth2", "flows": {}} for name in schemes}
    return {
        **LIBRARY,
        "security": [{"staff": [], **schemes}, {"key": []}],
        "components": {
            **LIBRARY["components"],
            "securitySchemes": {
                **LIBRARY["components"]["securitySchemes"],
                "key": {"type": "apiKey", "in": "query", "name": "key"},
                **more,
            },
        },
    }


def test_schemes_of_one_place_are_one_credential_to_ask_for() -> None:
    plugin = plugin_of(twice(Oauth2=[], Oauth2c=[]))
    asked = json.loads(plugin.files[".claude-plugin/plugin.json"])["userConfig"]
    assert list(asked) == ["base_url", "staff", "key"]
    command = text(plugin, "bin/nlapi-city-library")
    for scheme in ("staff", "Oauth2", "Oauth2c"):
        assert f"--auth {scheme}=env:CITY_LIBRARY_STAFF " in command
    assert "--auth key=env:CITY_LIBRARY_KEY " in command
    assert json.loads(plugin.files["nlapi-plugin.json"])["variables"] == [
        "CITY_LIBRARY_BASE_URL",
        "CITY_LIBRARY_STAFF",
        "CITY_LIBRARY_KEY",
    ]
    assert text(plugin, "README.md").count("or the variable `CITY_LIBRARY_STAFF`") == 1


def test_each_credential_has_a_variable_of_its_own_however_its_scheme_is_spelled() -> None:
    names = ("key 1", "key-1", "key.1")
    schemes = {name: {"type": "apiKey", "in": "query", "name": f"key{at}"} for at, name in enumerate(names)}
    tree = {**LIBRARY, "components": {**LIBRARY["components"], "securitySchemes": schemes}}
    plugin = plugin_of({**tree, "security": [{name: [] for name in names}]})
    variables = json.loads(plugin.files["nlapi-plugin.json"])["variables"]
    assert len(set(variables)) == len(variables) == 1 + len(names)


def test_a_variable_given_for_one_of_its_schemes_is_that_of_all() -> None:
    command = text(plugin_of(twice(Oauth2=[]), variables={"Oauth2": "MINE"}), "bin/nlapi-city-library")
    assert "--auth staff=env:MINE " in command and "--auth Oauth2=env:MINE " in command


@table(
    ("title", "name"),
    [
        ("Spotify Ads API", "spotify-ads"),
        ("The REST API v3", "the-rest-api-v3"),
        ("GitHub's official OpenAPI spec + Octokit extension", "github-octokit-extension"),
        ("Claude API", "api"),
        ("Anthropic Messages", "messages"),
        ("3D Printers", "api-3d-printers"),
        ("ユーザー", "api"),
        ("../../etc/passwd", "etc-passwd"),
        ("a" * 90, "a" * 30),
        ("", "api"),
    ],
)
def test_a_name_is_made_of_the_title(title: str, name: str) -> None:
    assert plugin_name(title) == name


@table("name", ["claude-x", "my-anthropic", "Big", "a b", "a--b", "-a", "1a", "a" * 31, "../a", "a\n"])
def test_a_name_that_no_plugin_may_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        plugin_of(LIBRARY, name=name)


def described(title: str, **info: Any) -> dict[str, Any]:
    """The library under another title, with more said of it."""
    servers = info.pop("servers", [])
    return {**LIBRARY, "servers": servers, "info": {"version": "1", "title": title, **info}}


@table(
    ("tree", "name"),
    [
        # The provider is said by a text and by the server's host.
        (
            described("Ads API", description="The Acme Ads API.", servers=[{"url": "https://api.acme.com/ads"}]),
            "acme-ads",
        ),
        (
            described("Ads API", contact={"email": "x@acme.co.uk"}, servers=[{"url": "https://acme.co.uk"}]),
            "acme-ads",
        ),
        (described("Acme Books", description="Of Acme.", servers=[{"url": "https://acme.com"}]), "acme-books"),
        # A hosting service and a stranger's mail say nothing.
        (
            described("Book API", contact={"email": "jo@gmail.com"}, servers=[{"url": "https://b7.herokuapp.com"}]),
            "book",
        ),
        (described("!!! ???", servers=[{"url": "https://api.acme.com"}]), "acme"),
        (described("!!! ???"), "api"),
        (described("図書館 API"), "api"),
        (described("Gerätebuchung für Büros"), "geratebuchung-fur-buros"),
        (described("claude-anthropic"), "api"),
        # The names of the plugins that ship are theirs.
        (described("Ads"), "ads-api"),
        (described("Gateway API"), "gateway-api"),
    ],
)
def test_a_plugin_is_named_after_the_provider_and_the_api(tree: dict[str, Any], name: str) -> None:
    plugin = plugin_of(tree)
    assert plugin.name == name
    assert client_faults(plugin.files) == []
    assert plugin_of(json.loads(plugin.files["api/openapi.json"])).name == name


@pytest.mark.parametrize("name", ["ads", "gateway"])
def test_the_name_of_a_plugin_that_ships_is_refused_for_another_description(name: str) -> None:
    with pytest.raises(UsageError, match="nlapi ships"):
        plugin_of(LIBRARY, name=name)


def test_the_version_changes_with_whatever_is_in_the_plugin() -> None:
    def version(**changes: Any) -> str:
        return json.loads(plugin_of({**LIBRARY, **changes}).files[".claude-plugin/plugin.json"])["version"]

    assert version().startswith("2.1.0+")
    assert version() == version()
    assert version() != version(tags=[])


def test_an_operation_that_cannot_be_called_is_left_out_and_named() -> None:
    broken_one = {"operationId": "broken", "parameters": [{"$ref": "#/nowhere"}], "responses": {}}
    plugin = plugin_of({**LIBRARY, "paths": {**LIBRARY["paths"], "/broken": {"get": broken_one}}})
    assert plugin.skipped_operations == ("broken",)
    assert "broken" not in plugin.operations
    with pytest.raises(UsageError, match="no operation left"):
        plugin_of({**LIBRARY, "paths": {"/broken": {"get": broken_one}}})


def test_a_description_from_elsewhere_may_not_lead_into_a_private_network() -> None:
    inward = {**LIBRARY, "servers": [{"url": "http://10.0.0.5/"}]}
    spec = spec_of(inward, "https://library.example/openapi.json")
    with pytest.raises(UsageError, match="no operation left"):
        build(spec, spec.visible_operations, Options())
    assert build(spec, spec.visible_operations, Options(base_url="http://10.0.0.5")).operations


def test_relative_servers_of_a_description_from_a_url_are_written_out() -> None:
    spec = spec_of({**LIBRARY, "servers": [{"url": "/v9"}]}, "https://library.example/docs/openapi.json")
    tree = json.loads(build(spec, spec.visible_operations, Options()).files["api/openapi.json"])
    assert tree["servers"] == [{"url": "https://library.example/v9"}]
    old = spec_of({key: one for key, one in SWAGGER.items() if key != "host"}, "http://old.example:81/swagger.json")
    tree = json.loads(build(old, old.visible_operations, Options()).files["api/openapi.json"])
    assert (tree["host"], tree["schemes"]) == ("old.example:81", ["http"])
